"""Where gpurun lies and by what name it is called."""
import json
import shutil

from harness import bundle
from harness.cases import case
from harness.checks import contains, equal, fails, succeeds


def copy(t, name):
    """Makes a copy of gpurun the test's runtime, with a helper beside it that leaves a mark; returns their folder."""
    folder = t.directory / "programs"
    folder.mkdir()
    shutil.copy(t.runtime, folder / name)
    helper = folder / "gpurun-helper"
    helper.write_text(f"#!/bin/sh\necho called >{folder}/called\necho no systemd here >&2\nexit 1\n")
    helper.chmod(0o755)
    t.runtime = folder / name
    return folder


@case("a gpurun that runs from its protected copy finds the helper beside its file", runc="runc has no helper")
def _(t):
    folder = copy(t, "gpurun")
    c = t.container("true")
    c.linux["cgroupsPath"] = "system.slice:gpurun-test:helper"
    fails(c.try_create(global_args=["--systemd-cgroup"]), "no systemd here")
    equal((folder / "called").read_text(), "called\n")


@case("as NVIDIA's hook gpurun refuses a container that another runtime left without its GPU", runc="runc is no hook")
def _(t):
    copy(t, "nvidia-container-runtime-hook")
    c = t.container("true")
    state = json.dumps({"ociVersion": "1.0.2", "id": c.id, "status": "creating", "pid": 1, "bundle": str(c.bundle)})
    for variable, refused in (("NVIDIA_VISIBLE_DEVICES=all", True), ("NVIDIA_VISIBLE_DEVICES=void", False), ("A=b", False)):
        c.process["env"].append(variable)
        bundle.write_config(c.bundle, c.config)
        result = t.call("prestart", stdin=state)
        if refused:
            fails(result, "use --runtime=gpurun")
            contains(result.err, "NVIDIA_VISIBLE_DEVICES=all asks for a GPU")
        else:
            succeeds(result)
    succeeds(t.call("poststop", stdin=""))
