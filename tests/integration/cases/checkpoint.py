"""Checkpoint and restore by CRIU: a container goes on where it stood, in every way that engines ask for it."""
import json
import os
import pathlib
import shutil
import subprocess

from cases.terminal import Console, read_until
from harness import environment
from harness.cases import case, tool
from harness.checks import contains, equal, eventually, fails, succeeds

SLOW = 120  # seconds: an emulated machine takes its time
COUNT = "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; usleep 50000; done"


def criu_works():
    """A need: CRIU is installed and knows this kernel."""
    if not shutil.which("criu"):
        return "criu is not installed"
    done = subprocess.run(["criu", "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return None if done.returncode == 0 else f"criu check fails on this kernel: {done.stdout.strip().splitlines()[0]}"


def criu_fails():
    """A need: CRIU is installed but doesn't know this kernel."""
    return None if shutil.which("criu") and criu_works() else "criu works here, or is not installed"


def criu_can(feature):
    """A need: CRIU and the kernel have feature."""
    def need():
        reason = criu_works()
        if reason:
            return reason
        done = subprocess.run(["criu", "check", "--feature", feature], capture_output=True, check=False)
        return None if done.returncode == 0 else f"criu check --feature {feature} says no"
    return need


def count(c):
    try:
        return int((c.rootfs / "tmp/count").read_text() or 0)
    except FileNotFoundError:
        return 0


def goes_on(c, start, what="the counter goes on"):
    eventually(lambda: count(c) > start, what, seconds=30)


def silently():
    """Between fork and exec: runc can't save a container whose output is a file of the host's."""
    for fd in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def counting(t, sh=COUNT, change=lambda c: None, output=silently):
    c = t.container(sh=sh)
    change(c)
    c.create(before_exec=output)
    c.start()
    goes_on(c, 2, "the counter starts")
    return c


def images(t, name="images"):
    return t.directory / name


def log_of(directory, name):
    path = directory / name
    if not path.exists():
        return ""
    return "\n".join(line for line in path.read_text(errors="replace").splitlines() if "Error" in line or "Warn" in line)


def checkpoint(t, c, *flags, at="images"):
    result = t.call("checkpoint", "--image-path", images(t, at), *flags, c.id, timeout=SLOW)
    assert result.code == 0, f"checkpoint: {result.err}{log_of(images(t, at), 'dump.log')}"


def try_restore(t, c, *flags, at="images", **how):
    return c._bundle_call("restore", "--image-path", images(t, at), *flags, timeout=SLOW, **how)


def restore(t, c, *flags, at="images", **how):
    result = try_restore(t, c, "--detach", *flags, at=at, **how)
    assert result.code == 0, f"restore: {result.err}{log_of(images(t, at), 'restore.log')}"


def gone(c):
    fails(c.verb("state"), "does not exist")


@case("a checkpointed container is gone; restored, it goes on where it stood", needs=[criu_works])
def _(t):
    c = counting(t)
    pid = c.pid()
    checkpoint(t, c)
    gone(c)
    assert not pathlib.Path(f"/proc/{pid}/root/bin").exists(), "its process still lives"
    stood = count(c)
    restore(t, c, "--pid-file", t.directory / "pid")
    equal(c.status(), "running", "status")
    equal((t.directory / "pid").read_text(), str(c.pid()), "pid file")
    goes_on(c, stood)
    assert count(c) < stood + 1000, "it began anew"
    equal(succeeds(c.exec("echo", "inside")).out, "inside\n", "exec after restore")
    pid = c.pid()
    succeeds(c.kill("KILL"))
    c.wait(pid)
    equal(c.status(), "stopped", "status")


@case("a container can be checkpointed and restored again and again", needs=[criu_works])
def _(t):
    c = counting(t)
    for number in range(2):
        checkpoint(t, c, at=f"images{number}")
        stood = count(c)
        restore(t, c, at=f"images{number}")
        goes_on(c, stood)


@case("checkpoint --leave-running leaves it running, and its images can be restored", needs=[criu_works])
def _(t):
    c = counting(t)
    checkpoint(t, c, "--leave-running", "--leave-running")
    equal(c.status(), "running", "status")
    goes_on(c, count(c))
    succeeds(c.delete("--force"))
    stood = count(c)
    restore(t, c)
    eventually(lambda: 0 < count(c) != stood, "it counts on from the checkpoint")


@case("a pre-dump is the parent of a later checkpoint", needs=[criu_can("mem_dirty_track")])
def _(t):
    c = counting(t)
    checkpoint(t, c, "--pre-dump", at="first")
    equal(c.status(), "running", "status after a pre-dump")
    goes_on(c, count(c))
    checkpoint(t, c, "--parent-path", "../first", at="second")
    gone(c)
    stood = count(c)
    assert (images(t, "second") / "parent").is_symlink(), "the images don't build on the first"
    restore(t, c, at="second")
    goes_on(c, stood)


@case("a restored terminal comes over the console socket", needs=[criu_works])
def _(t):
    c = t.container(sh="while read line; do echo got $line; done")
    c.process["terminal"] = True
    console = Console(t)
    c.create("--console-socket", console.path)
    before = console.master()
    c.start()
    os.write(before, b"one\n")
    contains(read_until(before, "got one"), "got one")
    checkpoint(t, c)
    os.close(before)
    gone(c)
    fails(try_restore(t, c, "--detach"), "console socket")
    console = Console(t)
    restore(t, c, "--console-socket", console.path)
    master = console.master()
    os.write(master, b"two\n")
    contains(read_until(master, "got two", seconds=30), "got two")
    os.close(master)


@case("binds, links to them, nested ones and tmpfs are there again", needs=[criu_works])
def _(t):
    volume, other = t.directory / "volume", t.directory / "other"
    for place in (volume, other):
        place.mkdir()
        (place / "name").write_text(place.name)

    def change(c):
        (c.rootfs / "var/run").symlink_to("/run")
        c.mount("/data", "bind", volume, "bind", "ro")
        c.mount("/data/nested", "bind", other, "rbind")
        c.mount("/var/run/linked", "bind", other, "bind")
        c.mount("/etc/single", "bind", other / "name", "bind")
        c.mount("/scratch", "tmpfs", "tmpfs", "size=1m")
        (volume / "nested").mkdir()
    c = counting(t, "echo kept > /scratch/file; " + COUNT, change)
    checkpoint(t, c)
    stood = count(c)
    restore(t, c)
    goes_on(c, stood)
    read = succeeds(c.exec("cat", "/data/name", "/data/nested/name", "/run/linked/name", "/etc/single", "/scratch/file")).out
    equal(read, "volumeotherotherotherkept\n", "what the mounts show")
    fails(c.exec("touch", "/data/new"), "read-only")


@case("mounts below a recursive bind come along", needs=[criu_works], runc="declares only the bind itself")
def _(t):
    volume = t.directory / "volume"
    (volume / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", volume / "sub"], check=True)
    try:
        (volume / "sub/name").write_text("below")
        c = counting(t, change=lambda c: c.mount("/data", "bind", volume, "rbind"))
        checkpoint(t, c)
        (volume / "sub/name").write_text("later")
        restore(t, c)
        equal(succeeds(c.exec("cat", "/data/sub/name")).out, "later", "the host's file")
        succeeds(c.delete("--force"))
    finally:
        subprocess.run(["umount", volume / "sub"], check=True)


@case("restore in the foreground ends with the program's exit code", needs=[criu_works])
def _(t):
    c = counting(t, "i=0; until test -e /tmp/stop; do i=$((i+1)); echo $i > /tmp/count; usleep 50000; done; exit 7")
    checkpoint(t, c)
    stood = count(c)
    process = try_restore(t, c, wait=False)
    goes_on(c, stood)
    (c.rootfs / "tmp/stop").write_text("")
    equal(t.result_of(process, SLOW).code, 7, "exit code")
    gone(c)


@case("standard input and output are those of restore", needs=[criu_works])
def _(t):
    c = t.container(sh="while read line; do echo got $line; done")
    from_test, to_container = os.pipe()
    from_container, to_test = os.pipe()

    def pipes():
        os.dup2(from_test, 0)
        os.dup2(to_test, 1)
        os.dup2(to_test, 2)
    c.create(before_exec=pipes)
    c.start()
    os.write(to_container, b"one\n")
    equal(os.read(from_container, 100), b"got one\n", "output")
    checkpoint(t, c)
    restore(t, c, before_exec=pipes)
    os.write(to_container, b"two\n")
    equal(os.read(from_container, 100), b"got two\n", "output after restore")
    for fd in (from_test, to_container, from_container, to_test):
        os.close(fd)


@case("output into a file goes on where restore is given the file again", needs=[criu_works], runc="can't save a file of the host's")
def _(t):
    c = counting(t, "i=0; while :; do i=$((i+1)); echo $i; echo $i > /tmp/count; usleep 50000; done", output=None)
    written = c.output_file
    checkpoint(t, c)
    stood = count(c)
    restore(t, c, before_exec=lambda: os.dup2(os.open(written, os.O_WRONLY | os.O_APPEND), 1))
    goes_on(c, stood)
    numbers = [int(line) for line in written.read_text().split()]
    equal(numbers, list(range(1, len(numbers) + 1)), "lines of the file")


@case("a paused container can be checkpointed", needs=[criu_works])
def _(t):
    c = counting(t)
    succeeds(c.verb("pause"))
    checkpoint(t, c)
    gone(c)
    fails(c.verb("resume"), "does not exist")
    fails(c.delete(), "does not exist")
    stood = count(c)
    restore(t, c)
    equal(c.status(), "running", "status")
    goes_on(c, stood)


@case("hooks before the container run again, and those after it when it is checkpointed", needs=[criu_works])
def _(t):
    told = t.directory / "told"

    def change(c):
        c.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $(cat | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/') >> {told}"]}]
                             for kind in ("prestart", "createRuntime", "poststop")}
    c = counting(t, change=change)
    first = c.pid()
    checkpoint(t, c)
    restore(t, c)
    lines = told.read_text().splitlines()
    equal([line.split()[0] for line in lines], ["prestart", "createRuntime", "poststop", "prestart", "createRuntime"], "hooks")
    equal({lines[0].split()[1], lines[3].split()[1]}, {str(first), str(c.pid())}, "pids")


@case("limits hold again, and the cgroup is the config's", needs=[criu_works], runc="restores into the saved cgroup on v2")
def _(t):
    def change(c):
        c.linux["resources"]["pids"] = {"limit": 77}
    c = counting(t, change=change)
    checkpoint(t, c)
    c.linux["cgroupsPath"] = f"/{c.id}-moved"
    restore(t, c, "--manage-cgroups-mode", "ignore")
    directory = environment.cgroup_of(c.pid(), "pids")
    equal(directory.name, f"{c.id}-moved", "cgroup")
    equal((directory / "pids.max").read_text().strip(), "77", "pids.max")
    goes_on(c, count(c))


@case("a container with cgroup mounts and with a cgroup namespace is restored", needs=[criu_works])
def _(t):
    for own in (False, True):
        def change(c, own=own):
            c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro")
            if own:
                c.linux["namespaces"].append({"type": "cgroup"})
        c = counting(t, change=change)
        seen = succeeds(c.exec("cat", "/proc/self/cgroup")).out
        listed = succeeds(c.exec("ls", "/sys/fs/cgroup")).out
        checkpoint(t, c, at=f"images-{own}")
        stood = count(c)
        restore(t, c, at=f"images-{own}")
        goes_on(c, stood)
        equal(succeeds(c.exec("cat", "/proc/self/cgroup")).out, seen, "cgroups seen from inside")
        equal(succeeds(c.exec("ls", "/sys/fs/cgroup")).out, listed, "cgroup mounts")


@case("a network namespace of others is found again", needs=[criu_works, tool("unshare")])
def _(t):
    place = t.directory / "netns"
    place.touch()
    subprocess.run(["unshare", f"--net={place}", "true"], check=True)
    try:
        def change(c):
            for entry in c.linux["namespaces"]:
                if entry["type"] == "network":
                    entry["path"] = str(place)
        c = counting(t, change=change)
        checkpoint(t, c)
        restore(t, c)
        equal(os.stat(f"/proc/{c.pid()}/ns/net").st_ino, os.stat(place).st_ino, "network namespace")
        succeeds(c.delete("--force"))
    finally:
        subprocess.run(["umount", place], check=True)


@case("--empty-ns network restores without the interfaces, for engines that make them anew", needs=[criu_works])
def _(t):
    c = counting(t)
    checkpoint(t, c, "--empty-ns", "network")
    stood = count(c)
    restore(t, c, "--empty-ns", "network")
    goes_on(c, stood)


@case("a configuration file for CRIU named by annotation is heeded", needs=[criu_works])
def _(t):
    settings = t.directory / "criu.conf"
    settings.write_text("log-file=other.log\n")

    def change(c):
        c.config["annotations"] = {"org.criu.config": str(settings)}
    c = counting(t, change=change)
    checkpoint(t, c, "--work-path", t.directory / "work")
    assert (t.directory / "work/other.log").exists(), "no other.log"
    restore(t, c, "--work-path", t.directory / "work")


@case("a restore that fails says why and leaves nothing", needs=[criu_works], runc="differs in words")
def _(t):
    c = counting(t)
    checkpoint(t, c)
    for image in images(t).glob("core-*.img"):
        image.write_bytes(image.read_bytes()[:20])
    pid_file = t.directory / "pid"
    for flags in ((), ("--detach",)):
        result = fails(try_restore(t, c, *flags, "--pid-file", pid_file), "criu failed: type restore", "restore.log")
        equal(len(result.err.strip().splitlines()), 1, "lines on stderr")
        gone(c)
        assert not pid_file.exists(), "a pid file is left"


@case("a hook that fails during restore ends it", needs=[criu_works], runc="doesn't tell the kind of the hook")
def _(t):
    c = counting(t)
    checkpoint(t, c)
    c.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    fails(try_restore(t, c, "--detach"), "createRuntime hook")
    gone(c)


@case("pages can be fetched lazily from the checkpoint", needs=[criu_can("uffd-noncoop")], runc="leaves its cgroup behind on v2")
def _(t):
    c = counting(t)
    ready, status = os.pipe()
    process = t.call("checkpoint", "--image-path", images(t), "--lazy-pages", "--page-server", "127.0.0.1:27277", "--status-fd", status,
                     c.id, pass_fds=(status,), wait=False)
    os.close(status)
    equal(os.read(ready, 10), b"\0", "what came over the status descriptor")
    os.close(ready)
    stood = count(c)
    pages = subprocess.Popen(["criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", "27277", "-D", images(t)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.calls.add(pages.pid)
    again = t.container(sh=COUNT)
    again.bundle, again.rootfs, again.config["linux"]["cgroupsPath"] = c.bundle, c.rootfs, f"/{again.id}"
    restore(t, again, "--lazy-pages", "--work-path", images(t))
    succeeds(t.result_of(process, SLOW))
    pages.wait(SLOW)
    goes_on(again, stood)


# ---- what can be said without CRIU


@case("only a running container can be checkpointed", runc="writes the message to the log alone")
def _(t):
    c = t.container("true")
    fails(t.call("checkpoint", c.id), "does not exist")
    c.create()
    fails(t.call("checkpoint", "--image-path", images(t), c.id), "cannot be checkpointed in created state")
    assert not images(t).exists(), "a directory for images was made"


@case("options of checkpoint and restore that make no sense are refused by name", runc="differs in words")
def _(t):
    c = t.container("sleep", "100").started()
    for flags, *parts in ((["--parent-path", "/absolute"], "--parent-path", "relative"),
                          (["--parent-path", "../absent"], "--parent-path", "no such file or directory"),
                          (["--page-server", "nonsense"], "--page-server ADDRESS:PORT"),
                          (["--manage-cgroups-mode", "odd"], "manage-cgroups-mode", "soft, full, strict, ignore"),
                          (["--empty-ns", "pid"], "--empty-ns", "pid"),
                          (["--network-lock", "odd"], "network-lock"),
                          (["--status-fd", "2"], "--status-fd", "--lazy-pages"),
                          (["--lazy-pages", "--status-fd", "77"], "--status-fd", "77")):
        fails(t.call("checkpoint", "--image-path", images(t), *flags, c.id), *parts)
    fails(t.call("restore", "--lsm-mount-context"), "flag needs an argument")
    equal(succeeds(t.call("checkpoint", "--help")).err, "", "stderr of --help")
    fails(try_restore(t, c, "--detach"), "already exists")
    equal(c.status(), "running", "status")


@case("restore without images says what is missing and leaves nothing", runc="differs in words")
def _(t):
    c = t.container("true")
    fails(try_restore(t, c, "--detach"), "images", "no such file or directory")
    images(t).mkdir()
    fails(try_restore(t, c, "--detach"), "descriptors.json", "no such file or directory")
    gone(c)


@case("without CRIU checkpoint says so and the container runs on", runc="ignores --criu")
def _(t):
    c = t.container("sleep", "100").started()
    absent = t.directory / "absent"
    fails(t.call("checkpoint", "--image-path", images(t), c.id, global_args=["--criu", absent]), "CRIU", "absent", "no such file or directory")
    fails(t.call("checkpoint", "--image-path", images(t), c.id, env={"PATH": "/nowhere"}), "CRIU is not installed")
    equal(c.status(), "running", "status")


@case("a CRIU that is too old or breaks down is told by name", runc="ignores --criu")
def _(t):
    c = t.container("sleep", "100").started()
    broken = t.directory / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    result = fails(t.call("checkpoint", "--image-path", images(t), c.id, global_args=["--criu", broken]), "CRIU ended")
    equal(len(result.err.strip().splitlines()), 1, "lines on stderr")
    equal(c.status(), "running", "status")


@case("where CRIU doesn't know the kernel, its reason is told and the container runs on", needs=[criu_fails], runc="differs in words")
def _(t):
    c = t.container("sleep", "100").started()
    reason = criu_works().partition("fails on this kernel: ")[2]
    result = fails(t.call("checkpoint", "--image-path", images(t), c.id), "criu failed: type dump", "dump.log")
    contains(result.err, reason.partition("): ")[2] or reason)
    equal(c.status(), "running", "status")


@case("descriptors.json lists what 0, 1 and 2 were", needs=[criu_works])
def _(t):
    c = counting(t)
    checkpoint(t, c, "--leave-running")
    equal(len(json.loads((images(t) / "descriptors.json").read_text())), 3, "number of descriptors")
