"""The verbs of `gpurun gpu` on recorded hosts, and CDI devices in real containers."""
import contextlib
import json
import os
import pathlib
import stat
import subprocess
import sys

from harness import bundle
from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds

MAKE_HOST = pathlib.Path(__file__).resolve().parents[2] / "fixtures/hosts/make_host.py"
NO_VERBS = "has no GPU verbs"
NO_CDI = "leaves CDI to engines"


def host(t, name):
    """A recorded host as a directory tree."""
    root = t.directory / f"host-{name}"
    if not root.exists():
        subprocess.run([sys.executable, MAKE_HOST, name, root], check=True)
    return root


def gpu(t, verb, *args, on):
    return t.call("gpu", *verb.split(), "--host-root", host(t, on), *args)


@contextlib.contextmanager
def etc(t, files):
    """The host's /etc with more files in it, for this mount namespace and as long as the block lasts."""
    upper, work = t.directory / "etc-upper", t.directory / "etc-work"
    upper.mkdir()
    work.mkdir()
    subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir=/etc,upperdir={upper},workdir={work}", "overlay", "/etc"], check=True)
    try:
        for name, text in files.items():
            path = pathlib.Path("/etc") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield
    finally:
        subprocess.run(["umount", "/etc"], check=True)


def no_overlay():
    return None if "overlay" in pathlib.Path("/proc/filesystems").read_text() else "this kernel has no overlayfs"


@case("gpu list shows GPUs in PCI order with UUID, bus id and driver", runc=NO_VERBS)
def _(t):
    listed = json.loads(succeeds(gpu(t, "list", "--format", "json", on="h200-x8")).out)
    equal([row.get("index") for row in listed], [0, 1, 2, 3, 4, 5, 6, None], "indexes")
    equal(listed[4]["busId"], "0000:c3:00.0", "bus id")
    equal(listed[4]["minor"], 6, "minor")
    equal(listed[7]["excluded"], True, "excluded")
    table = succeeds(gpu(t, "list", on="h200")).out
    contains(table, "GPU-cce09752-ab60-6d25-5d87-ee417aaddb56")
    contains(table, "580.159.04")


@case("gpu list without driver and GPU is an empty list and no failure", runc=NO_VERBS)
def _(t):
    equal(json.loads(succeeds(gpu(t, "list", "--format", "json", on="no-driver")).out), [], "list")
    equal(len(succeeds(gpu(t, "list", on="no-driver")).out.splitlines()), 1, "lines")


@case("gpu list shows MIG instances by the names that can be asked for", runc=NO_VERBS)
def _(t):
    listed = json.loads(succeeds(gpu(t, "list", "--format", "json", on="mig")).out)
    equal([instance["name"] for instance in listed[0]["mig"]], ["0:0", "0:1"], "instances")


@case("gpu info shows driver, libraries, majors and settings", runc=NO_VERBS)
def _(t):
    info = json.loads(succeeds(gpu(t, "info", "--format", "json", on="driver-container")).out)
    equal(info["driverVersion"], "580.159.04", "version")
    equal(info["majors"]["nvidia-uvm"], 238, "major")
    equal(info["configFile"], "/etc/gpurun/gpurun.toml", "settings")
    contains([library["path"] for library in info["libraries"]],
             "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04", "libraries")


@case("gpu check fails where something is wrong and only there", runc=NO_VERBS)
def _(t):
    succeeds(gpu(t, "check", on="h200"))
    result = gpu(t, "check", on="mismatch")
    equal(result.code, 1, "exit code")
    contains(result.out, "wrong    libraries: the loaded NVIDIA kernel driver is 575.57.08")


@case("gpu check tries an image's requirement", runc=NO_VERBS)
def _(t):
    contains(succeeds(gpu(t, "check", "cuda>=12.4", on="h200")).out, "requires: cuda>=12.4 holds")
    result = gpu(t, "check", "cuda>=99.0", on="h200")
    equal(result.code, 1, "exit code")
    contains(result.out, "unsatisfied condition: cuda>=99.0")


@case("gpu doctor names what is wrong and the command that mends it", runc=NO_VERBS)
def _(t):
    result = gpu(t, "doctor", on="mismatch")
    equal(result.code, 1, "exit code")
    contains(result.out, "mend it: reboot, or without users of the GPU: modprobe -r nvidia-uvm")
    contains(result.out, "wrong: 1, warnings: 1")


