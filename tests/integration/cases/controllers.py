"""Every resource of the specification, by the file that the kernel keeps it in: what is asked for is there, what cannot be is an error."""
import json
import pathlib

from harness import environment
from harness.cases import case, controller, kernel_file
from harness.checks import contains, equal, eventually, fails, succeeds

MIB = 1 << 20
V2 = "v2"


def place(c, name):
    return environment.cgroup_of(c.pid(), name)


def read(c, name, file):
    return (place(c, name) / file).read_text().strip()


def by_layout(v1, v2):
    return v2 if environment.host_layout() == V2 else v1


def offers(name, v1, v2=None):
    """A need: controller name has this file in the current layout; asked of a cgroup below the root, where every limit is."""
    def missing():
        if name not in environment.controllers():
            return environment.why_no_controller(name)
        probe = (environment.CGROUP if environment.host_layout() == V2 else environment.CGROUP / name) / "gpurun-probe"
        if environment.host_layout() == V2:
            try:
                (environment.CGROUP / "cgroup.subtree_control").write_text(f"+{name}")
            except OSError as error:
                return f"controller {name} cannot be handed down here: {error.strerror}"
        probe.mkdir(exist_ok=True)
        try:
            file = by_layout(v1, v2 or v1)
            return None if (probe / file).exists() else f"this kernel has no {file}"
        finally:
            probe.rmdir()
    return missing


def disk():
    """A disk that can be throttled: (major, minor)."""
    devices = sorted(pathlib.Path("/sys/block").glob("*/dev"), key=lambda path: path.parent.name.startswith(("loop", "ram", "zram")))
    return tuple(map(int, devices[0].read_text().split(":"))) if devices else None


def a_disk():
    return None if disk() else "this machine has no block device"


def update(t, c, resources):
    return t.call("update", "--resources", "-", c.id, stdin=json.dumps(resources))


# ---- cpu

