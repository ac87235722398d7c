"""Wrong input: one clear sentence, the exit code that engines expect, and nothing left behind."""
import os

from harness.cases import case
from harness.checks import contains, equal, fails, lacks


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
    refused(t, change, 'exec: "/etc"', "permission denied")


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


@case("the message goes to the log as one JSON object and to stderr too")
def _(t):
    c = t.container("nosuchprogram")
    log = t.directory / "log.json"
    result = fails(c.try_create(global_args=("--log", log, "--log-format", "json")), "executable file not found")
    lines = log.read_text().splitlines()
    errors = [line for line in lines if '"level":"error"' in line]
    equal(len(errors), 1, "number of error lines")
    contains(errors[0], "executable file not found")
    assert result.err, "stderr is empty"


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
