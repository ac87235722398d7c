"""Checkpoint and restore of the containers that engines make, and the options that say what CRIU may save."""
import os
import pathlib
import socket
import subprocess

from cases.cgroup_systemd import SLICE, show, systemd, unit
from cases.checkpoint import COUNT, SLOW, checkpoint, count, counting, criu_works, goes_on, images, restore, silently, try_restore
from cases.rootless import container as rootless, ordinary
from harness import environment
from harness.cases import case, kernel_file
from harness.checks import contains, equal, eventually, fails, lacks, succeeds

BY_SYSTEMD = ("--systemd-cgroup",)


def there_and_back(t, c, *flags, back=()):
    """Saves c and restores it; it must go on."""
    checkpoint(t, c, *flags)
    stood = count(c)
    restore(t, c, *flags, *back)
    goes_on(c, stood)


@case("a container in a scope of systemd's comes back in a scope", needs=[criu_works, systemd])
def _(t):
    c = t.container(sh=COUNT)
    c.linux["cgroupsPath"] = f"{SLICE}:gpurun:{c.id}"
    c.linux["resources"]["pids"] = {"limit": 77}
    c.create(before_exec=silently, global_args=BY_SYSTEMD)
    c.start()
    goes_on(c, 2)
    checkpoint(t, c)
    eventually(lambda: show(c, "ActiveState") == "inactive", "the scope is gone", seconds=10)
    stood = count(c)
    restore(t, c, global_args=BY_SYSTEMD)
    goes_on(c, stood)
    directory = environment.cgroup_of(c.pid(), "pids")
    equal(directory.name, unit(c), "cgroup")
    equal((directory / "pids.max").read_text().strip(), "77", "pids.max")
    equal(show(c, "TasksMax"), "77", "what systemd knows")
    succeeds(c.exec("true"))


@case("the program's processes come back, and what exec had started is gone", needs=[criu_works])
def _(t):
    c = counting(t, "sleep 1000 & sleep 1001 & " + COUNT)
    succeeds(c.exec("sleep", "1002", flags=("--detach",), before_exec=silently))
    there_and_back(t, c)
    listed = succeeds(c.exec("ps")).out
    contains(listed, "sleep 1000", "processes")
    contains(listed, "sleep 1001", "processes")
    lacks(listed, "sleep 1002", "processes")


@case("a container with a user namespace comes back", needs=[criu_works],
      runc="CRIU may not read the images as the container's root")
def _(t):
    def change(c):
        c.linux["namespaces"].append({"type": "user"})
        c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        for path, folders, files in os.walk(c.rootfs):
            for name in folders + files:
                if name != "busybox":
                    os.lchown(os.path.join(path, name), 100000, 100000)
            os.chown(path, 100000, 100000)
        c.bundle.chmod(0o755)
    c = counting(t, change=change)
    there_and_back(t, c)
    equal(pathlib.Path(f"/proc/{c.pid()}/uid_map").read_text().split(), ["0", "100000", "65536"], "map")
    equal(succeeds(c.exec("id", "-u")).out, "0\n", "user of exec")


@case("a container with the host's network comes back", needs=[criu_works])
def _(t):
    c = counting(t, change=lambda c: c.without_namespace("network"))
    there_and_back(t, c)
    equal(os.readlink(f"/proc/{c.pid()}/ns/net"), os.readlink("/proc/self/ns/net"), "network namespace")


@case("a read-only root on an overlay comes back", needs=[criu_works, kernel_file("/sys/module/overlay")],
      runc="leaves it writable")
def _(t):
    c = t.container(sh="i=0; while :; do i=$((i+1)); echo $i > /out/count; usleep 50000; done")
    merged = c.bundle / "merged"
    for name in ("upper", "work", "merged", "out"):
        (c.bundle / name).mkdir()
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "lowerdir=rootfs,upperdir=upper,workdir=work", "merged"], cwd=c.bundle, check=True)
    try:
        c.config["root"] = {"path": "merged", "readonly": True}
        c.mount("/out", "bind", c.bundle / "out", "bind")
        c.create(before_exec=silently)
        c.start()
        counted = c.bundle / "out/count"
        eventually(lambda: counted.exists() and int(counted.read_text() or 0) > 2, "the counter starts", seconds=30)
        checkpoint(t, c)
        stood = int(counted.read_text())
        restore(t, c)
        eventually(lambda: int(counted.read_text() or 0) > stood, "the counter goes on", seconds=30)
        fails(c.exec("touch", "/new"), "read-only")
        succeeds(c.delete("--force"))
    finally:
        subprocess.run(["umount", merged], check=True)


@case("without a mount namespace of its own a container is restored and the host's root stays writable", needs=[criu_works],
      runc="leaves its mounts behind")
