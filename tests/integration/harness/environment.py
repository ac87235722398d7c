"""The cgroup layouts that a container may meet; each is made in a mount namespace of its own, so the machine keeps its own."""
import ctypes
import os
import pathlib
import subprocess

CGROUP = pathlib.Path("/sys/fs/cgroup")
MODES = ("v1", "v2", "hybrid")
PR_SET_CHILD_SUBREAPER = 36


def mounts():
    """The mount table of this namespace: (mount point, file system type) pairs."""
    table = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        table.append((left.split()[4], right.split()[0]))
    return table


def host_layout():
    """How the machine itself mounts cgroups: v1, v2 or hybrid."""
    types = dict(mounts())
    if types.get(str(CGROUP)) == "cgroup2":
        return "v2"
    return "hybrid" if types.get(str(CGROUP / "unified")) == "cgroup2" else "v1"


def why_not(mode):
    """Says why this machine cannot have the layout mode, or None if it can."""
    if os.geteuid() != 0:
        return "needs root: containers of these tests have no user namespace"
    if mode != "v2" and host_layout() == "v2":
        return "this machine binds every controller to cgroup2"
    if mode == "hybrid" and host_layout() == "v1":
        return "this machine has no cgroup2 mount beside its v1 hierarchies"
    return None


def enter(mode):
    """Turns /sys/fs/cgroup of this (private) mount namespace into mode and adopts orphaned containers."""
    if mode == "v1" and host_layout() == "hybrid":
        subprocess.run(["umount", CGROUP / "unified"], check=True)
    if mode == "v2" and host_layout() != "v2":
        subprocess.run(["umount", "-R", CGROUP], check=True)
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", CGROUP], check=True)
    # An engine's shim is the reaper of its containers; here this process is.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hierarchies():
    """Every mounted cgroup hierarchy: directories below which a runtime may have made cgroups."""
    return [pathlib.Path(point) for point, kind in mounts() if kind in ("cgroup", "cgroup2")]


def controllers():
    """Controllers that this layout can really limit with."""
    if host_layout() == "v2":
        return set((CGROUP / "cgroup.controllers").read_text().split())
    return {name for point in hierarchies() for name in point.name.split(",")}


def two_cpus():
    """A need: two things can run at once."""
    return None if len(os.sched_getaffinity(0)) > 1 else "this machine has one CPU"


def idmapped_tmpfs():
    """A need: the files of these tests, which are on a tmpfs, can be in an id-mapped mount."""
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return None if version >= (6, 3) else f"Linux {os.uname().release} can't map the ids of a tmpfs, 6.3 can"


def why_no_controller(name):
    """Says why this layout cannot limit with the controller, or None if it can."""
    if name in controllers():
        return None
    bound = [line.split(":") for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    on_v1 = any(name in names.split(",") for _, names, _ in bound)
    if host_layout() == "v2":
        return f"cgroup2 here lacks the controller {name}{', which is bound to v1' if on_v1 else ''}"
    return f"no v1 hierarchy here has the controller {name}"


def _cgroup_paths(pid):
    """By controller, "name=…" of a v1 hierarchy without one, "" for cgroup2."""
    paths = {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        paths.update((name, path.lstrip("/")) for name in names.split(","))
    return paths


def cgroup_of(pid, controller):
    """The directory of pid's cgroup for controller under /sys/fs/cgroup."""
    v2, paths = host_layout() == "v2", _cgroup_paths(pid)
    assert ("" if v2 else controller) in paths, f"process {pid} is in no cgroup of {controller}"
    return CGROUP / paths[""] if v2 else CGROUP / controller / paths[controller]


def entrances(pid):
    """What a process opens to come into the cgroups of pid: `tasks` of each of v1, the directory of cgroup2."""
    paths = {name.removeprefix("name="): path for name, path in _cgroup_paths(pid).items()}
    places = [point / paths.get(point.name.split(",")[0], paths.get("", "")) for point in hierarchies()]
    return [place / "tasks" if (place / "tasks").exists() else place for place in places]
