"""Wrong input: one clear sentence, the exit code that engines expect, and nothing left behind."""
import json
import os
import shutil

from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds


def refused(t, change, *parts, sh=None):
    """A config changed by change makes create fail with parts in the message."""
    c = t.container(sh=sh)
    change(c)
    result = fails(c.try_create(), *parts)
    equal(result.out, "", "stdout")
    fails(c.verb("state"), "does not exist")
    return result


@case("a missing bundle is named")
def _(t):
    fails(t.call("create", "--bundle", t.directory / "nowhere", f"{t.name}-x"), "nowhere", "no such file or directory")


@case("a bundle without config.json is named", runc="speaks of a JSON specification file")
def _(t):
    (t.directory / "empty").mkdir()
    fails(t.call("create", "--bundle", t.directory / "empty", f"{t.name}-x"), "empty/config.json", "no such file or directory")


@case("malformed JSON names file, line and column", runc="names only the offending character")
def _(t):
    def change(c):
        c.config = '{\n  "ociVersion": "1.0.2",\n  "process": [}\n}\n'
    refused(t, change, "config.json:3:")


@case("a wrong type names the place and what it should be", runc="names the Go field")
def _(t):
    def change(c):
        c.process["args"] = "true"
    refused(t, change, "config.json", "process.args", "array")


@case("a string instead of a number is refused")
def _(t):
    def change(c):
        c.process["user"]["uid"] = "0"
    refused(t, change, "uid")


@case("a value out of range is refused")
def _(t):
    def change(c):
        c.process["user"]["uid"] = -1
    refused(t, change, "uid")


@case("an unknown property is ignored")
def _(t):
    c = t.container("true")
    c.config["futureThing"] = {"a": [1]}
    c.linux["futureThing"] = 3
    equal(c.run().code, 0, "exit code")


@case("an unknown namespace type is refused")
def _(t):
    refused(t, lambda c: c.linux["namespaces"].append({"type": "galaxy"}), "galaxy")


@case("a namespace listed twice is refused")
def _(t):
    refused(t, lambda c: c.linux["namespaces"].append({"type": "pid"}), "pid")


@case("a namespace path that isn't there or is of another type is refused", runc="does not name a path of another type")
def _(t):
    def path(value):
        return lambda c: c.linux["namespaces"].__setitem__(4, {"type": "network", "path": value})
    refused(t, path("/nowhere/ns"), "/nowhere/ns")
    refused(t, path("/proc/self/ns/uts"), "/proc/self/ns/uts")


@case("an unknown rlimit type is refused")
def _(t):
    refused(t, lambda c: c.process.update(rlimits=[{"type": "RLIMIT_COFFEE", "soft": 1, "hard": 1}]), "RLIMIT_COFFEE")


@case("an rlimit type listed twice is refused", runc="takes the last one, against the specification")
def _(t):
    limit = {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10}
    refused(t, lambda c: c.process.update(rlimits=[limit, limit]), "RLIMIT_NOFILE")


@case("a soft limit above the hard one is refused", runc="gives the limit's number")
def _(t):
    refused(t, lambda c: c.process.update(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 11, "hard": 10}]), "rlimits[0]")


@case("a relative working directory is refused")
def _(t):
    refused(t, lambda c: c.process.update(cwd="tmp"), "cwd")


@case("a working directory that cannot be made is refused")
def _(t):
    refused(t, lambda c: c.process.update(cwd="/etc/passwd"), "/etc/passwd", "not a directory")


@case("a root that isn't there is refused")
def _(t):
    refused(t, lambda c: c.config["root"].update(path="nowhere"), "nowhere")


@case("a mount source that isn't there is refused with both ends named")
def _(t):
    refused(t, lambda c: c.mount("/mnt", "bind", "/nowhere/src", "bind"), "/nowhere/src", "no such file or directory")


@case("a directory mounted on a file is refused as not a directory")
def _(t):
    refused(t, lambda c: c.mount("/etc/passwd", "bind", str(t.directory), "bind"), "/etc/passwd", "not a directory")


