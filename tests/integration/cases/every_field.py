"""One container with every field of the specification that this machine can carry out, read back from inside and from the host."""
import json
import os

from harness import environment
from harness.bundle import CAPABILITIES
from harness.cases import case, kernel_file, tool
from harness.checks import contains, equal, succeeds

from cases.net_devices import Device, pairs

FIRST_ID, IDS = 100000, 65536
REPORT = r"""
say() { echo "$1=$(eval "$2" 2>&1 | tr '\n' ' ' | sed 's/ $//')"; }
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
say uid 'id -u'; say gid 'id -g'; say groups 'id -G'; say umask umask; say cwd pwd; say variable 'echo $VARIABLE'
say open_files 'ulimit -n'; say hard_core 'ulimit -Hc'
for set in Inh Prm Eff Bnd Amb; do say cap$set "status Cap$set"; done
say no_new_privs 'status NoNewPrivs'; say seccomp 'status Seccomp'; say oom_score_adj 'cat /proc/self/oom_score_adj'
say nice "cut -d' ' -f 19 /proc/self/stat"; say policy "cut -d' ' -f 41 /proc/self/stat"
say hostname hostname; say domainname 'cat /proc/sys/kernel/domainname'; say machine 'uname -m'
say uid_map "tr -s ' ' < /proc/self/uid_map"; say time 'cat /proc/self/timens_offsets'
say device 'stat -c "%F %t:%T" /dev/mine'; say interface 'cat /sys/class/net/up0/address'; say loopback 'cat /sys/class/net/lo/operstate'
say sysctl 'cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/conf/eth.7/forwarding'
say masked 'cat /etc/secret'; say masked_directory 'ls -A /private'; say readonly 'touch /fixed/x'; say root 'touch /x'
say refused 'mkdir /tmp/x'; say numa "head -n 1 /proc/self/numa_maps | cut -d' ' -f 2"
say owner 'stat -c %u:%g /mapped/file'; say bind_flags "awk '\$5 == \"/mapped\" {print \$6}' /proc/self/mountinfo"
say tmp "awk '\$5 == \"/tmp\" {print \$6}' /proc/self/mountinfo"; say propagation "awk '\$5 == \"/\" {print \$7}' /proc/self/mountinfo"
say hook_file 'cat /tmp/from-hook'
say processes 'echo $$'; say cgroup 'cut -d: -f 3 /proc/self/cgroup | sort -u'
"""


def hook(directory, kind):
    return [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {directory}/hook-{kind}"], "env": ["PATH=/bin:/usr/bin"], "timeout": 10}]


def process(c):
    c.process.update({
        "user": {"uid": 1000, "gid": 1001, "umask": 0o027, "additionalGids": [10, 11]},
        "args": ["/bin/sh", "-c", REPORT],
        "env": ["PATH=/bin", "VARIABLE=first", "VARIABLE=value"],
        "cwd": "/home/made",
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "noNewPrivileges": True,
        "oomScoreAdj": 321,
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
        "execCPUAffinity": {"initial": "0", "final": "0"},
        "capabilities": {"bounding": CAPABILITIES, "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"],
                         "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
    })


def mounts(t, c):
    shared = t.directory / "shared"
    shared.mkdir(mode=0o755)
    (shared / "file").write_text("x")
    os.chown(shared / "file", 5, 6)
    c.mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "noatime", "mode=1777", "size=1m")
    c.mount("/mapped", "bind", shared, "rbind", "ro", "nosuid", "nodev", "idmap", "rprivate")
    mapping = [{"containerID": 5, "hostID": FIRST_ID + 1000, "size": 1}, {"containerID": 6, "hostID": FIRST_ID + 1001, "size": 1}]
    c.config["mounts"][-1].update({"uidMappings": mapping, "gidMappings": mapping})
    c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro")
    c.config["root"]["readonly"] = True
    for name in (".", "home"):  # where mount points and the working directory are made, by the container's root
        os.chown(c.rootfs / name, FIRST_ID, FIRST_ID)
    for name in ("private", "fixed"):
        (c.rootfs / name).mkdir()
    (c.rootfs / "private/file").write_text("secret")
    (c.rootfs / "etc/secret").write_text("secret")


def resources():
    """Limits for the controllers of this layout, and which of their files say what."""
    there, v2 = environment.controllers(), environment.host_layout() == "v2"
    limits, files = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]}, {}

    def limit(controller, key, value, v1_file, v1_text, v2_file, v2_text):
        if controller in there:
            limits.setdefault(key, {}).update(value) if isinstance(value, dict) else limits.update({key: value})
            files[controller, v2_file if v2 else v1_file] = v2_text if v2 else v1_text

    limit("memory", "memory", {"limit": 64 << 20}, "memory.limit_in_bytes", str(64 << 20), "memory.max", str(64 << 20))
    limit("memory", "memory", {"reservation": 32 << 20}, "memory.soft_limit_in_bytes", str(32 << 20), "memory.low", str(32 << 20))
    limit("cpu", "cpu", {"shares": 1024}, "cpu.shares", "1024", "cpu.weight", "100")
    limit("cpu", "cpu", {"quota": 50000, "period": 100000}, "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000")
    limit("cpuset", "cpu", {"cpus": "0", "mems": "0"}, "cpuset.cpus", "0", "cpuset.cpus", "0")
    limit("pids", "pids", {"limit": 50}, "pids.max", "50", "pids.max", "50")
    limit("hugetlb", "hugepageLimits", [{"pageSize": "2MB", "limit": 4 << 20}], "hugetlb.2MB.limit_in_bytes", str(4 << 20), "hugetlb.2MB.max",
          str(4 << 20))
    if not v2:
        limit("net_cls", "network", {"classID": 0x100001}, "net_cls.classid", str(0x100001), "", "")
    elif "hugetlb" in there:
        limits["unified"] = {"hugetlb.1GB.max": str(1 << 30)}
        files["hugetlb", "hugetlb.1GB.max"] = str(1 << 30)
    return limits, files


