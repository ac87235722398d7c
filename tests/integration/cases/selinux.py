"""SELinux: labels that the kernel really gives, where a policy knows types and categories of containers."""
import pathlib

from cases.checkpoint import checkpoint, counting, criu_works, try_restore
from harness.cases import case
from harness.checks import contains, equal, fails, succeeds

SELINUX = pathlib.Path("/sys/fs/selinux")
PROCESS = "system_u:system_r:container_t:s0:c0,c1"
OTHER_PROCESS = "system_u:system_r:container_t:s0:c0,c2"
FILES = "system_u:object_r:container_file_t:s0:c0,c1"
OTHER_FILES = "system_u:object_r:container_file_t:s0:c0,c2"
SHOW = ["cat", "/proc/self/attr/current"]


def selinux():
    """A need: SELinux enforces a policy that has labels of containers."""
    if not (SELINUX / "enforce").exists() or (SELINUX / "enforce").read_text() != "1":
        return "SELinux does not enforce a policy here; tests/environments/run --only vm-selinux has one"
    try:
        (SELINUX / "context").write_text(PROCESS)
    except OSError:
        return f"the policy knows no label {PROCESS}"
    return None


def no_selinux():
    """A need: SELinux is off."""
    return "SELinux is on here" if (SELINUX / "enforce").exists() else None


def labelled(t, *args, files=FILES, **how):
    c = t.container(*args, **how)
    c.process["selinuxLabel"] = PROCESS
    c.linux["mountLabel"] = files
    return c


def label(result):
    return succeeds(result).out.rstrip("\0\n")


@case("the program has the config's label", needs=[selinux])
def _(t):
    c = labelled(t, *SHOW)
    equal(label(c.run()), PROCESS)
    c.process["noNewPrivileges"] = True
    equal(label(c.run()), PROCESS, "label with no_new_privs")


@case("mounts have the mount label, and what other categories own is closed to the program", needs=[selinux])
def _(t):
    script = "grep -c container_file_t /proc/mounts; grep ' /sys/firmware ' /proc/mounts; echo x > /dev/shm/file && cat /dev/shm/file"
    own = labelled(t, sh=script).run()
    contains(succeeds(own).out, f'context="{FILES}"', "options of a masked directory")
    equal(own.out.split()[-1], "x", "file of its own categories")
    fails(labelled(t, sh=script, files=OTHER_FILES).run(), code=1)


@case("a message queue directory and a tmpfs with the image's files have the mount label too", needs=[selinux])
def _(t):
    c = labelled(t, sh=": > /dev/mqueue/queue && cat /mnt/kept && grep ' /mnt ' /proc/mounts")
    c.mount("/mnt", "tmpfs", "tmpfs", "tmpcopyup")
    (c.rootfs / "mnt/kept").write_text("kept\n")
    out = succeeds(c.run()).out
    contains(out, "kept\n")
    contains(out, f'context="{FILES}"', "options of the tmpfs")
    c.linux["mountLabel"] = OTHER_FILES
    fails(c.run(), "/dev/mqueue/queue")


@case("exec has the container's label, or that of --process-label", needs=[selinux])
def _(t):
    c = labelled(t, "sleep", "100").started()
    equal(label(c.exec(*SHOW)), PROCESS)
    equal(label(c.exec(*SHOW, flags=("--process-label", OTHER_PROCESS))), OTHER_PROCESS)


@case("a label that the policy does not know is an error", needs=[selinux])
def _(t):
    c = t.container("true")
    c.process["selinuxLabel"] = "system_u:system_r:absent_t:s0"
    fails(c.try_create(), "invalid argument", code=1)
    fails(c.verb("state"), "does not exist")


@case("a restored container has the label that it was saved with, or restore says that CRIU can't give it", needs=[selinux, criu_works],
      runc="runs it under runc's own label where CRIU is built without SELinux")
def _(t):
    c = counting(t, change=lambda c: (c.process.update(selinuxLabel=PROCESS), c.linux.update(mountLabel=FILES)))
    checkpoint(t, c)
    result = try_restore(t, c, "--detach")
    if result.code != 0:
        fails(result, "built without SELinux", PROCESS)
        return fails(c.verb("state"), "does not exist")
    equal(pathlib.Path(f"/proc/{c.pid()}/attr/current").read_text().rstrip("\0\n"), PROCESS, "label after restore")
    return contains(succeeds(c.exec("cat", "/proc/mounts")).out, f'context="{FILES}"', "mounts after restore")


@case("where SELinux is off a label is ignored with a warning that says so", needs=[no_selinux], runc="ends with an error")
def _(t):
    result = succeeds(labelled(t, "echo", "ran").run())
    equal(result.out, "ran\n", "output")
    contains(result.err, "SELinux is not enabled on this host", "stderr")