@case("an unknown file system type is refused", runc="does not name the type")
def _(t):
    refused(t, lambda c: c.mount("/mnt", "nosuchfs", "none"), "nosuchfs")


@case("a wrong file system option is refused")
def _(t):
    refused(t, lambda c: c.mount("/mnt", "tmpfs", "none", "size=much"), "/mnt", "invalid argument")


@case("a mount without type that is no bind, and a bind without source, are refused", runc="fails in the kernel, or binds the bundle")
def _(t):
    refused(t, lambda c: c.config["mounts"].append({"destination": "/mnt"}), "mounts[6]", "type")
    refused(t, lambda c: c.config["mounts"].append({"destination": "/mnt", "options": ["bind"]}), "mounts[6]", "source")


@case("an option that the file system does not know is named", runc="says invalid argument only")
def _(t):
    refused(t, lambda c: c.mount("/mnt", "tmpfs", "none", "size=1m", "noxec"), "/mnt", "noxec", "invalid argument")


@case("a user or group number that means no change is refused", runc="takes it for a number like others")
def _(t):
    none = 2**32 - 1
    refused(t, lambda c: c.process["user"].update(uid=none), "process.user.uid", "4294967294")
    refused(t, lambda c: c.process["user"].update(gid=none), "process.user.gid")
    refused(t, lambda c: c.process["user"].update(additionalGids=[1, none]), "process.user.additionalGids[1]")


@case("a umask beyond the permission bits is refused", runc="cuts it off")
def _(t):
    refused(t, lambda c: c.process["user"].update(umask=0o1000), "process.user.umask", "0777")


@case("a variable without a name or value is refused")
def _(t):
    for variable in ("HOME", "", "=x"):
        refused(t, lambda c: c.process["env"].append(variable), *([] if t.runtime.name == "runc" else ["process.env[2]", "NAME=value"]))


@case("no program at all is refused")
def _(t):
    def change(c):
        c.process["args"] = []
    refused(t, change, "args")


@case("a program that isn't in PATH fails create with the words that engines look for")
def _(t):
    def change(c):
        c.process["args"] = ["nosuchprogram"]
    refused(t, change, 'exec: "nosuchprogram": executable file not found in $PATH')


@case("a program by path that isn't there fails create")
def _(t):
    def change(c):
        c.process["args"] = ["/bin/nosuch"]
    refused(t, change, 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory')


@case("a program that may not be executed fails create with permission denied")
def _(t):
    def change(c):
        c.process["args"] = ["/etc/passwd"]
    refused(t, change, 'exec: "/etc/passwd": permission denied')


@case("a directory as program fails create with permission denied")
def _(t):
    def change(c):
        c.process["args"] = ["/etc"]
    refused(t, change, 'exec: "/etc": is a directory: permission denied')


@case("run of a missing program exits with 127, of one that may not be executed with 126", runc="exits with 1")
def _(t):
    fails(t.container("nosuchprogram").run(), "executable file not found in $PATH", code=127)
    fails(t.container("/etc/passwd").run(), "permission denied", code=126)


@case("a file that the kernel cannot execute says so on the container's stderr")
def _(t):
    c = t.container("/bin/garbage")
    (c.rootfs / "bin/garbage").write_bytes(b"\x7fNOT")
    (c.rootfs / "bin/garbage").chmod(0o755)
    contains(fails(c.run()).err, "exec format error")


@case("a script whose interpreter is missing, and files that are no programs, say why", runc="leaves the reason to the reader")
def _(t):
    reasons = {b"#!/no/such -x\n": "no such file or directory (its interpreter /no/such is not in the container)",
               b"#!/bin/sh\r\n": "no such file or directory (its first line ends with a carriage return",
               b"": "exec format error (the file is empty)",
               b"echo\n": "exec format error (it is neither an ELF file nor begins with #!)"}
    for content, reason in reasons.items():
        c = t.container("/bin/odd")
        (c.rootfs / "bin/odd").write_bytes(content)
        (c.rootfs / "bin/odd").chmod(0o755)
        fails(c.run(), f"exec /bin/odd: {reason}")


@case("a dynamic program without its loader names the loader", runc="leaves the reason to the reader")
def _(t):
    c = t.container("/bin/dynamic")
    shutil.copy(shutil.which("env"), c.rootfs / "bin/dynamic")
    fails(c.run(), "exec /bin/dynamic: no such file or directory (its interpreter /lib", "is not in the container)")


@case("run without a process says what is missing")
def _(t):
    c = t.container()
    del c.config["process"]
    fails(c.run(), "process")


@case("a container without a process is created, and ends when it is started", runc="does not create it")
def _(t):
    c = t.container()
    del c.config["process"]
    c.create()
    succeeds(c.verb("start"))
    c.wait()
    equal(c.status(), "stopped")


@case("an id that cannot name a container is refused")
def _(t):
    for identity in ("", ".", "..", "a/b", "a b", "\u00fc", "a\x1b[31m", "x" * 1000):
        c = t.container()
        c.id = identity
        result = fails(c.try_create("--"))
        lacks(result.err, "\x1b", "stderr")
    t.containers.clear()


@case("an id that exists is refused and its container lives on")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.try_create(), "container with given ID already exists")
    equal(c.status(), "running")


