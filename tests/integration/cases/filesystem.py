"""Root file system and mounts."""
import os
import pathlib
import subprocess
import tempfile

from harness import environment
from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds


def options_of(table, point):
    """The options of the topmost mount at point in a mount table as /proc/mounts has it."""
    return [line.split()[3].split(",") for line in table.splitlines() if line.split()[1] == point][-1]


@case("a read-only root can't be written, mounts on it can")
def _(t):
    c = t.container(sh="touch /x; touch /dev/shm/y && echo fine")
    c.config["root"]["readonly"] = True
    result = succeeds(c.run())
    contains(result.err, "Read-only file system")
    equal(result.out, "fine\n")


@case("masked paths are empty and read-only paths refuse writing")
def _(t):
    c = t.container(sh="cat /etc/secret; ls -A /private; echo x > /etc/fixed; touch /kept/x; cat /etc/fixed")
    (c.rootfs / "etc/secret").write_text("secret")
    (c.rootfs / "etc/fixed").write_text("fixed\n")
    (c.rootfs / "private").mkdir()
    (c.rootfs / "private/file").write_text("secret")
    (c.rootfs / "kept").mkdir()
    c.linux["maskedPaths"] += ["/etc/secret", "/private", "/no/such/path"]
    c.linux["readonlyPaths"] += ["/etc/fixed", "/kept", "/no/such/path"]
    result = succeeds(c.run())
    equal(result.out, "fixed\n")
    equal(result.err.lower().count("read-only file system"), 2, "refusals")


@case("bind mounts of files and directories, read-only and read-write")
def _(t):
    shared = t.directory / "shared"
    shared.mkdir()
    (shared / "file").write_text("from host\n")
    c = t.container(sh="cat /data/file /only; echo new > /data/new; echo x > /only; echo x > /ro/x")
    c.mount("/data", "bind", shared, "rbind", "rw")
    c.mount("/only", "bind", shared / "file", "bind", "ro")
    c.mount("/ro", "none", shared, "bind", "ro")
    result = c.run()
    equal(result.out, "from host\nfrom host\n")
    equal(result.err.lower().count("read-only file system"), 2, "refusals")
    equal((shared / "new").read_text(), "new\n")


@case("mount flags are those of the options")
def _(t):
    c = t.container("cat", "/proc/mounts")
    c.mount("/a", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "ro", "size=64k", "mode=0700")
    c.mount("/b", "tmpfs", "tmpfs", "noatime")
    c.mount("/c", "bind", t.directory, "bind", "nosuid", "nodev", "noexec")
    table = succeeds(c.run()).out
    for wanted in ("nosuid", "nodev", "noexec", "ro", "size=64k", "mode=700"):
        contains(options_of(table, "/a"), wanted)
    contains(options_of(table, "/b"), "noatime")
    lacks(options_of(table, "/b"), "nosuid")
    for wanted in ("nosuid", "nodev", "noexec"):
        contains(options_of(table, "/c"), wanted)


@case("rro makes a whole tree of mounts read-only", runc="only since 1.1 with kernel support")
def _(t):
    tree = t.directory / "tree"
    (tree / "sub").mkdir(parents=True)
    c = t.container(sh="touch /tree/x /tree/sub/x; true")
    import subprocess
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tree / "sub"], check=True)
    try:
        c.mount("/tree", "bind", tree, "rbind", "rro")
        equal(succeeds(c.run()).err.lower().count("read-only file system"), 2, "refusals")
    finally:
        subprocess.run(["umount", tree / "sub"], check=True)


@case("missing mount points are made, over files and through directories")
def _(t):
    c = t.container(sh="cat /deep/er/file; ls -d /made/dir")
    (t.directory / "file").write_text("here\n")
    c.mount("/deep/er/file", "bind", t.directory / "file", "bind")
    c.mount("/made/dir", "tmpfs", "tmpfs")
    equal(succeeds(c.run()).out, "here\n/made/dir\n")


