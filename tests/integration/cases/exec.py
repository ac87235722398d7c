"""exec: another process in a running container."""
import json
import os

from harness import environment
from harness.cases import case
from harness.checks import contains, equal, eventually, fails, lacks, succeeds


def process(*args, **fields):
    return {"args": list(args), "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, **fields}


@case("exec gives output and exit code of its program")
def _(t):
    c = t.container("sleep", "100").started()
    result = c.exec("sh", "-c", "echo out; echo err >&2; exit 5")
    equal((result.code, result.out, result.err), (5, "out\n", "err\n"))


@case("exec of a program killed by a signal gives 128 plus its number")
def _(t):
    c = t.container("sleep", "100").started()
    equal(c.exec("sh", "-c", "kill -9 $$").code, 137, "exit code")


@case("exec reads from the caller's stdin")
def _(t):
    c = t.container("sleep", "100").started()
    equal(succeeds(c.exec("cat", stdin="hello")).out, "hello")


@case("exec enters every namespace and the cgroup of the container")
def _(t):
    c = t.container("sleep", "100").started()
    script = "for n in pid mnt ipc uts net; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup"
    inside = succeeds(c.exec("sh", "-c", script)).out.splitlines()
    pid = c.pid()
    equal(inside[:5], [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("pid", "mnt", "ipc", "uts", "net")])
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as lines:
        equal(inside[5:], lines.read().splitlines(), "cgroups")


@case("exec takes user, directory and environment from its options")
def _(t):
    c = t.container("sleep", "100").started()
    flags = ("--user", "1000:1000", "--cwd", "/tmp", "--env", "A=1", "--env", "B=2")
    out = succeeds(c.exec("sh", "-c", "id -u; id -g; pwd; echo $A$B", flags=flags)).out
    equal(out.split(), ["1000", "1000", "/tmp", "12"])


@case("exec --process takes everything from a file")
def _(t):
    c = t.container("sleep", "100").started()
    spec = process("sh", "-c", "id -u; pwd; echo $X", cwd="/tmp", env=["PATH=/bin", "X=y"], user={"uid": 7, "gid": 8})
    (t.directory / "process.json").write_text(json.dumps(spec))
    equal(succeeds(t.call("exec", "--process", t.directory / "process.json", c.id)).out.split(), ["7", "/tmp", "y"])


@case("exec --detach writes the pid file and leaves the process to the caller")
def _(t):
    c = t.container("sleep", "100").started()
    (t.directory / "process.json").write_text(json.dumps(process("sh", "-c", "exit 9")))
    succeeds(t.call("exec", "--process", t.directory / "process.json", "--detach", "--pid-file", t.directory / "pid", c.id))
    equal(c.wait(int((t.directory / "pid").read_text())), 9, "exit code")


@case("exec of a missing program exits with 255, says so and leaves no pid file")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.exec("nosuchprogram", flags=("--pid-file", t.directory / "pid")), 'exec: "nosuchprogram": executable file not found in $path', code=255)
    fails(c.exec("/bin/nosuch"), "no such file or directory", code=255)
    fails(c.exec("/etc/passwd"), "permission denied", code=255)
    assert not (t.directory / "pid").exists(), "there is a pid file"


@case("exec in a container that isn't running is refused")
def _(t):
    c = t.container("true").started()
    eventually(lambda: c.status() == "stopped", "stopped")
    fails(c.exec("true"), "cannot exec in a stopped container", code=255)


@case("exec has the capabilities of the container, and more by --cap")
def _(t):
    c = t.container("sleep", "100").started()
    read = ("grep", "CapEff", "/proc/self/status")
    plain = int(succeeds(c.exec(*read)).out.split()[1], 16)
    more = int(succeeds(c.exec(*read, flags=("--cap", "CAP_SYS_NICE"))).out.split()[1], 16)
    equal(more & ~plain, 1 << 23, "additional capabilities")


@case("exec leaks no file descriptor and no variable of the caller")
def _(t):
    c = t.container("sleep", "100").started()
    with open("/etc/hostname", encoding="utf-8") as leaked:
        out = succeeds(c.exec("sh", "-c", "ls /proc/self/fd; env", pass_fds=(leaked.fileno(),), env={"SECRET": "1", "PATH": "/usr/bin"})).out
    equal(out.split()[:4], ["0", "1", "2", "3"])  # 3: ls reading the directory
    lacks(out, "\n4\n")
    lacks(out, "SECRET")


@case("exec --preserve-fds hands over the descriptors after 2")
def _(t):
    c = t.container("sleep", "100").started()
    path = t.directory / "passed"
    path.write_text("through fd 3")
    number = os.open(path, os.O_RDONLY)

    def third():
        os.dup2(number, 3)

    equal(succeeds(c.exec("cat", "/proc/self/fd/3", flags=("--preserve-fds", "1"), before_exec=third, pass_fds=(3,))).out, "through fd 3")
    os.close(number)


@case("exec --no-new-privs and the container's own setting hold")
def _(t):
    c = t.container("sleep", "100").started()
    read = ("grep", "NoNewPrivs", "/proc/self/status")
    contains(succeeds(c.exec(*read)).out, "\t0")
    contains(succeeds(c.exec(*read, flags=("--no-new-privs",))).out, "\t1")


@case("exec works while another exec runs, and both die with the container")
def _(t):
    c = t.container("sleep", "100").started()
    background = c.exec("sh", "-c", "touch /tmp/up; exec sleep 100", wait=False)
    eventually((c.rootfs / "tmp/up").exists, "the first exec runs")
    succeeds(c.exec("true"))
    succeeds(c.delete("--force"))
    equal(background.wait(5), 137, "exit code")


@case("fifty execs leave nothing behind")
def _(t):
    c = t.container("sleep", "100").started()
    for _ in range(50):
        equal(c.exec("true").code, 0, "exit code")


@case("an exec that lasts keeps the CPU affinity that its caller gave it", needs=[environment.two_cpus])
def _(t):
    c = t.container("sleep", "100").started()
    call = c.exec("sh", "-c", "echo begun; sleep 100", wait=False)
    eventually(lambda: call.out.read_text() == "begun\n", "the program runs")
    eventually(lambda: os.sched_getaffinity(call.pid) == os.sched_getaffinity(0), "the runtime may run where its caller may")
    succeeds(c.delete("--force"))
    call.wait(10)
