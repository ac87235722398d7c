"""Namespaces: new, the caller's, joined by path; user namespaces with mappings."""
import contextlib
import os
import subprocess

from harness.cases import case
from harness.checks import contains, equal, eventually, fails, lacks, succeeds

NAMES = {"pid": "pid", "mount": "mnt", "ipc": "ipc", "uts": "uts", "network": "net", "cgroup": "cgroup", "user": "user", "time": "time"}


def inside(c, kind):
    return succeeds(c.run()).out.strip()


@contextlib.contextmanager
def holder(*flags):
    """A process with namespaces of its own, to be joined."""
    process = subprocess.Popen(["unshare", *flags, "sh", "-c", "echo ready; exec sleep 100"], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@case("a namespace that is listed is new, one that isn't is the caller's")
def _(t):
    for kind in ("pid", "ipc", "uts", "network", "cgroup"):
        c = t.container("readlink", f"/proc/self/ns/{NAMES[kind]}")
        c.without_namespace(kind)
        if kind == "uts":
            del c.config["hostname"]
        if kind == "network":
            c.config["mounts"] = [m for m in c.config["mounts"] if m["type"] != "sysfs"]
        equal(inside(c, kind), os.readlink(f"/proc/self/ns/{NAMES[kind]}"), kind)
        d = t.container("readlink", f"/proc/self/ns/{NAMES[kind]}")
        if kind == "cgroup":
            d.linux["namespaces"].append({"type": "cgroup"})
        assert inside(d, kind) != os.readlink(f"/proc/self/ns/{NAMES[kind]}"), f"{kind} is the caller's"


@case("namespaces are joined by path")
def _(t):
    with holder("--net", "--ipc", "--uts") as pid:
        for kind in ("network", "ipc", "uts"):
            c = t.container("readlink", f"/proc/self/ns/{NAMES[kind]}")
            c.without_namespace(kind)
            c.linux["namespaces"].append({"type": kind, "path": f"/proc/{pid}/ns/{NAMES[kind]}"})
            equal(inside(c, kind), os.readlink(f"/proc/{pid}/ns/{NAMES[kind]}"), kind)


@case("a container joins the pid namespace of another")
def _(t):
    c = t.container("sleep", "100").started()
    d = t.container(sh="ps | grep -c 'sleep 100'; echo $$")
    d.without_namespace("pid")
    d.linux["namespaces"].append({"type": "pid", "path": f"/proc/{c.pid()}/ns/pid"})
    out = succeeds(d.run()).out.split()
    assert out[1] != "1" and int(out[0]) >= 1, out


@case("the program is process 1 of its pid namespace and sees no other")
def _(t):
    lines = succeeds(t.container("ps").run()).out.splitlines()
    equal(len(lines), 2, "lines of ps")
    equal(lines[1].split()[0], "1")


@case("hostname and domain name are the container's", runc="sets a domain name since 1.2")
def _(t):
    c = t.container(sh="hostname; cat /proc/sys/kernel/domainname")
    c.config["hostname"], c.config["domainname"] = "somebox", "example.test"
    equal(succeeds(c.run()).out.split(), ["somebox", "example.test"])


@case("loopback is up in a new network namespace")
def _(t):
    contains(succeeds(t.container("ip", "addr", "show", "lo").run()).out, "127.0.0.1")


@case("the cgroup namespace hides the path of the container's cgroup")
def _(t):
    c = t.container("cat", "/proc/self/cgroup")
    c.linux["namespaces"].append({"type": "cgroup"})
    own = [line for line in succeeds(c.run()).out.splitlines() if c.id in line]
    equal(own, [])


def in_user_namespace(t, *args, sh=None, first=100000):
    c = t.container(*args, sh=sh)
    c.linux["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": first, "size": 65536}]
    c.linux["uidMappings"], c.linux["gidMappings"] = mapping, mapping
    for path, _, files in os.walk(c.rootfs):
        for entry in [path, *(os.path.join(path, name) for name in files)]:
            if not os.path.islink(entry) and not entry.endswith("busybox"):
                os.chown(entry, first, first)
    return c


@case("a user namespace maps root to the given ids")
def _(t):
    c = in_user_namespace(t, sh="id -u; cat /proc/self/uid_map; touch /tmp/made; echo done")
    out = succeeds(c.run()).out
    equal(out.split(), ["0", "0", "100000", "65536", "done"])
    equal(os.stat(c.rootfs / "tmp/made").st_uid, 100000, "owner on the host")


@case("in a user namespace all default devices and mounts are there")
def _(t):
    c = in_user_namespace(t, sh="echo x > /dev/null && head -c 4 /dev/zero | wc -c && ls /dev/pts/ptmx /dev/mqueue -d && mount | grep -c proc")
    contains(succeeds(c.run()).out, "4\n")


