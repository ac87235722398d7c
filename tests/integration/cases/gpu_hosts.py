"""GPU containers on the fixture hosts: every kind of machine and of root file system."""
import json
import os
import pathlib

from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds
from harness.gpu_host import FOLDERS, cached_libraries, gpu_container, gpu_host, why_not

MODES = ("v1", "v2")
NEEDS = (why_not,)
NODES = "cd /dev; for n in nvidia*; do [ -e $n ] && echo $n; done; true"


def gpu_case(title, modes=("v2",)):
    return case(title, modes=modes, needs=NEEDS, runc="runc knows no GPU")


def nodes(t, request, sh=NODES, **env):
    """The names in /dev that begin with nvidia, in a container with that request."""
    return succeeds(gpu_container(t, request, sh, **env).run()).out.split()


@gpu_case("one GPU: nodes, libraries, links, programs, loader cache and parameters are there", modes=MODES)
def _(t):
    with gpu_host(t, "h200"):
        c = gpu_container(t, "all", f"""{NODES}
            cd {FOLDERS['debian']}; for l in libcuda.so.1 libcuda.so libnvidia-ml.so.1; do readlink $l; done; grep -c . libcuda.so.580.159.04 >/dev/null && echo readable
            test -e /usr/bin/nvidia-smi && echo smi; grep ModifyDeviceFiles /proc/driver/nvidia/params; ls /proc/driver/nvidia/gpus
            echo x > libcuda.so.1 || echo read-only""")
        out = succeeds(c.run()).out
        for part in ("nvidia0\n", "nvidiactl\n", "nvidia-uvm\n", "nvidia-uvm-tools\n", "libcuda.so.580.159.04\n", "libcuda.so.1\n", "readable\n",
                     "smi\n", "ModifyDeviceFiles: 0\n", "0000:00:06.0\n", "read-only\n"):
            contains(out, part)
        equal(cached_libraries(c.rootfs).get("libcuda.so.1"), FOLDERS["debian"] + "/libcuda.so.1", "cache")


@gpu_case("a second start writes only the files that differ", modes=MODES)
def _(t):
    with gpu_host(t, "h200"):
        c = gpu_container(t, "all", "true")
        files = [c.rootfs / "etc/ld.so.cache", c.rootfs / "etc/OpenCL/vendors/nvidia.icd"]
        succeeds(c.run())
        first = [(file.stat().st_ino, file.read_bytes()) for file in files]
        succeeds(c.run())
        equal([(file.stat().st_ino, file.read_bytes()) for file in files], first, "files after a second start")
        for file in files:
            file.write_bytes(b"x" * file.stat().st_size)
        succeeds(c.run())
        equal([file.read_bytes() for file in files], [content for _, content in first], "files that were changed meanwhile")


@gpu_case("the device cgroup allows the chosen GPU and refuses the other one, even when its node is made", modes=MODES)
def _(t):
    with gpu_host(t, "h200-x2"):
        c = gpu_container(t, "1", "cat /dev/nvidia1; mknod /tmp/other c 195 0; cat /tmp/other; ls /proc/driver/nvidia/gpus; ls /dev | grep nvidia")
        result = succeeds(c.run())
        contains(result.err, "'/dev/nvidia1': No such device or address")
        contains(result.err, "'/tmp/other': Operation not permitted")
        equal(result.out.split(), ["0000:00:07.0", "nvidia-uvm", "nvidia-uvm-tools", "nvidia1", "nvidiactl"])


REQUESTS = [  # request, environment, GPU nodes or None for no request at all
    ("all", {}, [0, 1]), ("0", {}, [0]), ("1", {}, [1]), ("0,1", {}, [0, 1]), (" 1 , 0,", {}, [0, 1]), ("1,1", {}, [1]), ("0,all", {}, [0, 1]),
    ("none", {}, []), ("none,all", {}, []), ("void", {}, None), ("0,void", {}, None), ("", {}, None), (",", {}, None), (None, {}, None),
    (None, {"CUDA_VERSION": "12.4.1"}, [0, 1]), (None, {"CUDA_VERSION": "12.4.1", "NVIDIA_REQUIRE_CUDA": "cuda>=12"}, None),
    ("GPU-00000002-ab60-6d25-5d87-ee417aaddb56", {}, [1]), ("gpu-00000002-AB60-6D25-5D87-EE417AADDB56", {}, [1]),
    ("0000:00:07.0", {}, [1]), ("00000000:00:07.0", {}, [1]), ("00:06.0", {}, [0]), ("nvidia.com/gpu=1", {}, [1]),
    ("runtime.nvidia.com/gpu=all", {}, [0, 1]), ("/var/run/nvidia-container-devices", {}, None),
]


