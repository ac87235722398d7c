"""Flags of the verbs that no other file is about, and crun's annotations."""
import array
import json
import os
import pathlib
import socket
import threading

from harness import environment
from harness.cases import case, controller
from harness.checks import contains, equal, eventually, fails, lacks, succeeds


def taskset(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def received_descriptor(listener):
    """What one message over listener brings: its text and a descriptor."""
    connection, _ = listener.accept()
    text, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    connection.close()
    numbers = array.array("i")
    numbers.frombytes(ancillary[0][2][:4])
    return text.decode(), numbers[0]


def listening(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    return listener


@case("the caller's CPU affinity is not the container's, neither for run nor for exec", needs=[environment.two_cpus], runc="only since 1.4")
def _(t):
    own = pathlib.Path("/proc/self/status").read_text().split("Cpus_allowed_list:\t")[1].split()[0]
    c = t.container("grep", "Cpus_allowed_list", "/proc/self/status")
    equal(succeeds(c.run(before_exec=taskset(0))).out.split()[1], own, "run")
    c = t.container("sleep", "100").started()
    equal(succeeds(c.exec("grep", "Cpus_allowed_list", "/proc/self/status", before_exec=taskset(0))).out.split()[1], own, "exec")


@case("execCPUAffinity is for exec alone: initial while it enters, final afterwards", needs=[environment.two_cpus], runc="only since 1.3")
def _(t):
    c = t.container("sleep", "100")
    c.process["execCPUAffinity"] = {"initial": "0", "final": "1"}
    c.started()
    equal(os.sched_getaffinity(c.pid()), os.sched_getaffinity(0), "init")
    contains(succeeds(c.exec("grep", "Cpus_allowed_list", "/proc/self/status")).out, "\t1\n")
    (t.directory / "process.json").write_text(json.dumps({"args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/",
                                                          "env": ["PATH=/bin"], "execCPUAffinity": {"initial": "1", "final": "0-8000"}}))
    equal(succeeds(c.exec(flags=("--process", t.directory / "process.json"))).out.split()[1],
          pathlib.Path("/proc/self/status").read_text().split("Cpus_allowed_list:\t")[1].split()[0])


@case("--pidfd-socket and crun's annotation get a pidfd of init, exec's socket one of the process", runc="only since 1.2")
def _(t):
    with listening(t.directory / "pidfd.sock") as listener:
        c = t.container("sleep", "100")
        c.create("--pidfd-socket", t.directory / "pidfd.sock")
        text, pidfd = received_descriptor(listener)
        equal(text, c.id)
        contains(pathlib.Path(f"/proc/self/fdinfo/{pidfd}").read_text(), f"Pid:\t{c.pid()}\n")
        os.close(pidfd)
        c.start()
        succeeds(c.exec("sleep", "100", flags=("--detach", "--pid-file", t.directory / "pid", "--pidfd-socket", t.directory / "pidfd.sock")))
        _, pidfd = received_descriptor(listener)
        contains(pathlib.Path(f"/proc/self/fdinfo/{pidfd}").read_text(), f"Pid:\t{(t.directory / 'pid').read_text()}\n")
        os.close(pidfd)
        c = t.container("true")
        c.config["annotations"] = {"run.oci.pidfd_receiver": str(t.directory / "pidfd.sock")}
        c.create()
        _, pidfd = received_descriptor(listener)
        contains(pathlib.Path(f"/proc/self/fdinfo/{pidfd}").read_text(), f"Pid:\t{c.pid()}\n")
        os.close(pidfd)


class Supervisor:
    """systemd's side of sd_notify: keeps what it is told and acknowledges barriers."""

    def __init__(self, path):
        self.said = []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.server.bind(str(path))
        self.environment = {**os.environ, "NOTIFY_SOCKET": str(path)}
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            text, ancillary, _, _ = self.server.recvmsg(4096, socket.CMSG_SPACE(4))
            for _, _, data in ancillary:
                os.close(int.from_bytes(data[:4], "little"))
            self.said.append(text.decode().strip())
            if text == b"end":
                return

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", self.server.getsockname())
        self.thread.join(5)
        self.server.close()


# busybox has no client for datagram sockets: the host's side of the container's socket is used.
def tell(c, text):
    directory = c.test.state_root / f"{c.id}.notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        def send():
            try:
                client.sendto(text.encode(), str(directory / "notify.sock"))
                return True
            except OSError:
                return False
        eventually(send, "the container's socket is there")


@case("READY=1 of the container goes to the caller's NOTIFY_SOCKET, with the main process", runc="names its directory otherwise")
def _(t):
    supervisor = Supervisor(t.directory / "supervisor.sock")
    try:
        c = t.container(sh="echo $NOTIFY_SOCKET; ls -l $NOTIFY_SOCKET; sleep 100")
        c.create(env=supervisor.environment)
        start = c.verb("start", env=supervisor.environment, wait=False)
        eventually(lambda: len(c.output().splitlines()) > 1, "the program sees the socket")
        equal(c.output().splitlines()[0], "/run/notify/notify.sock")
        contains(c.output().splitlines()[1], "srwxrwxrwx")
        assert start.poll() is None, "start returned before READY=1"
        tell(c, "STATUS=working\n")
        tell(c, "READY=1\nSTATUS=fine\n")
        succeeds(t.result_of(start))
        equal(supervisor.said, ["READY=1", f"MAINPID={c.pid()}", "BARRIER=1"])
    finally:
        supervisor.end()


@case("run passes READY=1 on, detached and in the foreground, and does not wait for a program that ends")
def _(t):
    supervisor = Supervisor(t.directory / "supervisor.sock")
    try:
        c = t.container("sleep", "100")
        call = c.run("--detach", env=supervisor.environment, wait=False)
        tell(c, "READY=1")
        succeeds(t.result_of(call))
        equal(supervisor.said, ["READY=1", f"MAINPID={c.pid()}", "BARRIER=1"])
        supervisor.said.clear()
        c = t.container(sh="while [ ! -e /tmp/end ]; do usleep 1000; done")
        call = c.run(env=supervisor.environment, wait=False)
        tell(c, "READY=1")
        eventually(lambda: len(supervisor.said) == 3, "everything was said")
        equal(supervisor.said[1], f"MAINPID={call.pid}")
        (c.rootfs / "tmp/end").touch()
        succeeds(t.result_of(call))
        succeeds(t.container("true").run("--detach", env=supervisor.environment))
    finally:
        supervisor.end()


@case("--regex kills and deletes each container that matches", runc="has no such flag")
def _(t):
    containers = [t.container("sleep", "100").started() for _ in range(3)]
    other = t.container("sleep", "100").started()
    pattern = f"^{t.name}-[0-2]$"
    succeeds(t.call("kill", "--regex", pattern, "KILL"))
    for c in containers:
        c.wait(c.pid()) if c.state()["pid"] else eventually(lambda c=c: c.status() == "stopped", "stopped")
    succeeds(t.call("delete", "--regex", pattern))
    for c in containers:
        fails(c.verb("state"), "does not exist")
    equal(other.status(), "running")
    fails(t.call("delete", "--regex", "("), "regular expression")


@case("run --keep leaves the stopped container", runc="only since 1.0")
def _(t):
    c = t.container("true")
    succeeds(c.run("--keep"))
    equal(c.status(), "stopped")
    succeeds(c.delete())


@case("exec --user keeps the group unless one is given")
def _(t):
    c = t.container("sleep", "100")
    c.process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
    c.started()
    equal(succeeds(c.exec("sh", "-c", "id -u; id -G", flags=("--user", "1000"))).out.split(), ["1000", "6", "7"])
    equal(succeeds(c.exec("sh", "-c", "id -u; id -G", flags=("-u", "1000:1001", "-g", "100", "--additional-gids", "200"))).out.split(),
          ["1000", "1001", "7", "100", "200"])
    for wrong in ("user", "1000:", ":5", "-1", "1:2:3", "4294967296"):
        fails(c.exec("true", flags=("--user", wrong)), "UID", code=255)


@case("a paused container takes an exec only with --ignore-paused", needs=[controller("freezer") if environment.host_layout() != "v2" else tuple])
def _(t):
    c = t.container("sleep", "100").started()
    succeeds(c.verb("pause"))
    fails(c.exec("true"), "paused", code=255)
    call = c.exec("echo", "thawed", flags=("--ignore-paused",), wait=False)
    succeeds(c.verb("resume"))
    equal(succeeds(t.result_of(call)).out, "thawed\n")


@case("a descriptor to be preserved that is not there is named")
def _(t):
    c = t.container("true")
    fails(c.run("--preserve-fds", "1"), "preserved-fd 0")


@case("ps passes the options of the host's ps through")
def _(t):
    c = t.container("sleep", "100").started()
    lines = succeeds(c.verb("ps", "-o", "pid,comm")).out.splitlines()
    equal([line.split() for line in lines], [["PID", "COMMAND"], [str(c.pid()), "sleep"]])
    contains(succeeds(t.call("ps", "--format", "table", c.id, "-e", "-f")).out, "sleep 100")
    fails(t.call("ps", "--format", "xml", c.id), "invalid format option")
    c.kill()
    eventually(lambda: c.status() == "stopped", "stopped")
    equal(len(succeeds(c.verb("ps")).out.splitlines()), 1, "lines for a stopped container")


@case("delete ends what outlives the init of a container without its own pid namespace", runc="only since 1.2")
def _(t):
    for flags in ((), ("--force",)):
        c = t.container("sleep", "100")
        c.without_namespace("pid")
        c.started()
        succeeds(c.exec("sleep", "100", flags=("--detach", "--pid-file", t.directory / "pid")))
        os.kill(c.pid(), 9)
        eventually(lambda c=c: c.status() == "stopped", "stopped")
        succeeds(c.delete(*flags))
        t.reap_orphans()
        assert not pathlib.Path("/proc", (t.directory / "pid").read_text(), "cmdline").exists() or \
            pathlib.Path("/proc", (t.directory / "pid").read_text(), "cmdline").read_bytes() == b"", "it lives"


@case("events prints statistics at its interval until the container ends")
def _(t):
    c = t.container("sleep", "100").started()
    once = json.loads(succeeds(t.call("events", "--stats", c.id)).out)
    equal((once["type"], once["id"]), ("stats", c.id))
    call = t.call("events", "--interval", "50ms", c.id, wait=False)
    eventually(lambda: call.out.read_text().count("\n") >= 2, "two lines")
    c.kill()
    c.wait(c.pid()) if c.state()["pid"] else None
    equal(t.result_of(call).code, 0)
    for line in call.out.read_text().splitlines():
        equal(json.loads(line)["type"], "stats")
    fails(t.call("events", "--interval", "0s", c.id), "interval")


@case("an OOM kill is an event", modes=("v1", "hybrid"), needs=[controller("memory")])
def _(t):
    c = t.container(sh="while [ ! -e /tmp/go ]; do usleep 1000; done; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 100")
    c.linux["resources"]["memory"] = {"limit": 20 << 20, "swap": 20 << 20} if has_swap_accounting() else {"limit": 20 << 20}
    c.started()
    call = t.call("events", "--interval", "1h", c.id, wait=False)
    eventually(lambda: pathlib.Path(f"/proc/{call.pid}/wchan").read_text() not in ("", "0") or True, "events waits")
    (c.rootfs / "tmp/go").touch()
    eventually(lambda: '"oom"' in call.out.read_text(), "the event", 15)
    c.kill()
    t.result_of(call)


def has_swap_accounting():
    return (environment.CGROUP / "memory/memory.memsw.limit_in_bytes").exists()


@case("features is JSON that is true of the build, with nothing on stderr", runc="has fewer mount options")
def _(t):
    result = succeeds(t.call("features"))
    equal(result.err, "")
    features = json.loads(result.out)
    equal((features["ociVersionMin"], features["ociVersionMax"][:4]), ("1.0.0", "1.3."))
    equal(features["hooks"], ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"])
    linux = features["linux"]
    equal(set(linux["namespaces"]), {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"})
    equal((linux["mountExtensions"]["idmap"]["enabled"], linux["netDevices"]["enabled"], linux["seccomp"]["enabled"]), (True, True, True))
    equal(linux["intelRdt"], {"enabled": True, "schemata": True, "monitoring": True})
    for annotation in ("org.systemd.property.", "run.oci."):
        contains(features["potentiallyUnsafeConfigAnnotations"], annotation)
    # Every option that is listed is one: as data of the file system it would be refused.
    flags = [name for name in features["mountOptions"] if name not in ("remount", "bind", "rbind", "idmap", "ridmap", "copy-symlink", "mand",
                                                                          "iversion", "acl", "noacl", "silent", "tmpcopyup")]
    c = t.container("true")
    for name in flags:
        (c.rootfs / "mnt" / name).mkdir()
        c.mount(f"/mnt/{name}", "tmpfs", "tmpfs", name)
    succeeds(c.run())


@case("every mount option that the specification says MUST be known is", runc="and the table of crun lacks six")
def _(t):
    must = """async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec noiversion nolazytime
    norelatime nostrictatime nosuid private rbind relatime remount ro rprivate rshared rslave runbindable rw shared silent slave strictatime suid
    sync unbindable""".split()
    should = """nosymfollow symfollow idmap ridmap rro rrw rsuid rnosuid rdev rnodev rexec rnoexec ratime rnoatime rdiratime rnodiratime rrelatime
    rnorelatime rstrictatime rnostrictatime rsymfollow rnosymfollow tmpcopyup mand nomand""".split()
    known = json.loads(succeeds(t.call("features")).out)["mountOptions"]
    equal([name for name in must + should if name not in known], [])


@case("a mount on / covers the root, and later mounts lie on it", runc="refuses it")
def _(t):
    c = t.container("sh", "-c", "ls /; cat /mnt/file; grep -c . /proc/mounts > /dev/null && echo proc")
    other = t.directory / "other"
    for name in ("bin", "proc", "dev", "sys", "mnt", "only-here"):
        (other / name).mkdir(parents=True)
    os.link(c.rootfs / "bin/busybox", other / "bin/busybox")
    for applet in ("sh", "ls", "cat", "grep", "echo"):
        (other / "bin" / applet).symlink_to("busybox")
    (t.directory / "data").mkdir()
    (t.directory / "data/file").write_text("data\n")
    c.config["mounts"].insert(0, {"destination": "/", "type": "bind", "source": str(other), "options": ["rbind", "rw"]})
    c.mount("/mnt", "bind", t.directory / "data", "bind")
    out = succeeds(c.run()).out
    contains(out, "only-here\n")
    lacks(out, "home\n")
    contains(out, "data\nproc\n")


@case("annotations name files for the output of hooks", runc="does not know crun's annotations")
def _(t):
    c = t.container("true")
    c.config["annotations"] = {"run.oci.hooks.stdout": str(t.directory / "out"), "run.oci.hooks.stderr": str(t.directory / "err")}
    say = {"path": "/bin/sh", "args": ["sh", "-c", "echo said; echo warned >&2"]}
    c.config["hooks"] = {"prestart": [say], "createRuntime": [say], "poststop": [say]}
    c.config["hooks"].update(createContainer=[say], startContainer=[say])
    succeeds(c.run())
    equal(((t.directory / "out").read_text(), (t.directory / "err").read_text()), ("said\n" * 5, "warned\n" * 5))


@case("annotations that ask for what gpurun does not have are refused", runc="does not know crun's annotations")
def _(t):
    for key in ("run.oci.handler", "run.oci.seccomp.plugins", "run.oci.seccomp_bpf_data"):
        c = t.container("true")
        c.config["annotations"] = {key: "x"}
        fails(c.try_create(), f"annotation {key}")


@case("an unknown system call is ignored, or refused where crun's annotation asks for that", runc="does not know crun's annotations")
def _(t):
    c = t.container("true")
    c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]}
    succeeds(c.run())
    c = t.container("true")
    c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]}
    c.config["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
    fails(c.run(), "no_such_call")


@case("namespaces of a container with ids and clocks of its own can be joined", runc="only since 1.2")
def _(t):
    target = t.container("sleep", "100")
    mapping = [{"containerID": 0, "hostID": 100000, "size": 100}]
    target.linux["namespaces"] += [{"type": "user"}, {"type": "time"}, {"type": "cgroup"}]
    target.linux.update({"uidMappings": mapping, "gidMappings": mapping,
                         "timeOffsets": {"monotonic": {"secs": 7881, "nanosecs": 2718281}, "boottime": {"secs": 1337, "nanosecs": 3141519}}})
    target.started()
    files = {"network": "net"}
    c = t.container(sh="cat /proc/self/uid_map /proc/self/timens_offsets; ps | grep -c 'sleep 100$'; hostname")
    c.linux["namespaces"] = [{"type": "mount"}] + [
        {"type": kind, "path": f"/proc/{target.pid()}/ns/{files.get(kind, kind)}"} for kind in
        ("pid", "ipc", "uts", "network", "user", "time", "cgroup")]
    c.linux.pop("maskedPaths"), c.linux.pop("readonlyPaths")
    del c.config["hostname"]
    out = succeeds(c.run()).out.split()
    equal(out[:3], ["0", "100000", "100"])
    equal(out[3:9], ["monotonic", "7881", "2718281", "boottime", "1337", "3141519"])
    equal(out[9:], ["1", "box"])


@case("intelRdt without a mounted resctrl is refused")
def _(t):
    if os.path.ismount("/sys/fs/resctrl"):
        return
    c = t.container("true")
    c.linux["intelRdt"] = {"closID": "guaranteed", "l3CacheSchema": "L3:0=f"}
    fails(c.try_create(), "intelRdt", "resctrl is not mounted")
    c = t.container("sleep", "100").started()
    fails(t.call("update", "--l3-cache-schema", "L3:0=f", c.id), "Intel RDT is not enabled")


@case("a config cannot be named twice on the same line of flags without the last one counting")
def _(t):
    c = t.container("echo", "last")
    (c.bundle / "other.json").write_text("{")
    equal(succeeds(c.run("--config", c.bundle / "other.json", "--config", c.bundle / "config.json")).out, "last\n")
