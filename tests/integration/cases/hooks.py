"""The six kinds of hooks: when they run, where, what they read, and what their failure does."""
import json

from harness.cases import case, kernel_file, tool
from harness.checks import contains, equal, eventually, fails, lacks, succeeds

CREATE_KINDS = ("prestart", "createRuntime", "createContainer")
ALL_KINDS = (*CREATE_KINDS, "startContainer", "poststart", "poststop")


def hook(script, **fields):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **fields}


def on_host(t, c, kind, script):
    """Adds a hook that appends to a file; startContainer's path is in the container, createContainer's script runs in it."""
    c.config.setdefault("hooks", {}).setdefault(kind, []).append(hook(script))


def logged(t, c, kinds=ALL_KINDS):
    """Every kind writes the state that it reads to a file of its own, and its name to a common one."""
    log = t.directory / "hooks"
    log.mkdir()
    (c.rootfs / "hooks").mkdir()
    c.mount("/hooks", "bind", log, "bind")
    for kind in kinds:
        there = "/hooks" if kind == "startContainer" else log
        on_host(t, c, kind, f"cat > {there}/{kind}; echo {kind} >> {there}/order")
    return log


@case("hooks run in the order of the specification", runc="runs poststart before the program")
def _(t):
    c = t.container(sh="echo program >> /hooks/order")
    log = logged(t, c)
    c.create()
    equal((log / "order").read_text().split(), list(CREATE_KINDS))
    pid = c.pid()
    c.start()
    c.wait(pid)
    succeeds(c.delete())
    order = (log / "order").read_text().split()
    equal(order[:4] + order[-1:], [*CREATE_KINDS, "startContainer", "poststop"])
    equal(sorted(order[4:-1]), ["poststart", "program"])


@case("hooks read the container's state", runc="says creating before start, created in poststart")
def _(t):
    c = t.container("sleep", "100")
    c.config["annotations"] = {"key": "a/b"}
    log = logged(t, c)
    c.started()
    pid = c.pid()
    succeeds(c.delete("--force"))
    wanted = {"prestart": "created", "createRuntime": "created", "createContainer": "created", "startContainer": "created", "poststart": "running",
              "poststop": "stopped"}
    for kind, status in wanted.items():
        text = (log / kind).read_text()
        state = json.loads(text)
        equal((state["id"], state["bundle"], state["status"]), (c.id, str(c.bundle), status), kind)
        equal(state["annotations"], {"key": "a/b"}, kind)
        lacks(text, "\\/", kind)
        if kind in ("prestart", "createRuntime", "poststart"):
            equal(state["pid"], pid, kind)


@case("create hooks run before the root is switched, with the container's namespaces in place")
def _(t):
    c = t.container("sleep", "100")
    c.mount("/mnt", "tmpfs", "tmpfs")
    out = t.directory / "seen"
    on_host(t, c, "createRuntime", f"readlink /proc/self/ns/mnt > {out}; readlink /proc/self/ns/net >> {out}")
    on_host(t, c, "createContainer", f"readlink /proc/self/ns/mnt >> {out}; readlink /proc/self/ns/net >> {out}")
    import os
    here = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net")]
    c.create()
    inside = [os.readlink(f"/proc/{c.pid()}/ns/{name}") for name in ("mnt", "net")]
    equal(out.read_text().split(), here + inside)


@case("createContainer hooks find the container's mounts below the root path")
def _(t):
    c = t.container("sleep", "100")
    c.mount("/mnt", "tmpfs", "tmpfs")
    on_host(t, c, "createContainer", f"touch {c.rootfs}/mnt/mark")
    c.started()
    succeeds(c.exec("ls", "/mnt/mark"))
    assert not (c.rootfs / "mnt/mark").exists(), "the hook ran outside the container's mounts"


@case("a hook has exactly the environment that its entry gives")
def _(t):
    c = t.container("true")
    out = t.directory / "env"
    c.config["hooks"] = {"createRuntime": [{**hook(f"cat /proc/self/environ > {out}"), "env": ["A=1", "B=x y"]}]}
    c.create()
    equal(out.read_text().split("\0")[:2], ["A=1", "B=x y"])


