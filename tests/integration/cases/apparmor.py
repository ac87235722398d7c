"""AppArmor: profiles that the kernel really holds a container to, where it has AppArmor."""
import contextlib
import json
import pathlib
import shutil
import subprocess

from cases.checkpoint import checkpoint, counting, criu_works, goes_on, restore
from harness.cases import case
from harness.checks import contains, equal, fails, succeeds

ENABLED = pathlib.Path("/sys/module/apparmor/parameters/enabled")
PROFILE = """profile {name} flags=(attach_disconnected,mediate_deleted) {{
  file, capability, network, signal, ptrace, unix, mount, umount, pivot_root,
  deny /{forbidden} w,
}}
"""
SHOW = "cat /proc/self/attr/current; for f in first second; do echo x > /$f && echo wrote $f; done 2>/dev/null; true"


def enabled():
    return ENABLED.exists() and ENABLED.read_text().startswith("Y")


def apparmor():
    """A need: the kernel has AppArmor switched on and profiles can be loaded."""
    if not enabled():
        return "this kernel has no AppArmor, or it is switched off; tests/environments/run starts one that has"
    return None if shutil.which("apparmor_parser") else "apparmor_parser is not installed"


def no_apparmor():
    """A need: the kernel has no AppArmor."""
    return "AppArmor is on here" if enabled() else None


@contextlib.contextmanager
def profiles(t):
    """Two profiles of the kernel: one forbids writing /first, the other /second. Gives their names."""
    names = [f"{t.name}-first", f"{t.name}-second"]
    text = "".join(PROFILE.format(name=name, forbidden=name.rpartition("-")[2]) for name in names)
    parser = ["apparmor_parser", "--skip-cache", "--quiet"]
    subprocess.run([*parser, "--replace"], input=text, text=True, check=True)
    try:
        yield names
    finally:
        for c in t.containers:
            c.delete("--force")
        subprocess.run([*parser, "--remove"], input=text, text=True, check=True)


def held_to(result, profile):
    """The output of SHOW is that of a process under profile."""
    forbidden = profile.rpartition("-")[2]
    allowed = "second" if forbidden == "first" else "first"
    equal(succeeds(result).out, f"{profile} (enforce)\nwrote {allowed}\n", f"what a process under {profile} shows")


@case("the program runs under the config's profile, which the kernel enforces", needs=[apparmor])
def _(t):
    with profiles(t) as (first, _):
        c = t.container(sh=SHOW)
        c.process["apparmorProfile"] = first
        held_to(c.run(), first)
        c.process["noNewPrivileges"] = True
        held_to(c.run(), first)
        c.process["user"] = {"uid": 1000, "gid": 1000}
        c.process["args"] = ["cat", "/proc/self/attr/current"]
        equal(succeeds(c.run()).out, f"{first} (enforce)\n", "profile of an ordinary user's program")


@case("without a profile, or with that named unconfined, nothing is enforced", needs=[apparmor])
def _(t):
    c = t.container("cat", "/proc/self/attr/current")
    for profile in (None, "", "unconfined"):
        if profile is not None:
            c.process["apparmorProfile"] = profile
        equal(succeeds(c.run()).out, "unconfined\n", f"profile for {profile!r}")


@case("a profile that is not loaded is an error that names it", needs=[apparmor])
def _(t):
    c = t.container("true")
    c.process["apparmorProfile"] = "absent-profile"
    for result in (c.try_create(), c.run()):
        fails(result, "apply AppArmor profile", "no such file or directory", code=1)
    fails(c.verb("state"), "does not exist")


@case("a profile holds in a user namespace too", needs=[apparmor])
def _(t):
    with profiles(t) as (first, _):
        c = t.container(sh="cat /proc/self/attr/current")
        c.process["apparmorProfile"] = first
        c.linux["namespaces"].append({"type": "user"})
        c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 65536}]
        equal(succeeds(c.run()).out, f"{first} (enforce)\n")


def sleeping(t, profile):
    c = t.container("sleep", "100")
    c.process["apparmorProfile"] = profile
    return c.started()


def exec_file(t, c, **properties):
    process = {**c.process, "args": ["sh", "-c", SHOW], **properties}
    (t.directory / "process.json").write_text(json.dumps({key: value for key, value in process.items() if value is not None}))
    return t.call("exec", "--process", t.directory / "process.json", c.id)


@case("exec enters the container's profile, or the one that --apparmor or the process file names", needs=[apparmor])
def _(t):
    with profiles(t) as (first, second):
        c = sleeping(t, first)
        held_to(c.exec("sh", "-c", SHOW), first)
        held_to(c.exec("sh", "-c", SHOW, flags=("--apparmor", second)), second)
        held_to(exec_file(t, c, apparmorProfile=second), second)


@case("a process file that names no profile does not lead out of the container's", needs=[apparmor], runc="runs it unconfined")
def _(t):
    with profiles(t) as (first, _):
        c = sleeping(t, first)
        held_to(exec_file(t, c, apparmorProfile=None), first)


@case("exec into a profile that is not loaded fails and the container runs on", needs=[apparmor])
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.exec("true", flags=("--apparmor", "absent-profile")), "AppArmor", "no such file or directory", code=255)
    equal(c.status(), "running", "status")


@case("a restored container is under the profile that it was saved under", needs=[apparmor, criu_works])
def _(t):
    with profiles(t) as (first, _):
        c = counting(t, change=lambda c: c.process.update(apparmorProfile=first, noNewPrivileges=True))
        checkpoint(t, c)
        restore(t, c)
        goes_on(c, 2)
        equal(pathlib.Path(f"/proc/{c.pid()}/attr/current").read_text(), f"{first} (enforce)\n", "profile after restore")
        held_to(c.exec("sh", "-c", SHOW), first)


@case("restore --lsm-profile names another profile than the saved one", needs=[apparmor, criu_works])
def _(t):
    with profiles(t) as (first, second):
        c = counting(t, change=lambda c: c.process.update(apparmorProfile=first))
        checkpoint(t, c)
        restore(t, c, "--lsm-profile", f"apparmor:{second}")
        equal(pathlib.Path(f"/proc/{c.pid()}/attr/current").read_text(), f"{second} (enforce)\n", "profile after restore")


@case("where AppArmor is off a profile is ignored with a warning that says so", needs=[no_apparmor], runc="ends with an error")
def _(t):
    c = t.container("echo", "ran")
    c.process["apparmorProfile"] = "absent-profile"
    result = succeeds(c.run())
    equal(result.out, "ran\n", "output")
    contains(result.err, "absent-profile", "stderr")
    contains(result.err, "AppArmor is not enabled on this host", "stderr")