@gpu_case("every form of NVIDIA_VISIBLE_DEVICES gives its GPUs")
def _(t):
    with gpu_host(t, "h200-x2"):
        for request, env, wanted in REQUESTS:
            got = nodes(t, request, **env)
            got = [name for name in got if name != "nvidia-modeset"]  # An old image asks for every capability, display among them.
            expected = [] if wanted is None else sorted([f"nvidia{n}" for n in wanted] + ["nvidia-uvm", "nvidia-uvm-tools", "nvidiactl"])
            equal(sorted(got), expected, f"nodes for {request!r} {env}")


@gpu_case("the last NVIDIA_VISIBLE_DEVICES of several counts")
def _(t):
    with gpu_host(t, "h200-x2"):
        c = gpu_container(t, "all", NODES)
        c.process["env"].append("NVIDIA_VISIBLE_DEVICES=1")
        lacks(succeeds(c.run()).out, "nvidia0")


@gpu_case("unknown GPUs, capabilities and requirements that do not hold are refused in one sentence, nothing is left")
def _(t):
    with gpu_host(t, "h200-x2"):
        for request, env, part in [("9", {}, 'unknown GPU device "9"'), ("GPU-deadbeef", {}, "GPU-deadbeef"), ("0:0", {}, '"0:0"'),
                                   ("all", {"NVIDIA_DRIVER_CAPABILITIES": "compute,bogus"}, "bogus"),
                                   ("all", {"NVIDIA_REQUIRE_CUDA": "cuda>=99.0"}, "unsatisfied condition: cuda>=99.0"),
                                   ("all", {"NVIDIA_REQUIRE_X": "cuda>>1"}, "cuda>>1"),
                                   ("all", {"NVIDIA_MIG_CONFIG_DEVICES": "all"}, "CAP_SYS_ADMIN")]:
            fails(gpu_container(t, request, "true", **env).run(), part)


@gpu_case("a requirement that does not hold is no obstacle where it is disabled")
def _(t):
    with gpu_host(t, "h200"):
        succeeds(gpu_container(t, "all", "true", NVIDIA_REQUIRE_CUDA="cuda>=99.0", NVIDIA_DISABLE_REQUIRE="1").run())
    with gpu_host(t, "h200", "[gpu]\ndisable-require = true\n"):
        succeeds(gpu_container(t, "all", "true", NVIDIA_REQUIRE_CUDA="cuda>=99.0").run())


@gpu_case("capabilities choose the driver's files")
def _(t):
    with gpu_host(t, "h200"):
        listing = f"ls {FOLDERS['debian']} /usr/bin /usr/share/vulkan/icd.d /etc/OpenCL/vendors 2>/dev/null"
        for capabilities, has, lack in [("compute", ["libcuda.so.1", "nvidia.icd"], ["nvidia-smi", "libGLX_nvidia.so.0"]),
                                        ("utility", ["libnvidia-ml.so.1", "nvidia-smi"], ["libcuda.so.1", "libnvcuvid.so.1"]),
                                        ("video", ["libcuda.so.1", "libnvidia-encode.so.1", "libnvcuvid.so.1"], ["nvidia-smi"]),
                                        ("graphics", ["libGLX_nvidia.so.0", "libEGL_nvidia.so.0"], ["libcuda.so.1"]),
                                        ("all", ["libcuda.so.1", "libGLX_nvidia.so.0", "nvidia-smi"], [])]:
            out = gpu_container(t, "all", listing, NVIDIA_DRIVER_CAPABILITIES=capabilities).run().out.split()
            for name in has:
                assert name in out, f"{capabilities}: {name} is missing"
            for name in lack:
                assert name not in out, f"{capabilities}: {name} is there"


@gpu_case("eight GPUs: the index follows the bus and not the minor, an excluded GPU has none")
def _(t):
    with gpu_host(t, "h200-x8"):
        # In PCI order: 1b 43 (52 excluded) 61 9d c3 d1 df, whose minors are 0 1 3 4 6 5 7.
        for index, minor in enumerate([0, 1, 3, 4, 6, 5, 7]):
            contains(nodes(t, str(index)), f"nvidia{minor}")
        got = nodes(t, "all")
        equal([n for n in got if n[6:].isdigit()], [f"nvidia{n}" for n in (0, 1, 3, 4, 5, 6, 7)])
        fails(gpu_container(t, "7", "true").run(), "GPUs 0 to 6")
        contains(succeeds(gpu_container(t, "all", "ls -d /run/nvidia-persistenced /run/nvidia-fabricmanager").run()).out, "fabricmanager")