@case("gpu explain tells why each GPU, node and library is there or not", runc=NO_VERBS)
def _(t):
    c = t.container()
    c.process["env"].append("NVIDIA_VISIBLE_DEVICES=1")
    bundle.write_config(c.bundle, c.config)
    text = succeeds(gpu(t, "explain", c.bundle, on="h200-x2")).out
    contains(text, "device /dev/nvidia1 c 195:1 rw mode=0666\n      GPU 1 (NVIDIA H200), chosen by NVIDIA_VISIBLE_DEVICES=1\n")
    lacks(text, "device /dev/nvidia0")
    contains(text, "no, NVIDIA_VISIBLE_DEVICES=1 does not name it")
    contains(text, "libnvoptix.so.580.159.04\n      it is for graphics; the container has compute,utility")
    explained = json.loads(succeeds(gpu(t, "explain", "--format", "json", c.bundle, on="h200-x2")).out)
    equal([edit["subject"] for edit in explained["edits"] if not edit["why"]], [], "edits without a reason")


@case("gpu explain tells why create would fail", runc=NO_VERBS)
def _(t):
    c = t.container()
    bundle.write_config(c.bundle, c.config)
    result = gpu(t, "explain", "--gpu", "0", c.bundle, on="no-driver")
    equal(result.code, 1, "exit code")
    contains(result.out, "no NVIDIA kernel driver is loaded")


@case("gpu cdi generate replaces its file at once and cdi list finds the devices", runc=NO_VERBS)
def _(t):
    output = t.directory / "cdi/nvidia.yaml"
    for form in ("--full", "--thin"):
        succeeds(gpu(t, "cdi generate", form, "--output", output, on="h200-x2"))
        equal(os.listdir(output.parent), ["nvidia.yaml"], "files")
        listed = json.loads(succeeds(t.call("gpu", "cdi", "list", "--spec-dir", output.parent, "--format", "json")).out)
        contains([device["name"] for device in listed["devices"]], "nvidia.com/gpu=1", "devices")
        equal(listed["problems"], [], "problems")
    contains(output.read_text(), "cdi-hook")
    lacks(output.read_text(), "580.159")
    succeeds(gpu(t, "cdi generate", "--output", output.with_suffix(".json"), on="h200-x2"))
    json.loads(output.with_suffix(".json").read_text())
    result = succeeds(t.call("gpu", "cdi", "list", "--spec-dir", output.parent))
    contains(result.err, "defines it as well")
    equal(result.out.splitlines()[1:], [], "devices of two files at once")


@case("gpu cdi generate writes the host's own paths, also of one that is named by a relative path", runc=NO_VERBS)
def _(t):
    root = host(t, "wsl")
    result = succeeds(t.call("gpu", "cdi", "generate", "--host-root", root.name, cwd=root.parent))
    contains(result.out, "hostPath: /usr/lib/wsl\n")
    lacks(result.out, root.name)
    result = succeeds(t.call("gpu", "cdi", "generate", "--mode", "imex", "--imex", "3", "--host-root", host(t, "h200")))
    contains(result.out, "kind: nvidia.com/imex-channel")
    contains(result.out, "path: /dev/nvidia-caps-imex-channels/channel3")
    fails(gpu(t, "cdi generate", "--mode", "gds", on="h200"), "nothing for the mode gds")
    fails(gpu(t, "cdi generate", "--mode", "tpu", on="h200"), "gds, mofed")


@case("gpu cdi transform root changes what stands before host paths", runc=NO_VERBS)
def _(t):
    source = t.directory / "nvidia.yaml"
    succeeds(gpu(t, "cdi generate", "--output", source, on="driver-container"))
    result = succeeds(t.call("gpu", "cdi", "transform", "root", "--input", source, "--from", "/run/nvidia/driver", "--to", "/driver"))
    contains(result.out, "hostPath: /driver/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04")
    lacks(result.out, "/run/nvidia/driver")


@case("gpu create-nodes makes what is missing and tells before with --dry-run", runc=NO_VERBS)
def _(t):
    root = host(t, "mig")
    contains(succeeds(gpu(t, "create-nodes", "--dry-run", on="mig")).out, "missing")
    assert not (root / "dev/nvidia0").exists()
    result = succeeds(gpu(t, "create-nodes", "--dev-char", "--imex", "0", on="mig"))
    contains(result.out, "made /dev/nvidia-caps/nvidia-cap12")
    facts = (root / "dev/nvidia-uvm").stat()
    equal((os.major(facts.st_rdev), os.minor(facts.st_rdev), stat.S_IMODE(facts.st_mode)), (238, 0, 0o666), "nvidia-uvm")
    equal(os.readlink(root / "dev/char/195:0"), "../nvidia0", "link")
    assert stat.S_ISCHR((root / "dev/nvidia-caps-imex-channels/channel0").stat().st_mode)
    equal(succeeds(gpu(t, "create-nodes", on="mig")).out, "", "second time")


