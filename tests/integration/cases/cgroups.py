"""cgroups below the surface: the freezer, filters of devices, sub-cgroups, statistics, what is refused. Limits are in resources."""
import contextlib
import json
import os
import pathlib
import signal
import time

from harness import environment
from harness.cases import case, controller
from harness.checks import contains, equal, eventually, fails, succeeds

GPU = {"allow": True, "type": "c", "major": 120, "minor": 0, "access": "rw"}  # stands for a GPU's node; local use: no machine has its driver
REFUSED, NO_DRIVER = "Operation not permitted", "No such device or address"
TOUCH_GPU = "mknod /gpu c 120 0 2>/dev/null; cat /gpu 2>&1; true"


def directories(c):
    """The container's cgroup in every hierarchy."""
    pid = c.pid()
    if environment.host_layout() == "v2":
        return [environment.cgroup_of(pid, "")]
    found = []
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        top = environment.CGROUP / (names.removeprefix("name=") if names else "unified")
        if top.is_mount():
            found.append(top / path.lstrip("/"))
    return found


def unified_controllers():
    for top in (environment.CGROUP, environment.CGROUP / "unified"):
        if (top / "cgroup.controllers").exists():
            return (top / "cgroup.controllers").read_text().split()
    return []


def can(test, c):
    """What the container is told when it opens the GPU's node."""
    return succeeds(c.exec("sh", "-c", TOUCH_GPU)).out


@case("a device that no rule names is refused, one that a rule names is not", feature="devices")
def _(t):
    plain = t.container("sleep", "100").started()
    contains(can(t, plain), REFUSED)
    allowed = t.container("sleep", "100")
    allowed.linux["resources"]["devices"].append(GPU)
    allowed.started()
    contains(can(t, allowed), NO_DRIVER)


@case("update without devices keeps the filter, with devices replaces it", feature="devices")
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["devices"].append(GPU)
    c.started()
    succeeds(t.call("update", "--resources", "-", c.id, stdin="{}"))
    contains(can(t, c), NO_DRIVER)
    other = {"devices": [{"allow": False, "access": "rwm"}, {**GPU, "minor": 7}]}
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps(other)))
    contains(can(t, c), REFUSED)
    succeeds(c.exec("sh", "-c", "echo x > /dev/null"))
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps({"devices": [{"allow": False, "access": "rwm"}, GPU]})))
    contains(can(t, c), NO_DRIVER)


@case("update keeps the rules of devices that the container has nodes of, unless it names them", feature="devices")
def _(t):
    c = t.container("sleep", "100")
    c.linux["devices"] = [{"path": "/dev/gpu", "type": "c", "major": 120, "minor": 0, "fileMode": 0o666}]
    c.linux["resources"]["devices"].append(GPU)
    c.started()
    # As an engine does that does not know of the device: its own rules alone.
    engine = [{"allow": False, "access": "rwm"}, {**GPU, "minor": 7}]
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps({"devices": engine})))
    contains(can(t, c), NO_DRIVER)
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps({"devices": [*engine, {**GPU, "allow": False}]})))
    contains(can(t, c), REFUSED)
    one = {"devices": [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}, GPU]}
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps(one)))
    contains(can(t, c), NO_DRIVER)


@case("a rule that takes a part out of an earlier one holds on v2 and is refused on v1", feature="devices", modes=("v1", "v2"))
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["devices"] += [{"allow": True, "type": "c", "major": 120, "access": "rw"}, {**GPU, "allow": False}]
    if environment.host_layout() == "v1":
        fails(c.try_create(), "cgroup v1 cannot deny c 120:0 rw")
    else:
        c.started()
        contains(can(t, c), REFUSED)