def _(t):
    c = t.container("sleep", "1000")
    c.without_namespace("mount")
    c.config["root"]["readonly"] = True
    c.config["mounts"] = [entry for entry in c.config["mounts"] if entry["destination"] == "/proc"]
    c.linux["maskedPaths"] = c.linux["readonlyPaths"] = []
    c.create(before_exec=silently)
    c.start()
    checkpoint(t, c)
    restore(t, c)
    equal(c.status(), "running", "status")
    assert not os.statvfs("/").f_flag & os.ST_RDONLY, "the host's root is read-only"


@case("seccomp filters and no_new_privs hold after restore", needs=[criu_works],
      runc="no_new_privs is lost with CRIU before 3.19")
def _(t):
    def change(c):
        c.process["noNewPrivileges"] = True
        c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                              "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
    c = counting(t, "mkdir /tmp/early; until test -e /tmp/go; do i=$((i+1)); echo $i > /tmp/count; usleep 50000; done; mkdir /tmp/late; " + COUNT, change)
    there_and_back(t, c)
    status = pathlib.Path(f"/proc/{c.pid()}/status").read_text()
    contains(status, "Seccomp:\t2", "status")
    contains(status, "NoNewPrivs:\t1", "status")
    before = count(c)
    (c.rootfs / "tmp/go").write_text("")
    eventually(lambda: count(c) < before, "it counts anew", seconds=30)
    assert not (c.rootfs / "tmp/early").exists() and not (c.rootfs / "tmp/late").exists(), "mkdir was allowed"


@case("file locks are saved with --file-locks and refused without", needs=[criu_works, kernel_file("/usr/bin/flock")])
def _(t):
    def change(c):  # the host's flock: busybox has none
        c.mount("/usr", "bind", "/usr", "bind", "ro")
        for name in ("lib", "lib64"):
            (c.rootfs / name).symlink_to(f"usr/{name}")
    c = counting(t, "/usr/bin/flock /tmp/lock sleep 1000 & " + COUNT, change)
    fails(t.call("checkpoint", "--image-path", images(t), c.id, timeout=SLOW), "criu failed")
    equal(c.status(), "running", "status after a failed checkpoint")
    goes_on(c, count(c))
    there_and_back(t, c, "--file-locks")
    fails(c.exec("/usr/bin/flock", "-n", "/tmp/lock", "true"), code=1)
    succeeds(c.exec("/usr/bin/flock", "-n", "/tmp/other", "true"))


@case("TCP connections are saved with --tcp-established and refused without", needs=[criu_works],
      runc="CRIU finds the network unreachable")
def _(t):
    server = "busybox nc -l -p 7777 </tmp/fifo >/tmp/heard"
    client = "busybox nc 127.0.0.1 7777 </tmp/fifo2 >/tmp/answers"
    c = counting(t, f"busybox mkfifo /tmp/fifo /tmp/fifo2; busybox ip link set lo up; {server} & usleep 500000; {client} & "
                    "exec 8>/tmp/fifo 9>/tmp/fifo2; until test -s /tmp/heard; do echo hello >&9; usleep 200000; done; " + COUNT,
                 lambda c: c.add_capability("CAP_NET_ADMIN"))
    fails(t.call("checkpoint", "--image-path", images(t), c.id, timeout=SLOW), "criu failed")
    goes_on(c, count(c))
    there_and_back(t, c, "--tcp-established")
    contains((c.rootfs / "tmp/heard").read_text(), "hello", "what the server heard")


@case("a container can be restored under another name and beside the one that was saved", needs=[criu_works],
      runc="restores into the saved cgroup on v2")
def _(t):
    c = counting(t)
    goes_on(c, 20)
    stood = count(c)
    checkpoint(t, c, "--leave-running")
    copy = t.container(sh=COUNT)
    restore(t, copy)
    eventually(lambda: 0 < count(copy), "the copy counts", seconds=30)
    assert count(copy) >= stood, "the copy began anew"
    equal((c.status(), copy.status()), ("running", "running"), "both")
    assert c.pid() != copy.pid(), "one process"


@case("restore names what is in the way and leaves nothing", needs=[criu_works])
def _(t):
    volume = t.directory / "volume"
    volume.mkdir()
    c = counting(t, change=lambda c: c.mount("/data", "bind", volume, "bind"))
    checkpoint(t, c)
    volume.rmdir()
    result = fails(try_restore(t, c, "--detach"), str(volume), "no such file or directory")
    equal(len(result.err.strip().splitlines()), 1, "lines on stderr")
    fails(c.verb("state"), "does not exist")
    volume.mkdir()
    restore(t, c)


@case("an ordinary user's checkpoint says that CRIU needs root, and the container runs on", needs=[criu_works], runc="gives no reason")
def _(t):
    ordinary(t)
    c = rootless(t, "sleep", "100").started()
    fails(t.call("checkpoint", "--image-path", images(t), c.id, timeout=SLOW), "criu failed: type dump", "host's root")
    equal(c.status(), "running", "status")