@case("wrong words for the GPU verbs are one sentence", runc=NO_VERBS)
def _(t):
    fails(t.call("gpu", "lst"), 'unknown command "lst"', "gpurun gpu --help")
    fails(t.call("gpu", "cdi", "lst"), 'unknown command "lst"', "gpurun gpu cdi --help")
    equal(t.call("gpu").code, 1, "exit code of gpu alone")
    contains(succeeds(t.call("gpu", "--help")).out, "create-nodes")
    contains(succeeds(t.call("gpu", "cdi", "generate", "--help")).out, "--thin")
    fails(t.call("gpu", "list", "--format", "xml"), "want table or json")
    fails(t.call("gpu", "list", "--host-root", "/nowhere"), "/nowhere", "no such directory")
    fails(t.call("gpu", "explain", "/nowhere"), "/nowhere/config.json", "no such file")
    fails(t.call("gpu", "explain"), "exactly 1 argument")
    fails(gpu(t, "cdi generate", "--output", "/tmp/x.yml", on="h200"), "must end in .yaml")
    fails(gpu(t, "cdi generate", "--thin", "--full", on="h200"), "exclude each other")
    fails(gpu(t, "cdi generate", "--device-name-strategy", "colour", on="h200"), "index, uuid or type-index")
    fails(gpu(t, "cdi generate", on="no-driver"), "no NVIDIA kernel driver is loaded")
    fails(gpu(t, "cdi generate", on="mismatch"), "575.57.08", "580.159.04")
    fails(gpu(t, "create-nodes", "--imex", "x", on="h200"), "want a number")
    fails(gpu(t, "create-nodes", on="no-driver"), "no NVIDIA kernel driver is loaded")


@case("the marker of a thin CDI file says under another runtime what it needs", runc=NO_VERBS)
def _(t):
    fails(t.call("cdi-hook", "inject", "nvidia.com/gpu=0", stdin="{}"), "nvidia.com/gpu=0", "needs the gpurun runtime",
          "gpu cdi generate --full")


ACME = """cdiVersion: 0.7.0
kind: acme.com/card
devices:
  - name: "1"
    containerEdits:
      deviceNodes: [{path: /dev/acme1, hostPath: /dev/null}]
      env: [ACME=1]
containerEdits:
  additionalGids: [44]
  mounts: [{hostPath: /etc/acme.conf, containerPath: /acme/acme.conf, options: [ro, bind]}]
  hooks:
    - {hookName: createContainer, path: /usr/bin/nvidia-cdi-hook, args: [nvidia-cdi-hook, create-symlinks, --link, "acme.conf::/acme/link"]}
    - {hookName: createRuntime, path: /bin/sh, args: [sh, -c, "echo ran >> HOOK"]}
"""


def with_acme(t, change):
    """Runs a container that shows what it got of acme.com/card=1."""
    c = t.container(sh="cat /acme/link; ls -l /dev/acme1; echo $ACME; id")
    change(c)
    with etc(t, {"cdi/acme.yaml": ACME.replace("HOOK", str(t.directory / "hook")), "acme.conf": "content\n"}):
        return c.run()


def got_acme(t, result):
    succeeds(result)
    contains(result.out, "content\n")
    contains(result.out, "1,   3")
    contains(result.out, "\n1\n")
    contains(result.out, "44")
    equal((t.directory / "hook").read_text(), "ran\n", "other hooks")


@case("an annotation brings a CDI device with node, mount, variable, group and hooks", runc=NO_CDI, needs=(no_overlay,))
def _(t):
    got_acme(t, with_acme(t, lambda c: c.config.update(annotations={"cdi.k8s.io/x": "acme.com/card=1"})))


@case("the environment brings a CDI device", runc=NO_CDI, needs=(no_overlay,))
def _(t):
    got_acme(t, with_acme(t, lambda c: c.process["env"].append("NVIDIA_VISIBLE_DEVICES=acme.com/card=1")))


@case("what an engine has applied of a CDI file is not applied twice", runc=NO_CDI, needs=(no_overlay,))
def _(t):
    def change(c):
        c.config["annotations"] = {"cdi.k8s.io/x": "acme.com/card=1"}
        c.config["hooks"] = {"createRuntime": [
            {"path": "/bin/sh", "args": ["sh", "-c", f"echo ran >> {t.directory}/hook"], "env": []}]}
    got_acme(t, with_acme(t, change))


@case("an unknown CDI device and a name that is none are refused with what is wrong", runc=NO_CDI, needs=(no_overlay,))
def _(t):
    c = t.container()
    c.config["annotations"] = {"cdi.k8s.io/x": "acme.com/card=9"}
    with etc(t, {"cdi/acme.yaml": "cdiVersion: 0.7.0\nkind: acme.com/card\ndevices:\n  - title: x\n"}):
        fails(c.try_create(), "unresolvable CDI devices acme.com/card=9", "/etc/cdi/acme.yaml:4:")
    c = t.container()
    c.config["annotations"] = {"cdi.k8s.io/x": "card9"}
    fails(c.try_create(), "annotation cdi.k8s.io/x", "expected vendor/class=device")