@case("a mount destination through a symbolic link stays in the root")
def _(t):
    c = t.container(sh="mount")
    outside = t.directory / "outside"
    outside.mkdir()
    (c.rootfs / "link").symlink_to(outside)
    (c.rootfs / "up").symlink_to("../../../../../.." + str(outside))
    c.mount("/link/a", "tmpfs", "tmpfs")
    c.mount("/up/b", "tmpfs", "tmpfs")
    succeeds(c.run())
    equal(os.listdir(outside), [], "outside the root")


@case("a mount on /proc by bind from elsewhere is refused", runc="refuses with these words too")
def _(t):
    c = t.container("true")
    c.mount("/proc/sys", "bind", t.directory, "bind")
    fails(c.try_create(), "/proc")


@case("relative bind sources are relative to the bundle")
def _(t):
    c = t.container("cat", "/data/file")
    (c.bundle / "data").mkdir()
    (c.bundle / "data/file").write_text("in bundle")
    c.mount("/data", "bind", "data", "bind")
    equal(succeeds(c.run()).out, "in bundle")


@case("tmpfs takes mode, size and owner")
def _(t):
    c = t.container(sh="stat -c '%a %u' /t; df -k /t | tail -n 1")
    c.mount("/t", "tmpfs", "tmpfs", "mode=1750", "size=1m", "uid=33")
    out = succeeds(c.run()).out.split()
    equal(out[:2], ["1750", "33"])
    contains(out, "1024")


@case("a tmpfs without mode keeps the mode of what it covers")
def _(t):
    c = t.container("stat", "-c", "%a", "/covered")
    (c.rootfs / "covered").mkdir()
    (c.rootfs / "covered").chmod(0o711)
    c.mount("/covered", "tmpfs", "tmpfs")
    equal(succeeds(c.run()).out, "711\n")


@case("tmpcopyup copies what the tmpfs covers", runc="needs root file systems on disk")
def _(t):
    c = t.container(sh="cat /var/kept; echo new > /var/new")
    (c.rootfs / "var/kept").write_text("kept")
    c.mount("/var", "tmpfs", "tmpfs", "tmpcopyup")
    equal(succeeds(c.run()).out, "kept")
    assert not (c.rootfs / "var/new").exists(), "written through"


@case("default devices and links are there with their numbers")
def _(t):
    c = t.container(sh="for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$d; done; for l in fd stdin ptmx; do readlink /dev/$l; done")
    out = succeeds(c.run()).out.splitlines()
    numbers = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    equal(out[:6], [f"/dev/{name} {number} 666" for name, number in numbers.items()])
    equal(out[6:], ["/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"])


@case("configured devices are made with mode and owner, and may be used only if allowed")
def _(t):
    c = t.container(sh="stat -c '%t:%T %a %u %g %F' /dev/mine; head -c 1 /dev/mine | wc -c; stat -c %F /dev/fifo; cat /dev/other")
    c.add_capability("CAP_SYSLOG")
    c.linux["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 3, "gid": 4},
        {"path": "/dev/other", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666},
        {"path": "/dev/fifo", "type": "p"}]
    c.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"})
    result = c.run()
    equal(result.out.splitlines(), ["1:5 640 3 4 character special file", "1", "fifo"])
    contains(result.err, "Operation not permitted")


@case("a node that the container makes for a device not allowed can't be opened")
def _(t):
    c = t.container(sh="mknod /tmp/kmsg c 1 11; cat /tmp/kmsg")
    c.add_capability("CAP_SYSLOG")
    c.linux["resources"]["devices"].append({"allow": True, "type": "c", "access": "m"})
    contains(fails(c.run()).err, "Operation not permitted")


@case("propagation: what is bound privately on a shared volume is private", modes=("v1",))
def _(t):
    import subprocess
    volume, file = t.directory / "volume", t.directory / "file"
    volume.mkdir()
    (volume / "target").touch()
    file.write_text("private\n")
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    subprocess.run(["mount", "--make-shared", volume], check=True)
    try:
        c = t.container(sh="grep -E ' /data/target ' /proc/self/mountinfo; cat /data/target")
        c.mount("/data", "bind", volume, "rbind", "rshared")
        c.mount("/data/target", "bind", file, "rbind", "rprivate")
        out = succeeds(c.run()).out
        contains(out, "private\n")
        lacks(out.split(" - ")[0], "shared:")
    finally:
        subprocess.run(["umount", "-R", volume], check=True)


