"""create, start, state, kill, delete, list, ps, pause, resume: runtime.md and the calls of engines."""
import json
import re

from harness.cases import case
from harness.checks import contains, equal, eventually, fails, succeeds


@case("run gives the program's output and exit code")
def _(t):
    result = t.container(sh="echo out; echo err >&2; exit 7").run()
    equal((result.code, result.out, result.err), (7, "out\n", "err\n"))


@case("a program killed by a signal gives 128 plus its number")
def _(t):
    c = t.container(sh="kill -9 $$")
    c.without_namespace("pid")  # the first process of a pid namespace is immune to its own
    equal(c.run().code, 137, "exit code")


@case("a created container has not run its program; start runs it")
def _(t):
    c = t.container(sh="echo ran")
    c.create()
    equal(c.status(), "created")
    equal(c.output(), "")
    pid = c.pid()
    c.start()
    equal(c.wait(pid), 0, "exit code")
    equal(c.output(), "ran\n")
    equal(c.status(), "stopped")
    succeeds(c.delete())


@case("signals that mean an end end a created container, others leave it")
def _(t):
    for signal in ("TERM", "INT", "HUP", "QUIT", "ABRT"):
        c = t.container("true")
        c.create()
        pid = c.pid()
        succeeds(c.kill(signal))
        c.wait(pid)
        equal(c.status(), "stopped", signal)
        succeeds(c.delete())
    c = t.container("true")
    c.create()
    for signal in ("USR1", "PIPE", "ALRM"):
        succeeds(c.kill(signal))
    equal(c.status(), "created")


@case("state is the JSON that engines read")
def _(t):
    c = t.container("sleep", "100")
    c.config["annotations"] = {"com.example.key": "value"}
    c.started()
    state = c.state()
    equal((state["id"], state["status"], state["bundle"]), (c.id, "running", str(c.bundle)))
    equal(state["annotations"], {"com.example.key": "value"})
    equal(state["rootfs"], str(c.rootfs))
    assert state["pid"] > 1 and state["ociVersion"].startswith("1."), state
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", state["created"]), state["created"]


@case("a stopped container has pid 0 and status stopped, also as a zombie")
def _(t):
    c = t.container("true").started()
    eventually(lambda: c.status() == "stopped", "stopped")
    equal(c.state()["pid"], 0, "pid")


@case("verbs on a container that isn't there say so")
def _(t):
    c = t.container()
    for verb in ("state", "start", "delete", "kill", "pause", "resume", "ps"):
        fails(c.verb(verb), "container does not exist" if verb != "ps" else "does not exist")


@case("delete --force of a container that isn't there succeeds")
def _(t):
    equal(succeeds(t.container().delete("--force")).out, "")


@case("start works once")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.verb("start"))
    equal(c.status(), "running")


@case("delete refuses a running container")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.delete(), f"cannot delete container {c.id} that is not stopped: running")
    equal(c.status(), "running")
    succeeds(c.delete("--force"))
    fails(c.verb("state"), "does not exist")


@case("delete --force ends a container that was only created")
def _(t):
    c = t.container("sleep", "100")
    c.create()
    succeeds(c.delete("--force"))


@case("kill takes numbers, names and names with SIG")
def _(t):
    for signal in ("15", "TERM", "SIGTERM"):
        c = t.container(sh="trap 'exit 3' TERM; echo ready; while :; do usleep 1000; done").started()
        eventually(lambda: c.output() == "ready\n", "ready")
        pid = c.pid()
        succeeds(c.kill(signal))
        equal(c.wait(pid), 3, "exit code")


@case("kill refuses a signal that isn't one")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.kill("NOSUCH"), "signal")
    fails(c.kill("0x"), "signal")
    equal(c.status(), "running")


@case("kill on a stopped container says that it is not running")
def _(t):
    c = t.container("true").started()
    eventually(lambda: c.status() == "stopped", "stopped")
    fails(c.kill("9"), "container not running")


@case("kill --all on a stopped container succeeds")
def _(t):
    c = t.container("true")
    c.without_namespace("pid")
    c.started()
    eventually(lambda: c.status() == "stopped", "stopped")
    succeeds(c.kill("9", "--all"))


@case("kill --all reaches every process of a container without its own pid namespace")
def _(t):
    c = t.container(sh="setsid sleep 300 & setsid sleep 300 & echo ready; exec sleep 300")
    c.without_namespace("pid")
    c.started()
    eventually(lambda: c.output() == "ready\n", "ready")
    pid = c.pid()
    succeeds(c.kill("9", "--all"))
    c.wait(pid)
    succeeds(c.delete())


@case("run --detach returns while the program runs")
def _(t):
    c = t.container("sleep", "100")
    succeeds(c.run("--detach"))
    equal(c.status(), "running")