def own_cgroup(t, sh, *options, user=0):
    """A container with user and cgroup namespaces and a cgroup mount of these options."""
    c = t.container(sh=sh)
    c.linux["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.process["user"] = {"uid": user, "gid": user}
    os.chown(c.rootfs, 100000, 100000)
    c.config["mounts"] = [mount for mount in c.config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", *options)
    return c


OWNERS = "cd /sys/fs/cgroup; stat -c %u . cgroup.procs cgroup.subtree_control cgroup.freeze | xargs"
NOBODY = "65534"


@case("a container with a cgroup namespace and a writable mount owns its cgroup", feature="delegation", modes=("v2",),
      runc="chowns with systemd alone")
def _(t):
    make_one = "; mkdir below && echo 0 > below/cgroup.procs && grep ^0:: /proc/self/cgroup"
    equal(succeeds(own_cgroup(t, OWNERS + make_one).run()).out, f"0 0 0 {NOBODY}\n0::/below\n")
    equal(succeeds(own_cgroup(t, OWNERS, user=1000).run()).out, f"1000 1000 1000 {NOBODY}\n")


@case("without either the cgroup stays the host's", feature="delegation", modes=("v2",), runc="mounts the root where there is no namespace")
def _(t):
    equal(succeeds(own_cgroup(t, OWNERS, "ro").run()).out, f"{NOBODY} {NOBODY} {NOBODY} {NOBODY}\n")
    c = own_cgroup(t, OWNERS)
    c.without_namespace("cgroup")
    equal(succeeds(c.run()).out, f"{NOBODY} {NOBODY} {NOBODY} {NOBODY}\n")


@case("on v1 no cgroup changes hands", feature="delegation", modes=("v1", "hybrid"))
def _(t):
    c = own_cgroup(t, "stat -c %u /sys/fs/cgroup/*/cgroup.procs | sort -u")
    equal(succeeds(c.run()).out, f"{NOBODY}\n")


@case("pause stops every process of the container, resume lets all go on", feature="freezer")
def _(t):
    c = t.container(sh="while :; do date +%s%N > /tmp/tick; usleep 1000; done").started()
    tick = c.rootfs / "tmp/tick"
    eventually(lambda: tick.exists() and tick.read_text(), "ticking")
    succeeds(c.verb("pause"))
    before = tick.read_text()
    time.sleep(0.1)
    equal(tick.read_text(), before, "tick of a paused container")
    succeeds(c.verb("resume"))
    eventually(lambda: tick.read_text() not in ("", before), "ticking again")


@case("kill ends a paused container, and nothing stays frozen", feature="kill and delete")
def _(t):
    c = t.container("sleep", "100").started()
    places = directories(c)
    pid = c.pid()
    succeeds(c.verb("pause"))
    succeeds(c.kill("KILL"))
    equal(c.wait(pid), -signal.SIGKILL)
    for place in places:
        for file, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            if (place / file).exists():
                equal((place / file).read_text().strip(), thawed, str(place / file))


@case("without a pid namespace kill reaches every process of the container", feature="kill and delete")
def _(t):
    c = t.container(sh="sleep 300 & sleep 300 & echo ready; wait")
    c.without_namespace("pid")
    c.started()
    eventually(lambda: c.output() == "ready\n", "ready")
    pids = json.loads(succeeds(t.call("ps", "--format", "json", c.id)).out)
    equal(len(pids), 3)
    succeeds(c.kill("KILL"))
    c.wait()
    eventually(lambda: not json.loads(t.call("ps", "--format", "json", c.id).out or "[]"), "no process left")


@case("a cgroup with processes in it is refused", feature="placement")
def _(t):
    first = t.container("sleep", "100").started()
    second = t.container("sleep", "100")
    second.linux["cgroupsPath"] = f"/{first.id}"
    fails(second.try_create(), "container's cgroup is not empty: 1 process(es) found")
    equal(first.status(), "running")


@case("a frozen cgroup is refused", feature="placement")
def _(t):
    c = t.container("sleep", "100")
    top = next(top for top in (environment.CGROUP / "freezer", environment.CGROUP) if top.is_mount())
    place = top / c.id
    place.mkdir()
    file, frozen = (place / "freezer.state", "FROZEN") if top.name == "freezer" else (place / "cgroup.freeze", "1")
    file.write_text(frozen)
    try:
        fails(c.try_create(), "unexpectedly frozen")
    finally:
        place.rmdir()


@case("a cgroup that was there before stays after delete", feature="kill and delete")
def _(t):
    c = t.container("true")
    places = [top / c.id for top in environment.hierarchies() if top.name != "cpuset"]
    for place in places:
        place.mkdir()
    try:
        succeeds(c.run())
        equal([place for place in places if not place.exists()], [], "removed")
    finally:
        for place in places:
            with contextlib.suppress(FileNotFoundError):
                place.rmdir()


@case("exec enters a cgroup below the container's", feature="exec and sub-cgroups")
def _(t):
    c = t.container("sleep", "100").started()
    for place in directories(c):
        (place / "sub").mkdir()
        if place.is_relative_to(environment.CGROUP / "cpuset"):
            for file in ("cpuset.cpus", "cpuset.mems"):
                (place / "sub" / file).write_text((place / file).read_text())
    lines = succeeds(c.exec("cat", "/proc/self/cgroup", flags=("--cgroup", "sub"))).out.splitlines()
    mounted = {str(place.relative_to(environment.CGROUP)).split("/")[0] for place in directories(c)} | {"", "unified"}
    inside = [line for line in lines if line.endswith(f"/{c.id}/sub")]
    assert len(inside) >= len(directories(c)), (lines, mounted)
    fails(c.exec("true", flags=("--cgroup", "../..")), "..")
    fails(c.exec("true", flags=("--cgroup", "absent")))


@case("exec follows the container's first process when its cgroup is closed to others", feature="exec and sub-cgroups", modes=("v2",),
      needs=[lambda: None if unified_controllers() else "no controller is on cgroup2 here"])
def _(t):
    c = t.container("sleep", "100").started()
    place, name = directories(c)[0], unified_controllers()[0]
    (place / "init").mkdir()
    (place / "init/cgroup.procs").write_text(str(c.pid()))
    (place / "cgroup.subtree_control").write_text(f"+{name}")
    contains(succeeds(c.exec("cat", "/proc/self/cgroup")).out, f"/{c.id}/init")


@case("sub-cgroups with processes in them go with the container", feature="kill and delete")
def _(t):
    c = t.container(sh="sleep 300 & sleep 300").started()
    places = directories(c)
    deep = places[-1] / "a/b"
    deep.mkdir(parents=True)
    (deep / "cgroup.procs").write_text(str(c.pid()))
    succeeds(c.delete("--force"))
    equal([place for place in places if place.exists()], [])


@case("a hugetlb limit holds where v1 does not have that controller", feature="hugetlb", modes=("hybrid",),
      needs=[lambda: None if "hugetlb" in unified_controllers() else "hugetlb is not on cgroup2 here"])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    c.started()
    equal((environment.CGROUP / "unified" / c.id / "hugetlb.2MB.max").read_text().strip(), str(4 << 20))


@case("unified settings are refused without cgroup2", feature="unified", modes=("v1",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["unified"] = {"memory.high": "1000000"}
    fails(c.try_create(), "unified.memory.high", "cgroup v1")


@case("a unified setting whose controller is absent is an error that names it", feature="unified", modes=("v2",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["unified"] = {"absent.max": "1"}
    fails(c.try_create(), "absent.max", "controller `absent` is not available")


@case("what v2 has no setting for is an error", feature="memory", modes=("v2",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["memory"] = {"swappiness": 10}
    fails(c.try_create(), "memory.swappiness", "cgroup v2")


@case("a cgroups path that leads out is refused", feature="placement")
def _(t):
    c = t.container("true")
    c.linux["cgroupsPath"] = "/../../x"
    fails(c.try_create(), "linux.cgroupspath")


@case("raising and lowering memory and swap works in one update", feature="memory", needs=[controller("memory")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    c.started()
    place = environment.cgroup_of(c.pid(), "memory")
    for size in (64 << 20, 24 << 20):
        resources = json.dumps({"memory": {"limit": size, "swap": size}})
        succeeds(t.call("update", "--resources", "-", c.id, stdin=resources))
        file = "memory.max" if environment.host_layout() == "v2" else "memory.limit_in_bytes"
        equal((place / file).read_text().strip(), str(size))


@case("cpu quota, period and burst change together", feature="cpu", needs=[controller("cpu")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"quota": 50000, "period": 100000, "burst": 40000}
    c.started()
    for quota, period, burst in ((20000, 50000, 10000), (200000, 400000, 150000)):
        cpu = {"quota": quota, "period": period, "burst": burst}
        succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps({"cpu": cpu})))
        place = environment.cgroup_of(c.pid(), "cpu")
        if environment.host_layout() == "v2":
            equal((place / "cpu.max").read_text().strip(), f"{quota} {period}")
            equal((place / "cpu.max.burst").read_text().strip(), str(burst))
        else:
            equal((place / "cpu.cfs_quota_us").read_text().strip(), str(quota))
            equal((place / "cpu.cfs_burst_us").read_text().strip(), str(burst))


@case("statistics have runc's shape", feature="statistics and events")
def _(t):
    c = t.container("sleep", "100").started()
    event = json.loads(succeeds(t.call("events", "--stats", c.id)).out)
    equal((event["type"], event["id"]), ("stats", c.id))
    wanted = {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"}
    equal(wanted - set(event["data"]), set(), "missing")
    if "pids" in environment.controllers():
        equal(event["data"]["pids"]["current"], 1)
    if "memory" in environment.controllers():
        assert event["data"]["memory"]["usage"]["usage"] > 0, event["data"]["memory"]
    if environment.host_layout() == "v2" and pathlib.Path("/proc/pressure").exists():
        contains(event["data"]["cpu"]["psi"]["some"], "avg10")


@case("events tells of an OOM kill", feature="statistics and events", needs=[controller("memory")])
def _(t):
    c = t.container(sh="read x < /go; dd if=/dev/zero of=/dev/null bs=128M count=1; sleep 100")
    c.linux["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    os.mkfifo(c.rootfs / "go")
    c.started()
    watch = t.call("events", "--interval", "100s", c.id, wait=False)
    time.sleep(0.3)
    (c.rootfs / "go").write_text("go\n")
    eventually(lambda: '"type":"oom"' in watch.out.read_text(), "the event")
    succeeds(c.delete("--force"))
    watch.wait(10)


@case("with cgroups disabled the container stays in its creator's", feature="placement")
def _(t):
    c = t.container("cat", "/proc/self/cgroup")
    result = succeeds(c.run(global_args=("--cgroup-manager", "disabled")))
    equal(result.out, pathlib.Path("/proc/self/cgroup").read_text())