@case("a volume below a directory of root's is bound in a user namespace, unless an earlier mount is there", runc="opens every source ahead until 1.2")
def _(t):
    for name in ("secret", "other"):
        (t.directory / name / "volume").mkdir(parents=True)
        (t.directory / name / "volume/file").write_text(name)
    (t.directory / "secret").chmod(0o700)
    c = in_user_namespace(t, "cat", "/mnt/one/file", "/mnt/two/file")
    c.mount("/mnt/one", "bind", str(t.directory / "secret/volume"), "bind", "ro")
    c.mount("/mnt/two", "bind", str(t.directory / "secret/volume"), "rbind")
    equal(succeeds(c.run()).out, "secretsecret")
    c = in_user_namespace(t, "cat", "/mnt/one/file")
    for where in ("rootfs/in", "rootfs/mnt/one"):
        (c.bundle / where).mkdir()
    c.mount("/in", "bind", str(t.directory / "other"), "bind")
    c.mount("/mnt/one", "bind", str(c.rootfs / "in/volume"), "bind")
    equal(succeeds(c.run()).out, "other")


@case("namespaces of the host's are joined beside a user namespace, new or joined", runc="joins none without mappings until 1.2")
def _(t):
    with holder("--net", "--ipc", "--uts") as pid:
        for joined in (False, True):
            c = in_user_namespace(t, sh="for n in net ipc uts user; do readlink /proc/self/ns/$n; done")
            del c.config["hostname"]
            c.config["mounts"] = [m for m in c.config["mounts"] if m["type"] not in ("sysfs", "mqueue")]
            users = in_user_namespace(t, "sleep", "100").started() if joined else None
            for kind in ("network", "ipc", "uts"):
                c.without_namespace(kind)
                c.linux["namespaces"].append({"type": kind, "path": f"/proc/{pid}/ns/{NAMES[kind]}"})
            if joined:
                c.without_namespace("user")
                c.linux["namespaces"].append({"type": "user", "path": f"/proc/{users.pid()}/ns/user"})
                del c.linux["uidMappings"], c.linux["gidMappings"]
            out = succeeds(c.run()).out.split()
            equal(out[:3], [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("net", "ipc", "uts")])
            if joined:
                equal(out[3], os.readlink(f"/proc/{users.pid()}/ns/user"))


@case("a user namespace need not map root, for run as for exec", runc="only since 1.5")
def _(t):
    c = in_user_namespace(t, sh="id -u; id -g; exec sleep 100")
    c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 1000, "hostID": 100000, "size": 1}]
    c.process["user"] = {"uid": 1000, "gid": 1000}
    c.started()
    eventually(lambda: c.output().split() == ["1000", "1000"], "the program runs as user 1000")
    equal(succeeds(c.exec("sh", "-c", "id -u; id -g")).out.split(), ["1000", "1000"])


@case("exec enters the user namespace")
def _(t):
    c = in_user_namespace(t, "sleep", "100").started()
    equal(succeeds(c.exec("sh", "-c", "id -u; readlink /proc/self/ns/user")).out.split(), ["0", os.readlink(f"/proc/{c.pid()}/ns/user")])
    with open(f"/proc/{c.pid()}/status", encoding="ascii") as status:
        contains(status.read(), "Uid:\t100000")


@case("the caller's /dev/null stays root's when it is a mapped container's stdin")
def _(t):
    before = os.stat("/dev/null")
    succeeds(in_user_namespace(t, "true").run())
    equal((os.stat("/dev/null").st_uid, os.stat("/dev/null").st_mode), (before.st_uid, before.st_mode))


@case("a time namespace gets its offsets", runc="only since 1.2")
def _(t):
    c = t.container("cut", "-d.", "-f1", "/proc/uptime")
    c.linux["namespaces"].append({"type": "time"})
    c.linux["timeOffsets"] = {"boottime": {"secs": 1000000}}
    assert int(succeeds(c.run()).out) >= 1000000


@case("in a user namespace a device that the host has no node of is made, with mode and owner",
      runc="knows only the host's nodes there")
def _(t):
    for first in (0, 100000):
        c = in_user_namespace(t, "stat", "-c", "%n %F %t:%T %a %u:%g", "/dev/foo", "/dev/deep/bar", "/dev/null", first=first)
        c.linux["devices"] = [{"path": "/dev/foo", "type": "b", "major": 1, "minor": 5, "uid": 10, "gid": 11, "fileMode": 0o157},
                              {"path": "/dev/deep/bar", "type": "c", "major": 1, "minor": 5}]
        names = [line.split(" ", 1) for line in succeeds(c.run()).out.splitlines()]
        equal(names[0], ["/dev/foo", "block special file 1:5 157 10:11"], str(first))
        equal(names[1], ["/dev/deep/bar", "character special file 1:5 666 0:0"], str(first))
        assert names[2][1].startswith("character special file 1:3 666"), names
        c = in_user_namespace(t, sh="head -c 3 /dev/deep/bar | od -An -tx1; grep -c ' /dev/deep/bar ' /proc/self/mountinfo; ls /dev", first=first)
        c.linux["devices"] = [{"path": "/dev/deep/bar", "type": "c", "major": 1, "minor": 5}]
        out = succeeds(c.run()).out.split()
        equal(out[:4], ["00", "00", "00", "1"], str(first))
        lacks(out, "0")
    c = in_user_namespace(t, "true")
    c.linux["devices"] = [{"path": "/dev/foo", "type": "c", "major": 1, "minor": 5, "uid": 70000}]
    fails(c.run(), "/dev/foo")