@case("propagation: rshared mounts reach the host, rslave ones only come in", runc="keeps the root's mounts from coming in before 1.2")
def _(t):
    import subprocess
    volume = t.directory / "volume"
    volume.mkdir()
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    subprocess.run(["mount", "--make-shared", volume], check=True)
    try:
        c = t.container("sleep", "100")
        c.mount("/volume", "bind", volume, "rbind", "rslave")
        c.linux["rootfsPropagation"] = "rslave"
        c.started()
        (volume / "in").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", volume / "in"], check=True)
        contains(succeeds(c.exec("mount")).out, "/volume/in")
    finally:
        subprocess.run(["umount", "-R", volume], check=True)


@case("what a container mounts in a shared volume is seen on the host, whose own mounts stay", modes=("v1",))
def _(t):
    import subprocess
    volume = t.directory / "volume"
    (volume / "in").mkdir(parents=True)
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    subprocess.run(["mount", "--make-shared", volume], check=True)
    try:
        for value in ("shared", "rshared", "slave", "rslave", None):
            c = t.container("sh", "-c", "mount -t tmpfs tmpfs /volume/in")
            c.add_capability("CAP_SYS_ADMIN")
            c.mount("/volume", "bind", volume, "rbind", "rshared")
            c.linux["rootfsPropagation"] = value
            before = set(open("/proc/self/mountinfo"))
            succeeds(c.run())
            gone = [line for line in before - set(open("/proc/self/mountinfo")) if str(t.directory) not in line]
            equal(gone, [], "unmounted on the host")
            seen = subprocess.run(["umount", volume / "in"]).returncode == 0
            equal(seen, value in ("shared", "rshared", "slave"), f"mounted on the host with rootfsPropagation {value}")
    finally:
        subprocess.run(["umount", "-l", volume], check=True)


@case("rootfsPropagation is applied to the container's root", runc="applies it before the root is switched, up to 1.1")
def _(t):
    for value, mark in (("shared", "shared:"), ("unbindable", "unbindable"), ("private", "rw")):
        c = t.container("cat", "/proc/self/mountinfo")
        c.linux["rootfsPropagation"] = value
        root = [line for line in succeeds(c.run()).out.splitlines() if line.split()[4] == "/"][0]
        contains(root, mark)
        equal("shared:" in root, value == "shared", root)


@case("a root that is itself a mount, as engines' overlays are, may have shared propagation")
def _(t):
    import subprocess
    c = t.container("sh", "-c", "mount -t tmpfs tmpfs /tmp && echo mounted")
    c.add_capability("CAP_SYS_ADMIN")
    c.linux["rootfsPropagation"] = "shared"
    subprocess.run(["mount", "--bind", c.rootfs, c.rootfs], check=True)
    subprocess.run(["mount", "--make-shared", c.rootfs], check=True)
    try:
        equal(succeeds(c.run()).out, "mounted\n")
    finally:
        subprocess.run(["umount", "-l", c.rootfs], check=True)


@case("/proc, /sys and /dev/mqueue are the container's own")
def _(t):
    table = succeeds(t.container("cat", "/proc/mounts").run()).out
    kinds = {line.split()[1]: line.split()[2] for line in table.splitlines()}
    for point, kind in {"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue"}.items():
        equal(kinds.get(point), kind, point)
    contains(options_of(table, "/sys"), "ro")


@case("a cgroup mount shows the container's own cgroup", modes=("v2",))
def _(t):
    c = t.container(sh="cat /sys/fs/cgroup/cgroup.procs; ls /sys/fs/cgroup | head -n 1; mkdir /sys/fs/cgroup/x")
    c.linux["namespaces"].append({"type": "cgroup"})
    c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev")
    result = c.run()
    contains(result.out.split(), "1")
    contains(result.err, "Read-only file system")