@case("terminal with create needs a console socket, and a console socket needs a terminal")
def _(t):
    refused(t, lambda c: c.process.update(terminal=True), "console socket")
    c = t.container()
    fails(c.try_create("--console-socket", t.directory / "no.sock"), "console")


@case("files and sockets that cannot be made or reached are named, and nothing is left of the container")
def _(t):
    def terminal(c):
        c.process["terminal"] = True
    missing = t.directory / "missing/name"
    for flag, change in (("--console-socket", terminal), ("--pid-file", None), ("--pidfd-socket", None)):
        if flag == "--pidfd-socket" and t.runtime.name == "runc":
            continue
        c = t.container()
        if change:
            change(c)
        fails(c.try_create(flag, missing), str(missing.parent), "no such file or directory")
        fails(c.verb("state"), "does not exist")


@case("a log that cannot be opened fails the call before it does anything")
def _(t):
    c = t.container()
    fails(c.try_create(global_args=("--log", t.directory / "missing/log")), "missing/log", "no such file or directory")
    fails(c.try_create(global_args=("--log", t.directory)), str(t.directory), "is a directory")
    fails(c.try_create(global_args=("--log-format", "xml")), "xml")
    fails(c.verb("state"), "does not exist")


@case("file descriptors that are not open cannot be passed on")
def _(t):
    fails(t.container().try_create("--preserve-fds", "40"), "preserve")
    fails(t.container().try_create("--preserve-fds", "x"), "preserve-fds")


@case("a negative number of file descriptors to pass on is refused", runc="takes it for none")
def _(t):
    fails(t.container().try_create("--preserve-fds=-1"), "preserve-fds", "-1")


@case("a sysctl outside the container's namespaces is refused")
def _(t):
    refused(t, lambda c: c.linux.update(sysctl={"vm.swappiness": "1"}), "vm.swappiness")
    def no_network(c):
        c.without_namespace("network")
        c.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    refused(t, no_network, "net.ipv4.ip_forward")


@case("hostname without a uts namespace is refused")
def _(t):
    refused(t, lambda c: c.without_namespace("uts"), "uts")


@case("a mapping of ids without a user namespace is refused", runc="ignores it before 1.2")
def _(t):
    refused(t, lambda c: c.linux.update(uidMappings=[{"containerID": 0, "hostID": 0, "size": 1}]), "user namespace")


