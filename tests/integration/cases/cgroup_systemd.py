"""The systemd cgroup manager, beside a systemd that is PID 1: tests/environments/run makes such places."""
import json
import pathlib
import shutil
import subprocess

from harness import environment
from harness.cases import case, controller
from harness.checks import contains, equal, eventually, fails, succeeds

from cases.cgroups import GPU, NO_DRIVER, REFUSED, can

BY_SYSTEMD = {"global_args": ("--systemd-cgroup",)}
SLICE = "gpurun-tests.slice"


def systemd():
    """A need: systemd is there to be asked."""
    booted = pathlib.Path("/run/systemd/system").exists() and shutil.which("systemctl")
    return None if booted else "systemd is not PID 1 here; tests/environments/run makes it so"


def unit(c):
    return f"gpurun-{c.id}.scope"


def show(c, name):
    return subprocess.run(["systemctl", "show", "--value", "-p", name, unit(c)], check=True, capture_output=True, text=True).stdout.strip()


def container(t, *args, **how):
    c = t.container(*(args or ("sleep", "100")), **how)
    c.linux["cgroupsPath"] = f"{SLICE}:gpurun:{c.id}"
    return c


def started(c):
    c.create(**BY_SYSTEMD)
    c.start()
    return c


@case("a scope in the slice holds the container", feature="systemd: units", needs=[systemd])
def _(t):
    c = started(container(t))
    path = f"/gpurun.slice/{SLICE}/{unit(c)}"
    equal(show(c, "ControlGroup"), path)
    equal(show(c, "Delegate"), "yes")
    equal(show(c, "Slice"), SLICE)
    directory = environment.cgroup_of(c.pid(), "name=systemd" if environment.host_layout() != "v2" else "")
    contains(str(directory), path)
    # The process that held the scope open has gone.
    eventually(lambda: (environment.CGROUP / ("systemd" if environment.host_layout() != "v2" else "") /
                        path.lstrip("/") / "cgroup.procs").read_text().split() == [str(c.pid())], "alone in the scope")


@case("the scope goes with the container", feature="systemd: units", needs=[systemd])
def _(t):
    c = started(container(t))
    succeeds(c.delete("--force"))
    eventually(lambda: show(c, "ActiveState") == "inactive", "inactive")


@case("run in the foreground by systemd", feature="systemd: units", needs=[systemd])
def _(t):
    c = container(t, "cat", "/proc/self/cgroup")
    contains(succeeds(c.run(**BY_SYSTEMD)).out, unit(c))


@case("GPU devices survive a daemon-reload", feature="systemd: daemon-reload", needs=[systemd])
def _(t):
    c = container(t)
    c.linux["resources"]["devices"] += [GPU, {**GPU, "minor": 255}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]
    started(c)
    equal(show(c, "DevicePolicy"), "strict")
    contains(show(c, "DeviceAllow"), "/dev/char/120:0 rw")
    contains(can(t, c), NO_DRIVER)
    for _ in range(3):
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        contains(can(t, c), NO_DRIVER, "after daemon-reload")
        contains(succeeds(c.exec("sh", "-c", "mknod /other c 120 7 2>/dev/null; cat /other 2>&1; true")).out, REFUSED)
        succeeds(c.exec("sh", "-c", "echo x > /dev/null; head -c 1 /dev/urandom"))


@case("update tells systemd of devices too, and a daemon-reload keeps them", feature="systemd: daemon-reload", needs=[systemd])
def _(t):
    c = started(container(t))
    contains(can(t, c), REFUSED)
    resources = {"devices": [{"allow": False, "access": "rwm"}, GPU]}
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps(resources)))
    contains(show(c, "DeviceAllow"), "/dev/char/120:0 rw")
    contains(can(t, c), NO_DRIVER)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    contains(can(t, c), NO_DRIVER, "after daemon-reload")


@case("limits are in the files and known to systemd, also after update and daemon-reload", feature="systemd: daemon-reload", needs=[systemd, controller("memory"), controller("pids")])
def _(t):
    c = container(t)
    c.linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20}, cpu={"shares": 512, "quota": 50000, "period": 100000})
    started(c)
    v2 = environment.host_layout() == "v2"
    memory = "MemoryMax" if v2 else "MemoryLimit"
    file = environment.cgroup_of(c.pid(), "memory") / ("memory.max" if v2 else "memory.limit_in_bytes")
    equal((show(c, memory), show(c, "TasksMax"), show(c, "CPUQuotaPerSecUSec")), (str(64 << 20), "20", "500ms"))
    equal(file.read_text().strip(), str(64 << 20))
    succeeds(t.call("update", "--memory", str(96 << 20), "--pids-limit", "33", c.id))
    equal((show(c, memory), show(c, "TasksMax")), (str(96 << 20), "33"))
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    equal(file.read_text().strip(), str(96 << 20))
    equal((environment.cgroup_of(c.pid(), "pids") / "pids.max").read_text().strip(), "33")


@case("annotations set properties of the unit", feature="systemd: properties", needs=[systemd])
def _(t):
    c = container(t)
    c.config["annotations"] = {"org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.Description": "'of a test'"}
    started(c)
    equal((show(c, "TimeoutStopUSec"), show(c, "Description")), ("7s", "of a test"))
    wrong = container(t)
    wrong.config["annotations"] = {"org.systemd.property.TimeoutStopUSec": "soon"}
    fails(wrong.try_create(**BY_SYSTEMD), "TimeoutStopUSec", "soon")


@case("pause, resume, exec and kill work in a scope", feature="systemd: units", needs=[systemd])
def _(t):
    c = started(container(t))
    succeeds(c.verb("pause"))
    equal(c.status(), "paused")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    equal(c.status(), "paused")
    succeeds(c.verb("resume"))
    contains(succeeds(c.exec("cat", "/proc/self/cgroup")).out, unit(c))
    succeeds(c.kill("KILL"))
    eventually(lambda: c.status() == "stopped", "stopped")


@case("a path that is not slice:prefix:name is refused", feature="systemd: units", needs=[systemd])
def _(t):
    c = t.container("true")
    c.linux["cgroupsPath"] = "/not/for/systemd"
    fails(c.try_create(**BY_SYSTEMD), "slice:prefix:name")


@case("a unit that exists is refused and left alone", feature="systemd: units", needs=[systemd])
def _(t):
    first = started(container(t))
    second = container(t)
    second.linux["cgroupsPath"] = f"{SLICE}:gpurun:{first.id}"
    fails(second.try_create(**BY_SYSTEMD), unit(first))
    equal(first.status(), "running")


@case("without a cgroups path the scope is in system.slice", feature="systemd: units", needs=[systemd])
def _(t):
    c = t.container("sleep", "100")
    del c.linux["cgroupsPath"]
    started(c)
    equal(show(c, "Slice"), "system.slice")


@case("a failed create leaves no unit behind", feature="systemd: units", needs=[systemd])
def _(t):
    c = container(t, "/absent")
    fails(c.run(**BY_SYSTEMD))
    eventually(lambda: show(c, "ActiveState") == "inactive", "inactive")
