"""Cgroups: limits from config.json and update hold, devices are guarded, nothing remains."""
import json
import os
import pathlib

from harness import bpf, environment
from harness.cases import case, controller
from harness.checks import contains, equal, eventually, fails, succeeds


def value(c, controller_name, v1, v2=None):
    """Reads a limit file of the container's cgroup: v1 or, on cgroup2, v2."""
    directory = environment.cgroup_of(c.pid(), controller_name)
    return (directory / (v2 if environment.host_layout() == "v2" else v1)).read_text().strip()


@case("the container is in its cgroup in every hierarchy", feature="placement")
def _(t):
    c = t.container("sleep", "100").started()
    with open(f"/proc/{c.pid()}/cgroup", encoding="ascii") as lines:
        paths = {line.split(":")[1]: line.strip().split(":")[2] for line in lines}
    mounted = environment.controllers()
    for names, path in paths.items():
        if environment.host_layout() == "v2":
            if not names:
                equal(path, f"/{c.id}", names)
        elif set(names.split(",")) & mounted:
            equal(path, f"/{c.id}", names)


@case("memory limit and reservation", feature="memory", needs=[controller("memory")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 64 << 20, "reservation": 32 << 20}
    c.started()
    equal(value(c, "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
    equal(value(c, "memory", "memory.soft_limit_in_bytes", "memory.low"), str(32 << 20))


@case("a process above its memory limit is killed", feature="memory", needs=[controller("memory")])
def _(t):
    c = t.container("dd", "if=/dev/zero", "of=/dev/null", "bs=128M", "count=1")
    c.linux["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    equal(c.run().code, 137, "exit code")


@case("cpu shares, quota, period and set", feature="cpu", needs=[controller("cpu"), controller("cpuset")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"}
    c.started()
    if environment.host_layout() == "v2":
        equal(value(c, "cpu", "", "cpu.max"), "50000 100000")
    else:
        equal(value(c, "cpu", "cpu.shares"), "512")
        equal(value(c, "cpu", "cpu.cfs_quota_us"), "50000")
    equal(value(c, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0")


@case("the pids limit holds", feature="pids", needs=[controller("pids")])
def _(t):
    c = t.container(sh="for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait")
    c.linux["resources"]["pids"] = {"limit": 5}
    contains(c.run().err, "can't fork")


@case("a pids limit of -1 is no limit", feature="pids", needs=[controller("pids")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["pids"] = {"limit": -1}
    c.started()
    equal(value(c, "pids", "pids.max", "pids.max"), "max")


@case("a pids limit of 0 is no limit before version 1.3 of the specification, one process since then", feature="pids", needs=[controller("pids")],
      runc="takes every version for an old one before 1.4")
def _(t):
    for version, wanted in (("1.0.2-dev", "max"), ("1.2.1", "max"), ("1.3.0", "1")):
        c = t.container("sleep", "100")
        c.config["ociVersion"] = version
        c.linux["resources"]["pids"] = {"limit": 0}
        c.started()
        equal(value(c, "pids", "pids.max", "pids.max"), wanted, version)
        succeeds(t.call("update", "--pids-limit", "7", c.id))
        succeeds(t.call("update", "--resources", "-", c.id, stdin='{"pids": {"limit": 0}}'))
        equal(value(c, "pids", "pids.max", "pids.max"), wanted, f"{version} after update")


@case("without the controller pids an unlimited number of them is none", feature="pids",
      needs=[lambda: "the controller pids is here" if "pids" in environment.controllers() else None])
def _(t):
    for limit in (-1, 0):
        c = t.container("true")
        c.linux["resources"]["pids"] = {"limit": limit}
        succeeds(c.run())


@case("zero and null mean not set", feature="update")
def _(t):
    c = t.container("true")
    c.linux["resources"].update(cpu={"shares": 0, "quota": 0, "period": 0}, memory={"limit": 0}, blockIO={"weight": 0}, pids=None)
    succeeds(c.run())


@case("update by options changes the limits of a running container", feature="update", needs=[controller("memory"), controller("pids")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 64 << 20}
    c.started()
    succeeds(t.call("update", "--memory", str(96 << 20), "--pids-limit", "33", c.id))
    equal(value(c, "memory", "memory.limit_in_bytes", "memory.max"), str(96 << 20))
    equal(value(c, "pids", "pids.max", "pids.max"), "33")


OPTIONS = [  # option, value, controller, file of v1 with its content, file of v2 with its content
    ("--memory", "64m", "memory", ("memory.limit_in_bytes", str(64 << 20)), ("memory.max", str(64 << 20))),
    ("--memory-reservation", "32m", "memory", ("memory.soft_limit_in_bytes", str(32 << 20)), ("memory.low", str(32 << 20))),
    ("--cpu-share", "2048", "cpu", ("cpu.shares", "2048"), ("cpu.weight", "174")),
    ("--cpu-quota", "40000", "cpu", ("cpu.cfs_quota_us", "40000"), ("cpu.max", "40000 100000")),
    ("--cpu-period", "50000", "cpu", ("cpu.cfs_period_us", "50000"), ("cpu.max", "40000 50000")),
    ("--cpu-burst", "10000", "cpu", ("cpu.cfs_burst_us", "10000"), ("cpu.max.burst", "10000")),
    ("--cpu-burst", "0", "cpu", ("cpu.cfs_burst_us", "0"), ("cpu.max.burst", "0")),
    ("--cpu-idle", "1", "cpu", ("cpu.idle", "1"), ("cpu.idle", "1")),
    ("--cpu-idle", "0", "cpu", ("cpu.shares", "2048"), ("cpu.weight", "174")),
    ("--cpuset-cpus", "0", "cpuset", ("cpuset.cpus", "0"), ("cpuset.cpus", "0")),
    ("--cpuset-mems", "0", "cpuset", ("cpuset.mems", "0"), ("cpuset.mems", "0")),
    ("--pids-limit", "33", "pids", ("pids.max", "33"), ("pids.max", "33")),
    ("--pids-limit", "0", "pids", ("pids.max", "max"), ("pids.max", "max")),  # as the container's version 1.0.2 has it
    ("--pids-limit", "-1", "pids", ("pids.max", "max"), ("pids.max", "max")),
]


@case("every option of update reaches its file", feature="update", needs=[controller(name) for name in ("memory", "cpu", "cpuset", "pids")],
      runc="knows no burst and idle before 1.2")
def _(t):
    c = t.container("sleep", "100").started()
    for option, given, name, v1, v2 in OPTIONS:
        succeeds(t.call("update", option, given, c.id))
        file, wanted = v2 if environment.host_layout() == "v2" else v1
        equal(value(c, name, file, file), wanted, f"{file} after {option} {given}")
    for option, given in (("--cpu-idle", "2"), ("--cpu-idle", "-1"), ("--blkio-weight", "5"), ("--pids-limit", "some"), ("--cpu-quota", "1")):
        fails(t.call("update", option, given, c.id))


@case("update reads resources from stdin and from a file", feature="update", needs=[controller("pids")])
def _(t):
    c = t.container("sleep", "100").started()
    text = json.dumps({"pids": {"limit": 44}, "devices": [{"allow": False, "access": "rwm"}]})
    succeeds(t.call("update", "--resources", "-", c.id, stdin=text))
    equal(value(c, "pids", "pids.max", "pids.max"), "44")
    succeeds(t.call("update", "--resources=-", c.id, stdin=text.replace("44", "45")))
    equal(value(c, "pids", "pids.max", "pids.max"), "45")
    (t.directory / "resources").write_text(text.replace("44", "46"))
    succeeds(t.call("update", f"--resources={t.directory}/resources", c.id))
    equal(value(c, "pids", "pids.max", "pids.max"), "46")
    succeeds(c.exec("sh", "-c", "echo x > /dev/null"))


@case("update of wrong values fails and changes nothing", feature="update", needs=[controller("pids")])
def _(t):
    c = t.container("sleep", "100").started()
    before = value(c, "pids", "pids.max", "pids.max")
    fails(t.call("update", "--resources", "-", c.id, stdin='{"pids": {"limit": "many"}}'), "limit")
    fails(t.call("update", "--memory", "much", c.id), "much")
    equal(value(c, "pids", "pids.max", "pids.max"), before)


@case("update to an unlimited memory lifts the limit of the sum with swap", feature="update", needs=[controller("memory")],
      runc="quotes the kernel alone")
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 32 << 20, "swap": 64 << 20}
    c.started()
    fails(t.call("update", "--memory", "128m", c.id), "memory.swap", "counts both together")
    succeeds(t.call("update", "--memory", "-1", c.id))
    contains(("max", "9223372036854771712"), value(c, "memory", "memory.limit_in_bytes", "memory.max"))
    succeeds(t.call("update", "--memory", "64m", "--memory-swap", "96m", c.id))
    equal(value(c, "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))


@case("zeros in an update leave what was set", feature="update", needs=[controller("cpu")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"shares": 512, "quota": 50000, "period": 100000}
    c.started()
    succeeds(t.call("update", "--resources", "-", c.id, stdin='{"cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "0"}}'))
    succeeds(t.call("update", "--cpu-period", "80000", c.id))
    equal(value(c, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "50000")
    equal(value(c, "cpu", "cpu.cfs_period_us", "cpu.max").split()[-1], "80000")
    equal(value(c, "cpu", "cpu.shares", "cpu.weight"), "59" if environment.host_layout() == "v2" else "512")


@case("an update that the kernel refuses in part changes nothing", feature="update",
      needs=[controller("cpu"), controller("memory"), controller("pids")], runc="ignores RDMA before 1.1.6")
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"].update(cpu={"shares": 512}, memory={"limit": 64 << 20})
    c.started()
    files = [("cpu", "cpu.shares", "cpu.weight"), ("cpu", "cpu.cfs_quota_us", "cpu.max"), ("memory", "memory.limit_in_bytes", "memory.max"),
             ("pids", "pids.max", "pids.max")]
    before = [value(c, *file) for file in files]
    resources = {"cpu": {"shares": 200, "quota": 30000}, "memory": {"limit": 96 << 20}, "pids": {"limit": 7}}
    fails(t.call("update", "--resources", "-", c.id, stdin=json.dumps({**resources, "rdma": {"absent0": {"hcaHandles": 1}}})), "rdma.max")
    equal([value(c, *file) for file in files], before)
    succeeds(t.call("update", "--cpu-share", "256", c.id))
    equal([value(c, *file) for file in files[1:]], before[1:])


@case("an update of what has no controller is one error", feature="update",
      needs=[lambda: "the controllers pids and cpu are here" if {"pids", "cpu"} <= environment.controllers() else None])
def _(t):
    c = t.container("sleep", "100").started()
    for option in ("--pids-limit", "--cpu-share"):
        equal(len(fails(t.call("update", option, "100", c.id), "controller").err.splitlines()), 1)


@case("update ignores limits of kernel memory with a warning", feature="update", runc="names no option")
def _(t):
    c = t.container("sleep", "100").started()
    done = succeeds(t.call("update", "--kernel-memory", "100m", "--kernel-memory-tcp", "100m", c.id))
    contains(done.err, "--kernel-memory is ignored")
    contains(done.err, "--kernel-memory-tcp is ignored")


@case("update leaves a paused container paused", feature="update")
def _(t):
    c = t.container("sleep", "100").started()
    succeeds(c.verb("pause"))
    other = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}]}
    succeeds(t.call("update", "--resources", "-", c.id, stdin=json.dumps(other)))
    equal(c.status(), "paused")
    succeeds(c.verb("resume"))
    equal(c.status(), "running")


@case("without a cgroups path the container gets a cgroup of its own, which goes with it", feature="placement")
def _(t):
    c = t.container("sleep", "100")
    del c.linux["cgroupsPath"]
    c.started()
    with open(f"/proc/{c.pid()}/cgroup", encoding="ascii") as lines:
        contains(lines.read(), c.id)


@case("cgroups made inside the container are removed with it", feature="kill and delete")
def _(t):
    c = t.container("sleep", "100").started()
    name = "pids" if environment.host_layout() != "v2" else ""
    inner = environment.cgroup_of(c.pid(), name) / "inner"
    inner.mkdir()
    child = t.call("exec", c.id, "sleep", "100", wait=False)
    succeeds(c.delete("--force"))
    child.wait(10)


@case("a container with a cgroup that others use is refused or shares it, and leaves it behind", feature="placement", modes=("v1", "hybrid"))
def _(t):
    c = t.container("sleep", "100").started()
    d = t.container("sleep", "100")
    d.linux["cgroupsPath"] = f"/{c.id}/nested"
    d.started()
    succeeds(d.delete("--force"))
    equal(c.status(), "running")


@case("the default devices may be used even if everything is denied", feature="devices")
def _(t):
    c = t.container(sh="echo x > /dev/null && head -c 1 /dev/urandom > /dev/null && echo fine")
    equal(succeeds(c.run()).out, "fine\n")


@case("device rules apply in their order", feature="devices")
def _(t):
    c = t.container(sh="cat /dev/kmsg > /dev/null & sleep 0.1; kill $! && echo readable; echo x > /dev/kmsg")
    c.add_capability("CAP_SYSLOG")
    c.linux["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]
    allow = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    c.linux["resources"]["devices"].append(allow)
    result = c.run()
    contains(result.out, "readable")
    contains(result.err, "Operation not permitted")


# Other cases' containers have other rules, so that they don't interfere.
def with_rule_of_its_own(t, minor):
    c = t.container("sleep", "100")
    c.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 240, "minor": minor, "access": "r"})
    return c


def device_program(c):
    programs = bpf.device_programs(environment.cgroup_of(c.pid(), ""))
    equal(len(programs), 1, "device programs")
    return programs[0]


@case("containers with the same device rules share a program, which an update of one leaves to the others", feature="devices", modes=("v2",),
      runc="loads one for each")
def _(t):
    first, second = (with_rule_of_its_own(t, 7).started() for _ in range(2))
    kept = device_program(first)
    equal(device_program(second), kept, "the second one's program")
    succeeds(t.call("update", "--resources", "-", first.id, stdin=json.dumps({"devices": first.linux["resources"]["devices"]})))
    equal(device_program(first), kept, "the first one's program after an update to the rules that it has")
    if device_program(with_rule_of_its_own(t, 8).started()) == device_program(first):
        raise AssertionError("other rules, the same program")
    wider = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}]
    succeeds(t.call("update", "--resources", "-", second.id, stdin=json.dumps({"devices": wider})))
    equal(device_program(first), kept, "the first one's program after the second one's update")
    if device_program(second) == device_program(first):
        raise AssertionError("the updated container still has the other one's program")


@case("a kept device program that is about other rules is not used", feature="devices", modes=("v2",), runc="keeps none")
def _(t):
    first, other = with_rule_of_its_own(t, 17).started(), with_rule_of_its_own(t, 18).started()
    wanted, wrong = (device_program(c).to_bytes(4, "little") for c in (first, other))
    kept = [path for path in pathlib.Path("/run/gpurun-devices").iterdir() if path.read_bytes().startswith(wanted)]
    equal(len(kept), 1, "files about the first one's program")
    with open(kept[0], "r+b") as file:
        file.write(wrong)
    second = with_rule_of_its_own(t, 17).started()
    if device_program(second) == device_program(other):
        raise AssertionError("the second container has another one's program")
    equal(kept[0].read_bytes()[:4], device_program(second).to_bytes(4, "little"), "what is kept now")


@case("unified settings are written as they are", feature="unified", modes=("v2",), needs=[controller("hugetlb")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["unified"] = {"hugetlb.2MB.max": "4194304"}
    c.started()
    equal(value(c, "hugetlb", "", "hugetlb.2MB.max"), "4194304")


@case("hugepage limits", feature="hugetlb", needs=[controller("hugetlb")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    c.started()
    equal(value(c, "hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"), str(4 << 20))


@case("a container whose program dies of its own leaves no cgroup after delete", feature="kill and delete")
def _(t):
    c = t.container(sh="sleep 1000 & exit 1").started()
    eventually(lambda: c.status() == "stopped", "stopped")
    succeeds(c.delete())
    equal([top for top in environment.hierarchies() if os.path.isdir(top / c.id)], [])