def linux(c, devices, limits):
    mapping = [{"containerID": 0, "hostID": FIRST_ID, "size": IDS}]
    c.linux.update({
        "namespaces": [{"type": kind} for kind in ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")],
        "uidMappings": mapping, "gidMappings": mapping,
        "timeOffsets": {"monotonic": {"secs": 86400, "nanosecs": 5}, "boottime": {"secs": 172800}},
        "devices": [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3},
                    {"path": "/dev/mine", "type": "p", "fileMode": 0o622}],
        "netDevices": {devices[0].name: {"name": "up%d"}, devices[1].name: {"name": "eth.7"}},
        "resources": limits,
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "sysctl": {"kernel.shm_rmid_forced": "1", "net/ipv4/conf/eth.7/forwarding": "1"},
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
                    "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                    "syscalls": [{"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]},
        "rootfsPropagation": "unbindable",
        "maskedPaths": ["/etc/secret", "/private", "/no/such/path"],
        "readonlyPaths": ["/fixed", "/no/such/path"],
        "personality": {"domain": "LINUX32"},
    })


def report(output):
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


@case("a container with every supported field has everything that its config says", modes=("v1", "v2", "hybrid"),
      needs=[tool("ip"), pairs, kernel_file("/proc/self/numa_maps"), kernel_file("/proc/self/timens_offsets"), environment.idmapped_tmpfs],
      runc="knows memoryPolicy, netDevices, scheduler, ioPriority, time offsets and idmapped mounts only from 1.2 to 1.4 on")
def _(t):
    with Device(t) as device, Device(t, 1) as dotted:
        c = t.container()
        process(c)
        mounts(t, c)
        limits, files = resources()
        linux(c, (device, dotted), limits)
        c.config.update({"ociVersion": "1.3.0", "hostname": "everything", "domainname": "example.org",
                         "annotations": {"org.example.key": "value", "org.opencontainers.unknown": "x"},
                         "hooks": {kind: hook(t.directory, kind) for kind in
                                   ("prestart", "createRuntime", "createContainer", "poststart", "poststop")},
                         "unknownProperty": {"x": 1}})
        (t.directory / "hook-createContainer").touch()
        (t.directory / "hook-createContainer").chmod(0o666)  # this hook runs in the user namespace
        c.config["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "echo $VARIABLE > /tmp/from-hook"]}]
        c.create()
        pid = c.pid()
        for (controller, name), wanted in files.items():
            equal((environment.cgroup_of(pid, controller) / name).read_text().strip(), wanted, name)
        equal(c.state()["annotations"]["org.example.key"], "value")
        c.start()
        equal(c.wait(pid), 0, "exit code")
        got = report(c.output())
        succeeds(c.delete())

    bit = {"CAP_CHOWN": 0, "CAP_KILL": 5}
    for key, wanted in {
            "uid": "1000", "gid": "1001", "groups": "1001 10 11", "umask": "0027", "cwd": "/home/made", "variable": "value",
            "open_files": "100", "hard_core": "0", "no_new_privs": "1", "seccomp": "2", "oom_score_adj": "321", "nice": "5", "policy": "3",
            "hostname": "everything", "domainname": "example.org", "uid_map": f" 0 {FIRST_ID} {IDS}",
            "interface": "02:00:00:00:00:01", "loopback": "unknown", "masked": "", "masked_directory": "",
            "owner": "1000:1001", "hook_file": "value", "processes": "1", "cgroup": "/"}.items():
        equal(got.get(key, "").strip(), wanted.strip(), key)
    for key, names in {"capPrm": ["CAP_KILL"], "capEff": ["CAP_KILL"], "capInh": ["CAP_KILL"], "capAmb": ["CAP_KILL"]}.items():
        equal(int(got[key], 16), sum(1 << bit[name] for name in names), key)
    equal(bin(int(got["capBnd"], 16)).count("1"), len(CAPABILITIES), "bounding set")
    contains(got["machine"], "i686" if os.uname().machine == "x86_64" else "arm")
    contains(" ".join(got["time"].split()), "monotonic 86400 5 boottime 172800 0")
    equal(got["device"], "fifo 0:0")
    equal(got["sysctl"], "1 1", "sysctls")
    for key, words in {"readonly": "Read-only file system", "root": "Read-only file system", "refused": "No space left on device"}.items():
        contains(got[key], words, key)
    contains(got["numa"], "bind=static:0")
    equal(set(got["bind_flags"].split(",")) & {"ro", "nosuid", "nodev"}, {"ro", "nosuid", "nodev"})
    equal(set(got["tmp"].split(",")) & {"rw", "nosuid", "nodev", "noexec", "noatime"}, {"rw", "nosuid", "nodev", "noexec", "noatime"})
    contains(got["propagation"], "unbindable")
    for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop"):
        state = json.loads((t.directory / f"hook-{kind}").read_text())
        equal((state["id"], state["annotations"]["org.example.key"]), (c.id, "value"), kind)
