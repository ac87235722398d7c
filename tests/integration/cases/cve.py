"""Known attacks on container runtimes, by their numbers: each image, config or neighbour here is hostile. What is named host-… lies outside
the container and must stay as it was."""
import contextlib
import ctypes
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

from harness.cases import case
from harness.checks import contains, equal, eventually, fails, lacks, succeeds
from cases.terminal import Console, read_until

SECRET = "secret-of-the-host"
RENAME_EXCHANGE = 2
AT_FDCWD = -100


class Outside:
    """A directory of the host with a secret; unchanged() says whether anybody wrote there."""

    def __init__(self, t):
        self.path = t.directory / "host-data"
        self.path.mkdir()
        (self.path / "secret").write_text(SECRET)

    def unchanged(self):
        equal(sorted(os.listdir(self.path)), ["secret"], "the host's directory")
        equal((self.path / "secret").read_text(), SECRET, "the host's file")

    def links(self):
        """Ways to name the directory from inside a root that is followed from outside."""
        return [str(self.path), "../" * 20 + str(self.path).lstrip("/")]


@contextlib.contextmanager
def exchanging(first, second):
    """Another container with the same volume exchanges two names all the time."""
    libc = ctypes.CDLL(None, use_errno=True)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            libc.renameat2(AT_FDCWD, bytes(first), AT_FDCWD, bytes(second), RENAME_EXCHANGE)
            time.sleep(0.0001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def without_mount(c, *destinations):
    c.config["mounts"] = [entry for entry in c.config["mounts"] if entry["destination"] not in destinations]


@case("CVE-2016-9962: a process that enters the container can't be looked into from there")
def _(t):
    c = t.container(sh="while [ ! -e /stop ]; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || { ls -l $p/fd; readlink $p/exe $p/cwd; }; done; done >/log 2>/dev/null")
    c.started()
    for _ in range(15):
        succeeds(c.exec("true"))
    (c.rootfs / "stop").touch()
    eventually(lambda: c.status() == "stopped", "the container's end")
    # What an exec'd program has as standard streams is the caller's choice.
    seen = "\n".join(line for line in (c.rootfs / "log").read_text(errors="replace").splitlines() if not re.search(r" [012] -> ", line))
    for part in (str(t.directory), str(t.runtime), "memfd:", "/sys/fs/cgroup"):
        lacks(seen, part, "what the container saw")


@case("CVE-2019-5736: the runtime's file can't be written through /proc/PID/exe")
def _(t):
    runtime = t.directory / "runtime"
    shutil.copy2(t.runtime, runtime)
    t.runtime = runtime
    digest = hashlib.sha256(runtime.read_bytes()).hexdigest()
    c = t.container("sleep", "100").started()
    # `update --resources -` waits for its standard input, so the runtime's file runs inside the container as long as we like.
    inside = subprocess.Popen([runtime, "--root", t.state_root, "exec", c.id, "/proc/self/exe", "--root", "/tmp/s", "update", "--resources", "-", "x"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.calls.add(inside.pid)
    attack = """for p in /proc/[0-9]*; do grep -q resources $p/cmdline 2>/dev/null || continue; grep -q self/exe $p/cmdline || continue
        exec 9<$p/exe || continue; kill -9 ${p#/proc/}; sleep 0.2; echo owned; echo '#!/bin/sh' >/proc/self/fd/9; echo '#!/bin/sh' >>/proc/self/fd/9; done"""
    try:
        out = eventually(lambda: c.exec("sh", "-c", attack).out, "the runtime inside the container")
        contains(out, "owned")
    finally:
        inside.stdin.close()
        inside.wait()
    equal(hashlib.sha256(runtime.read_bytes()).hexdigest(), digest, "the runtime's file")


@case("CVE-2019-5736: an entrypoint that names /proc/self/exe as its interpreter leaves the runtime's file alone")
def _(t):
    runtime = t.directory / "runtime"
    shutil.copy2(t.runtime, runtime)
    t.runtime = runtime
    digest = hashlib.sha256(runtime.read_bytes()).hexdigest()
    c = t.container("/entry")
    (c.rootfs / "entry").write_text("#!/proc/self/exe\n")
    (c.rootfs / "entry").chmod(0o755)
    c.run()
    equal(hashlib.sha256(runtime.read_bytes()).hexdigest(), digest, "the runtime's file")


@case("CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc and /sys of the image must be directories of its own")
def _(t):
    outside = Outside(t)
    for name in ("proc", "sys"):
        for target in ["tmp", *outside.links()]:
            c = t.container("true")
            (c.rootfs / name).rmdir()
            (c.rootfs / name).symlink_to(target)
            fails(c.run(), name)
    outside.unchanged()


@case("CVE-2019-16884: a volume at /proc can't play procfs")
def _(t):
    volume = t.directory / "volume"
    (volume / "self/attr").mkdir(parents=True)
    for name in ("exec", "current"):
        (volume / "self/attr" / name).write_text("")
    c = t.container("true")
    without_mount(c, "/proc")
    c.config["mounts"].insert(0, {"destination": "/proc", "type": "bind", "source": str(volume), "options": ["rbind"]})
    c.run()
    for name in ("exec", "current"):
        equal((volume / "self/attr" / name).read_text(), "", f"the volume's {name}")


@case("CVE-2021-30465, CVE-2024-45310: a target that is exchanged for a link while it is mounted never leads out of the root")
def _(t):
    outside = Outside(t)
    volume = t.directory / "volume"
    (volume / "real/data").mkdir(parents=True)
    (volume / "link").symlink_to("../" * 20 + str(outside.path).lstrip("/"))
    source = t.directory / "source"
    source.mkdir()
    with exchanging(volume / "real", volume / "link"):
        for number in range(25):
            c = t.container("true")
            c.mount("/volume", "bind", volume, "rbind")
            c.mount(f"/volume/real/data/made{number}", "bind", source, "rbind")
            c.mount(f"/volume/real/tmpfs{number}", "tmpfs", "tmpfs")
            c.run()
            c.delete("--force")
            outside.unchanged()


@case("CVE-2022-29162, CVE-2022-27650: no capability is inheritable unless the config says so, with exec neither")
def _(t):
    c = t.container("sleep", "100").started()
    for source in (pathlib.Path(f"/proc/{c.pid()}/status").read_text(), succeeds(c.exec("cat", "/proc/self/status")).out,
                   succeeds(c.exec("cat", "/proc/self/status", flags=("--cap", "CAP_SYS_PTRACE"))).out):
        contains(source, "CapInh:\t0000000000000000\n")
        contains(source, "CapAmb:\t0000000000000000\n")


@case("CVE-2023-25809: in a user namespace without a cgroup namespace the host's cgroups can't be written")
def _(t):
    c = t.container(sh="for f in $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs); do echo 0 2>/dev/null >$f && echo wrote $f; mkdir ${f%/*}/owned 2>/dev/null && echo made $f; done; true")
    c.linux["namespaces"].append({"type": "user"})
    c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    without_mount(c, "/sys")
    c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime")
    for path, folders, files in os.walk(c.rootfs):
        for name in [".", *folders, *files]:
            os.lchown(os.path.join(path, name), 100000, 100000)
    result = c.run()
    for line in result.out.splitlines():
        # Its own cgroup may be delegated to it; nothing above.
        assert not line.startswith("made") or c.id in line, line


@case("CVE-2024-21626: no descriptor of the host is a way out, for run and exec")
def _(t):
    outside = Outside(t)
    leak = f"cat ../../../../../../../../../../../../{outside.path}/secret 2>/dev/null; true"
    for number in range(3, 16):
        c = t.container(sh=leak)
        c.process["cwd"] = f"/proc/self/fd/{number}"
        lacks(c.run().out, SECRET, f"with cwd /proc/self/fd/{number}")
        c.delete("--force")
    c = t.container("sleep", "100").started()
    for number in range(3, 16):
        lacks(c.exec("sh", "-c", leak, flags=("--cwd", f"/proc/self/fd/{number}")).out, SECRET)
        program = c.exec(f"/proc/self/fd/{number}/../../../../../../../../..{outside.path}/secret")
        assert program.code != 0, "a file of the host was executed"
    link = t.container(sh=leak)
    (link.rootfs / "way").symlink_to("/proc/self/fd/")
    link.process["cwd"] = "/way/7"
    lacks(link.run().out, SECRET)


@case("CVE-2024-21626: nothing but the standard descriptors is open in the container")
def _(t):
    c = t.container(sh="ls /proc/self/fd | wc -l; ls -l /proc/1/fd")
    out = succeeds(c.run()).out
    equal(out.splitlines()[0], "4", "descriptors of ls: three, and the directory it reads")
    lacks(out, str(t.state_root))


@case("CVE-2025-31133: a /dev/null of the image's making does not unmask what is masked")
def _(t):
    for target in ("/evil", "/proc/sys/kernel/core_pattern"):
        c = t.container(sh="cat /etc/masked; echo owned >/etc/masked; cat /proc/sys/kernel/core_pattern /evil")
        without_mount(c, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
        (c.rootfs / "evil").write_text("evil\n")
        (c.rootfs / "dev/null").symlink_to(target)
        (c.rootfs / "etc/masked").write_text("hidden\n")
        c.linux["maskedPaths"].append("/etc/masked")
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
        result = c.run()
        lacks(result.out, "hidden")
        lacks(result.out, "owned")
        equal(pathlib.Path("/proc/sys/kernel/core_pattern").read_text(), pattern, "core_pattern")
        equal((c.rootfs / "evil").read_text(), "evil\n", "the image's file")


@case("CVE-2025-31133: the masks of a running container are the null device")
def _(t):
    c = t.container(sh="stat -c '%t:%T %F' /etc/masked; cat /etc/masked | wc -c")
    (c.rootfs / "etc/masked").write_text("hidden\n")
    c.linux["maskedPaths"].append("/etc/masked")
    equal(succeeds(c.run()).out, "1:3 character special file\n0\n")


@case("CVE-2025-52565, CVE-2026-88264: /dev/console of the image's making does not lead elsewhere")
def _(t):
    outside = Outside(t)
    for target in [link + "/console" for link in outside.links()] + [str(outside.path / "secret"), "/evil"]:
        c = t.container(sh="ls -l /dev/console /evil; cat /evil; echo finished")
        c.process["terminal"] = True
        without_mount(c, "/dev", "/dev/shm", "/dev/mqueue")
        (c.rootfs / "evil").write_text("evil\n")
        (c.rootfs / "dev/console").symlink_to(target)
        console = Console(t)
        made = c.try_create("--console-socket", console.path)
        if made.code == 0:
            master = console.master()
            c.start()
            lacks(read_until(master, "finished"), SECRET)
            os.close(master)
        c.delete("--force")
        equal((c.rootfs / "evil").read_text(), "evil\n", "the image's file")
    outside.unchanged()


@case("CVE-2025-52881: what lies over files of /proc does not get the runtime's writes")
def _(t):
    trap = t.directory / "trap"
    trap.write_text("trap\n")
    for destination in ("/proc/sys/net/ipv4/ping_group_range", "/proc/self/attr/exec", "/proc/self/setgroups", "/link/net/ipv4/ping_group_range"):
        c = t.container(sh="cat /proc/sys/net/ipv4/ping_group_range")
        (c.rootfs / "link").symlink_to("/proc/sys")
        c.linux["sysctl"] = {"net.ipv4.ping_group_range": "7 9"}
        c.process["selinuxLabel"] = ""
        c.mount(destination, "bind", trap, "bind")
        c.run()
        c.delete("--force")
        equal(trap.read_text(), "trap\n", f"the file over {destination}")


@case("CVE-2025-52881: a tmpfs over /proc/sys does not get sysctls either")
def _(t):
    c = t.container(sh="cat /proc/sys/net/ipv4/ping_group_range")
    (c.rootfs / "link").symlink_to("/proc/sys")
    c.linux["sysctl"] = {"net.ipv4.ping_group_range": "7 9"}
    c.mount("/link/net", "tmpfs", "tmpfs")
    result = c.run()
    assert result.code != 0 or "7\t9" in result.out, result.out


@case("CVE-2026-41579, CVE-2026-47766: a /dev that is a link does not put nodes outside the root")
def _(t):
    outside = Outside(t)
    for target in outside.links():
        c = t.container("true")
        without_mount(c, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
        (c.rootfs / "dev").rmdir()
        (c.rootfs / "dev").symlink_to(target)
        c.run()
        c.delete("--force")
    outside.unchanged()


@case("CVE-2026-30892: a user given by number is that user")
def _(t):
    c = t.container("sleep", "100").started()
    equal(succeeds(c.exec("id", "-u", flags=("--user", "1"))).out, "1\n")
    for wrong in ("1x", "0x0", "-1", "4294967296", ""):
        result = c.exec("id", "-u", flags=("--user", wrong))
        assert result.code != 0, f"--user {wrong!r} was taken: {result.out}"


@case("CVE-2025-23266: a hook gets the environment that the config gives it, never the container's")
def _(t):
    for stage in ("prestart", "createRuntime", "createContainer"):
        seen = t.directory / f"env-{stage}"
        c = t.container("true")
        c.process["env"] += ["LD_PRELOAD=/proc/self/cwd/owned.so", "GCONV_PATH=/owned"]
        c.config["hooks"] = {stage: [{"path": "/bin/sh", "args": ["sh", "-c", f"env >{seen}"]}]}
        succeeds(c.run())
        lacks(seen.read_text(), "owned", f"environment of the {stage} hook")