@gpu_case("MIG: an instance brings its parent and its two capability nodes, a whole GPU all of them", modes=MODES)
def _(t):
    with gpu_host(t, "mig"):
        caps = "cd /dev; ls nvidia-caps 2>/dev/null; ls | grep '^nvidia[0-9]'"
        equal(nodes(t, "0:0", caps), ["nvidia-cap12", "nvidia-cap13", "nvidia0"])
        equal(nodes(t, "0:1", caps), ["nvidia-cap21", "nvidia-cap22", "nvidia0"])
        equal(nodes(t, "0", caps), ["nvidia-cap12", "nvidia-cap13", "nvidia-cap21", "nvidia-cap22", "nvidia0"])
        equal(nodes(t, "MIG-GPU-00000001-ab60-6d25-5d87-ee417aaddb56/2/0", caps), ["nvidia-cap21", "nvidia-cap22", "nvidia0"])
        equal(nodes(t, "1", caps), ["nvidia1"])
        fails(gpu_container(t, "0:2", "true").run(), '"0:2"')


@gpu_case("no driver: a request is refused with how to load it, an image that only looks like CUDA starts without")
def _(t):
    with gpu_host(t, "no-driver", "[gpu]\nload-modules = false\n"):
        fails(gpu_container(t, "all", "true").run(), "no NVIDIA kernel driver is loaded", "modprobe nvidia")
        equal(nodes(t, None, CUDA_VERSION="12.4.1"), [])
    with gpu_host(t, "no-driver", "[gpu]\nload-modules = false\nignore-missing-driver = true\n"):
        equal(nodes(t, "all"), [])


@gpu_case("kernel driver and libraries of two versions are named in one sentence")
def _(t):
    with gpu_host(t, "mismatch"):
        fails(gpu_container(t, "all", "true").run(), "575.57.08", "580.159.04", "reboot")


@gpu_case("hosts laid out as Debian, Fedora, GKE and with a driver container serve every layout of root")
def _(t):
    for host in ("debian", "fedora", "gke", "driver-container"):
        with gpu_host(t, host):
            for layout, folder in FOLDERS.items():
                c = gpu_container(t, "all", f"readlink {folder}/libcuda.so.1; test -s {folder}/libcuda.so.580.159.04 && test -e /usr/bin/nvidia-smi",
                                  layout=layout)
                result = c.run()
                assert result.code == 0, f"{host} in {layout}: {result.err}"
                equal(result.out, "libcuda.so.580.159.04\n", f"link on {host} in {layout}")
                equal(cached_libraries(c.rootfs).get("libcuda.so.1"), f"{folder}/libcuda.so.1", f"cache on {host} in {layout}")


@gpu_case("WSL: /dev/dxg, the driver's tree and its libraries in the cache")
def _(t):
    with gpu_host(t, "wsl"):
        c = gpu_container(t, "all", "test -c /dev/dxg && test -e /usr/lib/wsl/lib/libcuda.so.1 && readlink /usr/bin/nvidia-smi")
        equal(succeeds(c.run()).out, "/usr/lib/wsl/lib/nvidia-smi\n")
        equal(cached_libraries(c.rootfs).get("libcuda.so.1"), "/usr/lib/wsl/lib/libcuda.so.1")
        fails(gpu_container(t, "0", "true").run(), "use all")


@gpu_case("a container in a user namespace of root's gets nodes that the host lacked, as the host does then", modes=MODES)
def _(t):
    with gpu_host(t, "h200"):
        c = gpu_container(t, "all", "cat /dev/nvidia0; cat /dev/nvidia-uvm; echo end")
        c.linux["namespaces"].append({"type": "user"})
        c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        for path, _, _ in os.walk(c.rootfs):
            os.chown(path, 100000, 100000)
        host = pathlib.Path("/dev/nvidia0")
        (c.bundle / "config.json").write_text(json.dumps(c.config))
        contains(succeeds(t.call("plan", "--bundle", c.bundle, c.id)).out, "/dev/nvidia0")
        equal(host.exists(), False, "made by plan")
        result = succeeds(c.run())
        contains(result.err, "'/dev/nvidia0': No such device or address")
        contains(result.err, "'/dev/nvidia-uvm': No such device or address")
        equal((os.major(host.stat().st_rdev), os.minor(host.stat().st_rdev), host.stat().st_mode & 0o777), (195, 0, 0o666))
    with gpu_host(t, "h200", settings="[gpu]\nload-modules = false\n"):
        fails(c.try_create(), "/dev/nvidia", "missing on the host", "gpu create-nodes")