@case("run removes the container when its program ends")
def _(t):
    c = t.container("true")
    succeeds(c.run())
    fails(c.verb("state"), "does not exist")


@case("the pid file holds the pid and nothing else, before create returns")
def _(t):
    c = t.container("sleep", "100")
    c.create("--pid-file", t.directory / "pid")
    equal((t.directory / "pid").read_text(), str(c.pid()))


@case("pid file and bundle are relative to the caller's directory")
def _(t):
    c = t.container("sleep", "100")
    succeeds(c.try_create(cwd=t.directory))
    d = t.container("sleep", "100")
    d.create()
    d.delete("--force")
    succeeds(t.call("create", "--bundle", d.bundle.name, "--pid-file", "here", d.id, cwd=t.directory))
    equal((t.directory / "here").read_text(), str(d.pid()))


@case("without --bundle the current directory is the bundle")
def _(t):
    c = t.container("sleep", "100")
    c.create()
    c.delete("--force")
    succeeds(t.call("create", c.id, cwd=c.bundle))
    equal(c.state()["bundle"], str(c.bundle))


@case("list shows each container as table, json and ids")
def _(t):
    c = t.container("sleep", "100").started()
    table = succeeds(t.call("list")).out.splitlines()
    equal(table[0].split(), ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
    contains(table[1], c.id)
    entries = json.loads(succeeds(t.call("list", "--format", "json")).out)
    equal([(e["id"], e["status"], e["pid"]) for e in entries], [(c.id, "running", c.pid())])
    equal(succeeds(t.call("list", "--quiet")).out, c.id + "\n")


@case("list without any container prints no rows")
def _(t):
    t.state_root.mkdir()
    equal(succeeds(t.call("list", "-q")).out, "")
    equal(len(succeeds(t.call("list")).out.splitlines()), 1)


@case("ps --format json lists the host's pids of every process")
def _(t):
    c = t.container(sh="sleep 200 & echo ready; wait").started()
    eventually(lambda: c.output() == "ready\n", "ready")
    pids = json.loads(succeeds(t.call("ps", "--format", "json", c.id)).out)
    equal(len(pids), 2, "number of processes")
    assert c.pid() in pids, pids


@case("pause freezes, resume thaws, state follows")
def _(t):
    c = t.container("sleep", "100").started()
    succeeds(c.verb("pause"))
    equal(c.status(), "paused")
    fails(c.exec("true"), "cannot exec in a paused container")
    succeeds(c.verb("resume"))
    equal(c.status(), "running")
    succeeds(c.exec("true"))
    fails(c.verb("resume"), "container not paused")


@case("a paused container can be killed and deleted")
def _(t):
    c = t.container("sleep", "100").started()
    succeeds(c.verb("pause"))
    succeeds(c.delete("--force"))


@case("options may be spelled --x=y and -x, and stand in any order")
def _(t):
    c = t.container("sleep", "100")
    c.create()
    c.delete("--force")
    succeeds(t.call("create", f"--bundle={c.bundle}", f"-pid-file={t.directory}/p", "--no-pivot", "--no-pivot", c.id))
    equal((t.directory / "p").read_text(), str(c.pid()))


@case("each verb explains itself with --help and leaves with 0")
def _(t):
    for verb in ("create", "start", "state", "kill", "delete", "exec", "run", "list", "ps", "pause", "resume", "update", "spec"):
        contains(succeeds(t.call(verb, "--help")).out.lower(), verb)


@case("--version names the program, its commit and the spec", runc="names itself runc")
def _(t):
    lines = succeeds(t.call("--version")).out.splitlines()
    assert re.match(r"gpurun version \d+\.\d+", lines[0]), lines
    assert any(line.startswith("commit: ") for line in lines) and any(line.startswith("spec: 1.") for line in lines), lines


@case("an id with a slash or a leading dot-dot is refused")
def _(t):
    c = t.container()
    c.create()
    for bad in ("../x", "a/b", "", "."):
        fails(t.call("create", "--bundle", c.bundle, bad))


@case("what keeps a started program from being executed is on the container's stderr, its status is 1")
def _(t):
    c = t.container("/bin/garbage")
    (c.rootfs / "bin/garbage").write_bytes(b"echo\n")
    (c.rootfs / "bin/garbage").chmod(0o755)
    c.create()
    succeeds(c.verb("start"))
    equal(c.wait(), 1)
    contains(c.errors(), "exec /bin/garbage: exec format error")


@case("a program that cannot be executed fails start where hooks of start wait for it", runc="does not wait")
def _(t):
    c = t.container("/bin/garbage")
    (c.rootfs / "bin/garbage").write_bytes(b"echo\n")
    (c.rootfs / "bin/garbage").chmod(0o755)
    c.config["hooks"] = {"poststart": [{"path": "/bin/true"}]}
    c.create()
    fails(c.verb("start"), "exec /bin/garbage: exec format error")
