"""Nothing may remain of a container: no mount, cgroup, process, state or network namespace."""
import os
import pathlib
import signal
import time

from . import environment


def snapshot():
    """What must be the same after a case as before it."""
    return {
        "mounts": sorted(point for point, _ in environment.mounts()),
        "netns": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
    }


def children():
    """Living and dead children of this process: it is the subreaper, so every orphan of a container is among them."""
    pids = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        pids += map(int, (task / "children").read_text().split())
    return pids


def cgroups(name):
    """Cgroup directories of the containers of the case called name, innermost first."""
    found = []
    for top in environment.hierarchies():
        found += [path for path, _, _ in os.walk(top, topdown=False) if f"/{name}-" in path]
    return found


def reap_dead():
    for pid in children():
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def find(test, before):
    """One sentence for each thing that test left behind. Processes and cgroups are removed, so that the next case starts clean."""
    problems = []
    end = time.monotonic() + 1.0
    reap_dead()
    while children() and time.monotonic() < end:  # a killed process needs a moment to die
        time.sleep(0.005)
        reap_dead()
    for pid in children():
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        problems.append(f"process {pid} still lives: {command}")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    for path in cgroups(test.name):
        problems.append(f"cgroup {path} is still there")
        try:
            os.rmdir(path)
        except OSError:
            pass
    after = snapshot()
    for kind, entries in after.items():
        problems += [f"{kind}: {entry} is new" for entry in entries if entries.count(entry) > before[kind].count(entry)]
        problems += [f"{kind}: {entry} is gone" for entry in before[kind] if entry not in entries]
    if test.state_root.exists():
        problems += [f"state: {entry} is still there" for entry in os.listdir(test.state_root) if not entry.startswith(".")]
    return problems