@case("shares become the weight that keeps 1024 at the default of 100", feature="cpu", modes=("v2",), needs=[controller("cpu")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"shares": 1024}
    c.started()
    equal(read(c, "cpu", "cpu.weight"), "100")
    for shares, weight in ((2, "1"), (512, "59"), (4096, "303"), (262144, "10000")):
        succeeds(update(t, c, {"cpu": {"shares": shares}}))
        equal(read(c, "cpu", "cpu.weight"), weight, f"weight of {shares}")


@case("an idle container has no weight, until it is idle no more", feature="cpu", needs=[offers("cpu", "cpu.idle")])
def _(t):
    c = t.container("sleep", "100")
    c.started()
    succeeds(update(t, c, {"cpu": {"idle": 1}}))
    equal(read(c, "cpu", "cpu.idle"), "1")
    succeeds(update(t, c, {"cpu": {"shares": 512}}))
    equal(read(c, "cpu", "cpu.idle"), "1", "idle after an update of shares")
    succeeds(update(t, c, {"cpu": {"idle": 0}}))
    equal(read(c, "cpu", "cpu.idle"), "0")
    equal(read(c, "cpu", by_layout("cpu.shares", "cpu.weight")), by_layout("512", "59"))


@case("a container that is idle from the start becomes so when it is set up", feature="cpu", needs=[offers("cpu", "cpu.idle")],
      runc="knows no idle before 1.2")
def _(t):
    c = t.container(sh="cat /seen; cat /sys/fs/cgroup/cpu.idle /sys/fs/cgroup/cpu/cpu.idle 2>/dev/null; sleep 100")
    c.linux["resources"]["cpu"] = {"idle": 1, "shares": 512}
    c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro")
    look = f"cat {environment.CGROUP}/{by_layout('cpu/', '')}{c.id}/cpu.idle > {c.rootfs}/seen"
    c.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", look]}]}
    c.create()
    equal(read(c, "cpu", "cpu.idle"), "1", "idle of a created container")
    c.start()
    eventually(lambda: c.output().split() == ["0", "1"], "idle in the hook and in the program")
    succeeds(c.delete("--force"))
    c.process["args"][-1] = c.process["args"][-1].replace("sleep 100", "true")
    equal(succeeds(c.run()).out.split(), ["0", "1"])


@case("a period alone leaves the quota unlimited", feature="cpu", needs=[controller("cpu")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"period": 50000}
    c.started()
    equal(read(c, "cpu", by_layout("cpu.cfs_period_us", "cpu.max")), by_layout("50000", "max 50000"))
    succeeds(update(t, c, {"cpu": {"quota": 25000}}))
    equal(read(c, "cpu", by_layout("cpu.cfs_quota_us", "cpu.max")), by_layout("25000", "25000 50000"))
    succeeds(update(t, c, {"cpu": {"quota": -1}}))
    equal(read(c, "cpu", by_layout("cpu.cfs_quota_us", "cpu.max")), by_layout("-1", "max 50000"))


@case("real-time runtime and period", feature="cpu", modes=("v1", "hybrid"), needs=[offers("cpu", "cpu.rt_runtime_us")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["cpu"] = {"realtimePeriod": 500000, "realtimeRuntime": 5000}
    c.started()
    equal((read(c, "cpu", "cpu.rt_period_us"), read(c, "cpu", "cpu.rt_runtime_us")), ("500000", "5000"))


@case("real-time limits are an error on v2, which has none", feature="cpu", modes=("v2",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["cpu"] = {"realtimeRuntime": 5000}
    fails(c.try_create(), "cpu.realtimeRuntime", "cgroup v2")


@case("cpus and memory nodes, also below parents that are new", feature="cpuset", needs=[controller("cpuset")])
def _(t):
    c = t.container("sleep", "100")
    parent = f"{c.id}-parent"
    c.linux["cgroupsPath"] = f"/{parent}/middle/{c.id}"
    c.linux["resources"]["cpu"] = {"cpus": "0", "mems": "0"}
    try:
        c.started()
        equal((read(c, "cpuset", "cpuset.cpus"), read(c, "cpuset", "cpuset.mems")), ("0", "0"))
        contains(succeeds(c.exec("grep", "Cpus_allowed_list", "/proc/self/status")).out, "\t0\n")
        succeeds(c.delete("--force"))
    finally:
        for top in environment.hierarchies():
            for path in (top / parent / "middle", top / parent):
                if path.is_dir():
                    path.rmdir()


@case("a cpuset that cannot be is an error", feature="cpuset", needs=[controller("cpuset")])
def _(t):
    c = t.container("true")
    c.linux["resources"]["cpu"] = {"cpus": "9999"}
    fails(c.try_create(), "cpuset.cpus", "9999")


# ---- memory

@case("swap counts memory and swap together", feature="memory", needs=[offers("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 64 * MIB, "swap": 96 * MIB}
    c.started()
    file = by_layout("memory.memsw.limit_in_bytes", "memory.swap.max")
    equal(read(c, "memory", file), str(by_layout(96, 32) * MIB))
    succeeds(update(t, c, {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}))
    equal(read(c, "memory", file), str(by_layout(64, 0) * MIB))
    succeeds(update(t, c, {"memory": {"limit": -1, "swap": -1}}))
    contains(by_layout("9223372036854771712", "max"), read(c, "memory", file))


@case("swap below the memory limit is an error", feature="memory", needs=[controller("memory")])
def _(t):
    c = t.container("true")
    c.linux["resources"]["memory"] = {"limit": 64 * MIB, "swap": 32 * MIB}
    fails(c.try_create(), "memory.swap", "memory.limit", "counts both together")
    c.linux["resources"]["memory"] = {"swap": 32 * MIB}
    if environment.host_layout() == V2:
        fails(c.try_create(), "memory.swap", "memory.limit")


@case("checkBeforeUpdate refuses a limit below what is used", feature="memory", needs=[controller("memory")])
def _(t):
    c = t.container(sh="head -c 8000000 /dev/zero > /tmp/fill; echo filled; sleep 100")
    c.mount("/tmp", "tmpfs", "tmpfs", "size=64m")
    c.linux["resources"]["memory"] = {"limit": 64 * MIB}
    c.started()
    eventually(lambda: "filled" in c.output(), "filled")
    before = read(c, "memory", by_layout("memory.limit_in_bytes", "memory.max"))
    fails(update(t, c, {"memory": {"limit": 4 * MIB, "checkBeforeUpdate": True}}), "unable to set memory limit to 4194304 (current usage:")
    equal(read(c, "memory", by_layout("memory.limit_in_bytes", "memory.max")), before)


@case("swappiness and the OOM killer's switch", feature="memory", modes=("v1", "hybrid"), needs=[offers("memory", "memory.swappiness")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["memory"] = {"limit": 64 * MIB, "swappiness": 17, "disableOOMKiller": True}
    c.started()
    equal(read(c, "memory", "memory.swappiness"), "17")
    contains(read(c, "memory", "memory.oom_control"), "oom_kill_disable 1")
    succeeds(update(t, c, {"memory": {"disableOOMKiller": False}}))
    contains(read(c, "memory", "memory.oom_control"), "oom_kill_disable 0")


# ---- io

@case("throttles of a device", feature="io", needs=[lambda: controller(by_layout("blkio", "io"))(), a_disk])
def _(t):
    major, minor = disk()
    rates = {"throttleReadBpsDevice": 1048576, "throttleWriteBpsDevice": 2097152, "throttleReadIOPSDevice": 300, "throttleWriteIOPSDevice": 400}
    c = t.container("sleep", "100")
    c.linux["resources"]["blockIO"] = {key: [{"major": major, "minor": minor, "rate": rate}] for key, rate in rates.items()}
    c.started()
    if environment.host_layout() == V2:
        equal(read(c, "io", "io.max"), f"{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400")
        succeeds(update(t, c, {"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]}}))
        equal(read(c, "io", "io.max"), f"{major}:{minor} rbps=max wbps=2097152 riops=300 wiops=400")
        return
    for file, rate in (("read_bps", 1048576), ("write_bps", 2097152), ("read_iops", 300), ("write_iops", 400)):
        equal(read(c, "blkio", f"blkio.throttle.{file}_device"), f"{major}:{minor} {rate}")


@case("a throttle of a device that is not there is an error", feature="io", needs=[lambda: controller(by_layout("blkio", "io"))()])
def _(t):
    c = t.container("true")
    c.linux["resources"]["blockIO"] = {"throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": 1000}]}
    fails(c.try_create(), "4000:1", by_layout("blkio", "io.max"))


@case("an io weight, by the scheduler that has one", feature="io", modes=("v2",), needs=[offers("io", "", "io.weight")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["blockIO"] = {"weight": 500}
    c.started()
    if (place(c, "io") / "io.bfq.weight").exists():
        contains(read(c, "io", "io.bfq.weight"), "default 500")
    else:
        contains(read(c, "io", "io.weight"), "default 4950")


@case("a blkio weight by BFQ", feature="io", modes=("v1", "hybrid"), needs=[offers("blkio", "blkio.bfq.weight")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["blockIO"] = {"weight": 500}
    c.started()
    contains(read(c, "blkio", "blkio.bfq.weight"), "500")


# ---- hugetlb, rdma, network, unified

@case("huge pages are limited when used and when reserved", feature="hugetlb",
      needs=[offers("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", "hugetlb.2MB.rsvd.max")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 6 * MIB}]
    c.started()
    for file in by_layout(("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes"), ("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max")):
        equal(read(c, "hugetlb", file), str(6 * MIB), file)


@case("a page size that the machine does not have is an error", feature="hugetlb", needs=[controller("hugetlb")])
def _(t):
    c = t.container("true")
    c.linux["resources"]["hugepageLimits"] = [{"pageSize": "3MB", "limit": MIB}]
    fails(c.try_create(), "hugetlb.3MB", "no such file")
    c.linux["resources"]["hugepageLimits"] = [{"pageSize": "2 mega", "limit": MIB}]
    fails(c.try_create(), "hugepageLimits", "2MB")


@case("an RDMA limit of a device that is not there is an error", feature="rdma", needs=[controller("rdma")])
def _(t):
    c = t.container("true")
    c.linux["resources"]["rdma"] = {"absent0": {"hcaHandles": 3, "hcaObjects": 10}}
    fails(c.try_create(), "rdma.max", "absent0 hca_handle=3 hca_object=10")


@case("RDMA limits of a device", feature="rdma", needs=[
    controller("rdma"), lambda: None if list(pathlib.Path("/sys/class/infiniband").glob("*")) else "this machine has no RDMA device"])
def _(t):
    device = sorted(path.name for path in pathlib.Path("/sys/class/infiniband").iterdir())[0]
    c = t.container("sleep", "100")
    c.linux["resources"]["rdma"] = {device: {"hcaHandles": 3, "hcaObjects": 1000}}
    c.started()
    contains(read(c, "rdma", "rdma.max"), f"{device} hca_handle=3 hca_object=1000")


@case("network class and priorities", feature="network", modes=("v1", "hybrid"), needs=[controller("net_cls"), controller("net_prio")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"]["network"] = {"classID": 1048577, "priorities": [{"name": "lo", "priority": 500}]}
    c.started()
    equal(read(c, "net_cls", "net_cls.classid"), "1048577")
    contains(read(c, "net_prio", "net_prio.ifpriomap"), "lo 500")


@case("network limits are an error on v2, which has none", feature="network", modes=("v2",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["network"] = {"classID": 7}
    fails(c.try_create(), "network.classID", "cgroup v2")


@case("unified settings of several controllers, line by line", feature="unified", modes=("v2",),
      needs=[controller("memory"), controller("io"), controller("pids"), a_disk])
def _(t):
    major, minor = disk()
    c = t.container("sleep", "100")
    c.linux["resources"]["unified"] = {"memory.high": "50000000", "memory.oom.group": "1", "pids.max": "77",
                                       "io.max": f"{major}:{minor} rbps=1048576\n{major}:{minor} wiops=99"}
    c.started()
    equal(read(c, "memory", "memory.high"), str(50000000 // 4096 * 4096))
    equal(read(c, "memory", "memory.oom.group"), "1")
    equal(read(c, "pids", "pids.max"), "77")
    equal(read(c, "io", "io.max"), f"{major}:{minor} rbps=1048576 wbps=max riops=max wiops=99")


@case("unified settings have the last word", feature="unified", modes=("v2",), needs=[controller("memory")])
def _(t):
    c = t.container("sleep", "100")
    c.linux["resources"].update(memory={"limit": 64 * MIB}, unified={"memory.max": str(80 * MIB)})
    c.started()
    equal(read(c, "memory", "memory.max"), str(80 * MIB))


@case("a unified key that is no cgroup file is refused", feature="unified", modes=("v2", "hybrid"))
def _(t):
    c = t.container("true")
    for key in ("../memory.max", "memory", "/memory.max"):
        c.linux["resources"]["unified"] = {key: "1"}
        fails(c.try_create(), "linux.resources.unified", key)


# ---- statistics

@case("statistics of every controller that is there", feature="statistics and events")
def _(t):
    c = t.container(sh="i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; sleep 100").started()
    eventually(lambda: c.output() == "done\n", "work done")
    data = json.loads(succeeds(t.call("events", "--stats", c.id)).out)["data"]
    have = environment.controllers()
    if have & {"cpu", "cpuacct"}:
        assert data["cpu"]["usage"]["total"] > 0, data["cpu"]
    if "memory" in have:
        contains(data["memory"]["raw"], by_layout("cache", "anon"))
        assert data["memory"]["usage"]["limit"] > 0, data["memory"]["usage"]
    if "cpuset" in have:
        contains(data["cpuset"]["cpus"] if environment.host_layout() == V2 else [0], 0)
    if "hugetlb" in have:
        contains(data["hugetlb"], "2MB")
    if environment.host_layout() == V2 and pathlib.Path("/proc/pressure").exists():
        for controller_name, key in (("cpu", "cpu"), ("memory", "memory"), ("io", "blkio")):
            if controller_name in have:
                contains(data[key]["psi"]["some"], "avg300", key)


@case("statistics come at the interval until the container ends", feature="statistics and events")
def _(t):
    c = t.container("sleep", "100").started()
    watch = t.call("events", "--interval", "50ms", c.id, wait=False)
    eventually(lambda: watch.out.read_text().count('"type":"stats"') >= 3, "three statistics")
    succeeds(c.delete("--force"))
    watch.wait(10)
    for line in watch.out.read_text().splitlines():
        equal(json.loads(line)["id"], c.id)


@case("statistics have the pressure that the kernel counts", needs=[kernel_file("/proc/pressure/cpu")], modes=("v2",), feature="statistics and events",
      runc="only since 1.2")
def _(t):
    c = t.container("sleep", "100").started()
    data = json.loads(succeeds(t.call("events", "--stats", c.id)).out)["data"]
    for controller_name in ("cpu", "memory", "blkio"):
        pressure = data[controller_name]["psi"]
        equal(set(pressure), {"some", "full"}, controller_name)
        equal(set(pressure["some"]), {"avg10", "avg60", "avg300", "total"}, controller_name)