@case("a hook has no descriptor besides 0, 1 and 2")
def _(t):
    c = t.container("true")
    out = t.directory / "fds"
    on_host(t, c, "createRuntime", f"ls /proc/$$/fd > {out}")
    with open("/etc/hostname", encoding="utf-8") as leaked:
        c.create(pass_fds=(leaked.fileno(),))
    lacks(out.read_text().split(), str(leaked.fileno() if not leaked.closed else 9))
    fds = [int(fd) for fd in out.read_text().split()]
    assert all(fd in (0, 1, 2, 10, 255) for fd in fds), fds  # 10, 255: the shell's own script descriptor


@case("a failing create hook fails create with kind, number and output, and poststop hooks run", runc="does not name the kind")
def _(t):
    for kind in CREATE_KINDS:
        c = t.container("true")
        mark = t.directory / f"poststop-{kind}"
        on_host(t, c, kind, "true")
        on_host(t, c, kind, "echo no luck >&2; exit 3")
        on_host(t, c, "poststop", f"touch {mark}")
        fails(c.try_create(), f"error running {kind} hook #1", "no luck")
        assert mark.exists(), f"{kind}: poststop did not run"
        fails(c.verb("state"), "does not exist")


@case("a failing startContainer hook fails start and ends the container", runc="lets start succeed")
def _(t):
    c = t.container("sleep", "100")
    on_host(t, c, "startContainer", "exit 3")
    c.create()
    fails(c.verb("start"), "startContainer hook #0")
    eventually(lambda: c.verb("state").code != 0 or c.status() == "stopped", "ended")


@case("a failing poststart hook fails start and ends the container", runc="lets start fail but keeps no promise of order")
def _(t):
    c = t.container("sleep", "100")
    on_host(t, c, "poststart", "exit 3")
    c.create()
    fails(c.verb("start"), "poststart hook #0")
    eventually(lambda: c.verb("state").code != 0 or c.status() == "stopped", "ended")


@case("a failing poststop hook is a warning, and the next one still runs", runc="stops after the first failure")
def _(t):
    c = t.container("true").started()
    mark = t.directory / "second"
    c.config["hooks"] = {"poststop": [hook("exit 3"), hook(f"touch {mark}")]}
    eventually(lambda: c.status() == "stopped", "stopped")
    c.delete()
    d = t.container("true")
    d.config["hooks"] = c.config["hooks"]
    d.started()
    eventually(lambda: d.status() == "stopped", "stopped")
    succeeds(d.delete())
    assert mark.exists(), "the second hook did not run"


@case("a hook that is slower than its timeout is killed and fails")
def _(t):
    c = t.container("true")
    c.config["hooks"] = {"createRuntime": [hook("exec sleep 60", timeout=1)]}
    fails(c.try_create(), "hook #0", "timeout")


@case("a hook that doesn't read its stdin is fine")
def _(t):
    c = t.container("true")
    c.config["annotations"] = {f"key{n}": "x" * 1000 for n in range(200)}
    c.config["hooks"] = {"createRuntime": [hook("exec <&-; exit 0")]}
    c.create()


@case("a hook with a relative path is refused", runc="tries to run it")
def _(t):
    c = t.container("true")
    c.config["hooks"] = {"prestart": [{"path": "bin/true"}]}
    fails(c.try_create(), "hooks.prestart", "absolute")


@case("a missing hook program is named")
def _(t):
    c = t.container("true")
    c.config["hooks"] = {"prestart": [{"path": "/no/such/hook"}]}
    fails(c.try_create(), "/no/such/hook", "no such file or directory")


@case("a hook can move a device into the container's network, as Docker's does", needs=[kernel_file("/proc/net/dev"), tool("ip")])
def _(t):
    c = t.container(sh="cat /proc/net/dev")
    on_host(t, c, "prestart", "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); nsenter -t $pid -n ip link add eth7 type veth peer name eth8")
    contains(succeeds(c.run()).out, "eth7")


@case("a hook that does not read its stdin fails only by its own exit code")
def _(t):
    big = {"annotations": {"text": "x" * 200000}}  # More than a pipe holds, so that writing it meets the closed end.
    c = t.container("true")
    c.config.update(big)
    on_host(t, c, "createRuntime", "exec true")
    equal(c.run().code, 0, "exit code")
    c = t.container("true")
    c.config.update(big)
    on_host(t, c, "createRuntime", "echo no >&2; exit 3")
    fails(c.run(), "hook #0", "exit status 3", "no", code=1)
