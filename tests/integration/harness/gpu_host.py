"""A machine with GPUs that are not there: a tree of tests/fixtures/hosts laid over this one, in the runner's own mount namespace. Device
numbers are NVIDIA's, for which no driver is loaded: opening an allowed node says ENXIO, a refused one EPERM."""
import contextlib
import pathlib
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures/hosts"
OVERLAYS = ("usr", "etc", "run", "home", "dev", "opt")
BINDS = ("proc/driver", "proc/devices", "proc/misc", "sys/bus/pci/devices", "sys/devices/pci0000:00", "sys/module/firmware_class/parameters/path")


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def why_not():
    """A need: says why the tree can't be laid over this machine."""
    if "overlay" not in pathlib.Path("/proc/filesystems").read_text():
        return "this kernel has no overlay file system"
    if pathlib.Path("/proc/driver/nvidia").exists():
        return "this machine has an NVIDIA driver of its own: scripts/gpu-check is its test"
    return None


def make_tree(name, destination):
    subprocess.run([sys.executable, FIXTURES / "make_host.py", name, destination], check=True)


@contextlib.contextmanager
def gpu_host(t, name, settings=None, change=None):
    """While it lasts this machine looks like the fixture host NAME. settings: the text of gpurun.toml; change(tree) edits the tree first."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="host-", dir=t.directory))
    tree = place / "tree"
    make_tree(name, tree)
    if settings is not None:
        (tree / "etc/gpurun").mkdir(parents=True, exist_ok=True)
        (tree / "etc/gpurun/gpurun.toml").write_text(settings)
    if change:
        change(tree)
    mounted = []
    try:
        for part in OVERLAYS:
            if not pathlib.Path("/", part).is_dir():
                continue
            (tree / part).mkdir(exist_ok=True)
            for folder in ("upper", "work"):
                (place / folder / part).mkdir(parents=True)
            mount("-t", "overlay", "-o", f"lowerdir={tree / part}:/{part},upperdir={place}/upper/{part},workdir={place}/work/{part}",
                  "overlay", f"/{part}")
            mounted.append(f"/{part}")
        for part in BINDS:
            if (tree / part).exists() and pathlib.Path("/", part).exists():
                mount("--bind", tree / part, f"/{part}")
                mounted.append(f"/{part}")
        yield tree
    finally:
        for point in reversed(mounted):
            subprocess.run(["umount", "-l", point], check=True)


def with_host_proc(container):
    """A procfs of the container's own would not show the fixture's /proc/driver: it gets this machine's."""
    for entry in container.config["mounts"]:
        if entry["destination"] == "/proc":
            entry.update(type="bind", source="/proc", options=["rbind", "nosuid", "nodev", "noexec"])
    container.linux["maskedPaths"] = []
    container.linux["readonlyPaths"] = []
    return container


def gpu_container(t, request, sh, layout="debian", **env):
    """A container that asks for GPUs by NVIDIA_VISIBLE_DEVICES=request and has a root file system of that layout."""
    c = with_host_proc(t.container(sh=sh))
    make_layout(c.rootfs, layout)
    c.process["env"] = ["PATH=/usr/bin:/bin"] + ([f"NVIDIA_VISIBLE_DEVICES={request}"] if request is not None else [])
    c.process["env"] += [f"{name}={value}" for name, value in env.items()]
    return c


def make_layout(root, layout):
    """The marks by which a distribution's library directory is known; no library works, none is needed."""
    files = {"debian": ["usr/lib/x86_64-linux-gnu/libc.so.6", "etc/debian_version"], "fedora": ["usr/lib64/libc.so.6"],
             "alpine": ["lib/ld-musl-x86_64.so.1"], "empty": []}[layout]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12.0\n")


FOLDERS = {"debian": "/usr/lib/x86_64-linux-gnu", "fedora": "/usr/lib64", "alpine": "/usr/lib", "empty": "/usr/lib64"}


def cached_libraries(root):
    """Names and paths in the container's loader cache, read by this machine's ldconfig."""
    table = subprocess.run(["/sbin/ldconfig", "-p", "-C", root / "etc/ld.so.cache"], check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: line.rpartition("=> ")[2] for line in table.splitlines() if "=>" in line}