@case("an unknown seccomp action, operator or architecture is refused")
def _(t):
    for profile in ({"defaultAction": "SCMP_ACT_SHRUG"}, {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_ABACUS"]}):
        refused(t, lambda c: c.linux.update(seccomp=profile), "seccomp")


@case("an unknown flag and a missing id are explained without doing anything")
def _(t):
    fails(t.call("create", "--no-such-flag", "x"), "no-such-flag")
    fails(t.call("state"))
    fails(t.call("nosuchverb"), "nosuchverb")


@case("a flag that is on or off takes true and false, and nothing else")
def _(t):
    c = t.container("true")
    succeeds(c.run("--no-pivot=false", "--detach=0"))
    fails(c.run("--detach=maybe"), "maybe")


@case("exec says what is wrong, exits with 255 and leaves the container alone")
def _(t):
    c = t.container("sleep", "100").started()
    (c.rootfs / "dir").mkdir()
    wrong = {("nosuch",): "executable file not found in $PATH", ("/no/such",): "stat /no/such: no such file or directory",
             ("/etc/passwd",): "permission denied", ("/dir",): "permission denied"}
    for command, words in wrong.items():
        fails(c.exec(*command), words, code=255)
    flags = [("--cwd", "/no/such"), ("--cwd", "relative"), ("--user", "root"), ("--user", "0:x"), ("--user", "4294967295"), ("--env", "NAME"),
             ("--process", "/no/such"), ("--console-socket", "/no/such", "--tty", "--detach"), ("--pid-file", "/no/such/pid"),
             ("--preserve-fds", "40"), ("--cgroup", "../..")]
    for flag in flags:
        result = fails(c.exec("true", flags=flag), code=255)
        equal(len(result.err.strip().splitlines()), 1, f"lines about {flag}")
    equal(c.status(), "running")


@case("a process.json with a wrong value names the place", runc="names the Go field")
def _(t):
    c = t.container("sleep", "100").started()
    (t.directory / "process.json").write_text('{"cwd": "/",\n "args": "true"}')
    fails(c.exec(flags=("--process", t.directory / "process.json")), "process.json:2:", "args", "array", code=255)


@case("wrong limits are refused by update and change nothing")
def _(t):
    c = t.container("sleep", "100").started()
    (t.directory / "limits.json").write_text('{"memory": {"limit": "64m"}}')
    for flags in (("--memory", "64x"), ("--cpu-share", "many"), ("--pids-limit", "few"), ("--resources", t.directory / "limits.json"),
                  ("--resources", "/no/such")):
        fails(t.call("update", *flags, c.id))
    equal(c.status(), "running")


@case("a record that cannot be read fails the verbs with its name, and delete --force clears it", runc="keeps it for ever")
def _(t):
    for content in ("", "garbage\n", '{"id": 5}\n'):
        c = t.container("true").started()
        c.wait()
        record = t.state_root / f"{c.id}.json"
        text = record.read_text()
        record.write_text(content)
        fails(c.verb("state"), f"{c.id}.json")
        fails(c.delete(), f"{c.id}.json")
        contains(succeeds(t.call("list")).err, f"{c.id}.json")
        succeeds(c.delete("--force"))
        fails(c.verb("state"), "does not exist")
        record.write_text(text)
        succeeds(c.delete("--force"))


@case("the message goes to the log as one JSON object and to stderr too")
def _(t):
    c = t.container("nosuchprogram")
    log = t.directory / "log.json"
    result = fails(c.try_create(global_args=("--log", log, "--log-format", "json")), "executable file not found")
    lines = log.read_text().splitlines()
    errors = [line for line in lines if '"level":"error"' in line]
    equal(len(errors), 1, "number of error lines")
    contains(json.loads(errors[0])["msg"], "executable file not found")
    assert result.err, "stderr is empty"
    log = t.directory / "log.txt"
    fails(c.try_create(global_args=("--log", log)), "executable file not found")
    equal(len(log.read_text().splitlines()), 1, "number of lines")
    contains(log.read_text(), 'level=error msg="')


@case("a fine run writes nothing to the log")
def _(t):
    c = t.container("true")
    log = t.directory / "log.json"
    result = c.run(global_args=("--log", log, "--log-format=json"))
    equal((result.code, result.err, log.read_text() if log.exists() else ""), (0, "", ""))


@case("a state directory that can't be written is named")
def _(t):
    c = t.container("true")
    t.state_root = t.directory / "file/state"
    (t.directory / "file").write_text("")
    fails(c.try_create(), "not a directory")
    t.containers.clear()
    lacks(os.listdir(t.directory), "state")