@case("a cgroup mount has each v1 controller", modes=("v1", "hybrid"))
def _(t):
    for own in (True, False):
        c = t.container(sh="cat /sys/fs/cgroup/pids/cgroup.procs; ls /sys/fs/cgroup; mkdir /sys/fs/cgroup/pids/x")
        if own:
            c.linux["namespaces"].append({"type": "cgroup"})
        c.mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev")
        result = c.run()
        for name in ("1", "pids", "memory", "devices", "freezer"):
            contains(result.out.split(), name)
        contains(result.err, "Read-only file system")


def idmapped_disk():
    """A need: a tmpfs can be in an id-mapped mount, or /var/tmp is on a disk's file system that can."""
    kind = subprocess.run(["stat", "-fc", "%T", "/var/tmp"], capture_output=True, text=True, check=True).stdout.strip()
    return None if kind in ("ext2/ext3", "xfs", "btrfs") else environment.idmapped_tmpfs()


@case("id-mapped mounts show files of the host's owner as the container's", needs=[idmapped_disk], runc="only since 1.2")
def _(t):
    from cases.namespaces import in_user_namespace
    with tempfile.TemporaryDirectory(dir="/var/tmp" if environment.idmapped_tmpfs() else t.directory) as shared:
        os.chmod(shared, 0o755)
        (pathlib.Path(shared) / "file").write_text("x")
        c = in_user_namespace(t, "stat", "-c", "%u", "/shared/file")
        c.mount("/shared", "bind", shared, "bind", "idmap")
        mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c.config["mounts"][-1].update(uidMappings=mapping, gidMappings=mapping)
        equal(succeeds(c.run()).out, "0\n")


@case("idmap maps one mount, ridmap those below as well", needs=[environment.idmapped_tmpfs], runc="only since 1.2")
def _(t):
    from cases.namespaces import in_user_namespace
    shared = t.directory / "shared"
    below = shared / "below"
    below.mkdir(parents=True)
    (shared / "file").touch()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", below], check=True)
    try:
        (below / "file").touch()
        for option, owners in (("idmap", "0 65534"), ("ridmap", "0 0")):
            c = in_user_namespace(t, sh="echo $(stat -c %u /shared/file /shared/below/file)")
            c.mount("/shared", "bind", shared, "rbind", option)
            equal(succeeds(c.run()).out, owners + "\n", option)
    finally:
        subprocess.run(["umount", below], check=True)


@case("the old root is gone and the root is not the host's")
def _(t):
    table = succeeds(t.container("cat", "/proc/self/mountinfo").run()).out
    lacks(table, str(t.directory) + "/state")
    assert all("/proc" in line or "gpurun-test" not in line.split(" - ")[0].split()[4] for line in table.splitlines()), table


@case("--no-pivot works too")
def _(t):
    equal(succeeds(t.container(sh="ls -d /bin").run("--no-pivot")).out, "/bin\n")


@case("--no-pivot leaves no procfs and no sysfs behind that a user namespace could mount without masks", runc="sysfs only since 1.1.10")
def _(t):
    for kind in ("proc", "sysfs"):
        c = t.container("unshare", "-Urmpnf", "mount", "-t", kind, "none", "/mnt")
        fails(c.run("--no-pivot"), "permission denied")


SHARED_ROOT = """mount --make-rshared / && mount --bind "$1" "$1" || exit 9
shift; "$@"; code=$?; awk '$5 == "/"' /proc/self/mountinfo | wc -l; exit $code"""


@case("--no-pivot of a container whose root is shared mounts nothing over the host's root", runc="only since 1.5")
def _(t):
    c = t.container("true")
    c.linux["rootfsPropagation"] = "rshared"
    before = sum(line.split()[4] == "/" for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
    result = c.run("--no-pivot", prefix=("unshare", "--mount", "sh", "-c", SHARED_ROOT, "sh", str(c.rootfs)))
    equal(succeeds(result).out, f"{before}\n")


@case("the working directory is inside the root and not deleted")
def _(t):
    c = t.container(sh="pwd; stat -c %h .")
    links = succeeds(c.run()).out.split()
    assert links[0] == "/" and int(links[1]) > 1, links


