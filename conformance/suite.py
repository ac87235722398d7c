"""Builds the OCI validation suite, runs one of its programs, and judges what it printed."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

MODULE = "github.com/opencontainers/runtime-tools"
HERE = pathlib.Path(__file__).resolve().parent
BUILDS = HERE.parent / "build/conformance"
# The Go modules that pin a version of the suite: the one that must hold, and the newest.
MODULES = {"reference": HERE, "newest": HERE / "newest"}
TIMEOUT = 60  # seconds for one program
# Names that the suite gives its cgroups. Those of containers are UUIDs, which others may use too.
ITS_OWN = re.compile(r"/(cgrouptest|testdir)(/|$)")
A_UUID = re.compile(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/|$)")


class Unavailable(Exception):
    """The suite can't be built here; the message says why."""


def go(*args, module=HERE, **environment):
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", **environment}
    done = subprocess.run(["go", *args], cwd=module, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"go {args[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return done.stdout


def pinned(version):
    """The commit that a module pins, for people: "0105384f68e1"."""
    return re.search(rf"{MODULE} (\S+)", (MODULES[version] / "go.mod").read_text())[1].rpartition("-")[2]


def build(version):
    """Builds the programs of a version, once for each go.sum; returns their directory."""
    module, directory = MODULES[version], BUILDS / version
    stamp = directory / "stamp"
    wanted = hashlib.sha256((module / "go.sum").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return directory / "suite"
    if not shutil.which("go"):
        raise Unavailable("the go command is not installed (apt-get install golang-go)")
    print(f"# building the OCI validation suite at {pinned(version)}, once: some minutes", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "suite").mkdir(parents=True)
    go("mod", "download", module=module)
    source = pathlib.Path(go("list", "-m", "-f", "{{.Dir}}", MODULE, module=module).strip())
    go("build", "-ldflags=-s -w", "-o", f"{directory}/suite/", f"{MODULE}/validation/...", module=module)
    go("build", "-ldflags=-s -w", "-o", f"{directory}/suite/", f"{MODULE}/cmd/runtimetest", module=module, CGO_ENABLED="0")
    for rootfs in source.glob("rootfs-*.tar.gz"):
        shutil.copy(rootfs, directory / "suite")
    stamp.write_text(wanted)
    return directory / "suite"


def programs(directory):
    return sorted(entry.name for entry in directory.iterdir() if os.access(entry, os.X_OK) and entry.name != "runtimetest")


def judge(program, code, output):
    """The verdict of one run: "pass", or "FAIL" with assertions or exit code in parentheses."""
    if code != 0:
        return f"FAIL(rc{code})"
    if program.startswith("process_") and program.endswith("_fail"):
        # These print the TAP of a helper that must not have run at all.
        return "FAIL" if re.search(r"^ok ", output, re.MULTILINE) else "pass"
    good = len(re.findall(r"^ok ", output, re.MULTILINE))
    bad = len(re.findall(r"^not ok ", output, re.MULTILINE))
    if bad:
        return f"FAIL({good}/{good + bad})"
    if good == 0:
        # No assertions: the only sign of failure is an error in a YAML block.
        return "FAIL" if '"error"' in output else "pass"
    return "pass"


def evidence(verdict, output):
    """The line of a failing program's output that says most about why, at most 200 characters."""
    if verdict == "pass":
        return ""
    # Without the time, which would make each run's matrix another one.
    printed = [re.sub(r'^time="[^"]*" ', "", line.strip()) for line in output.splitlines() if line.strip()]
    empty = re.compile(r"Refer to: |exit status \d+$|1\.\.\d+$|TAP version|ok |\.{3}$|---$|level=warning")
    lines = [line for line in printed if not empty.match(line)]
    for telling in (r"not ok ", r'"error"', r"gpurun: |level=error|.*level=error|.*error"):
        found = [line for line in lines if re.match(telling, line)]
        if found:
            return found[0].removesuffix(",")[:200]
    return (lines or printed or [""])[-1][:200]


def run_program(directory, program, runtime, scratch):
    """Runs one program in its own mount namespace, with a /dev/null and a scratch directory of its own. Returns (verdict, output)."""
    prepare = ('mount -t tmpfs tmpfs "$1" && mknod -m 666 "$1/null" c 1 3 && mount --bind "$1/null" /dev/null && '
               'mount -t tmpfs tmpfs /run && cd "$2" && shift 2 && exec "$@"')
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepare, "sh", scratch, directory, directory / program]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "RUNTIME": str(runtime), "TMPDIR": str(scratch), "HOME": "/root"}
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            code = 124
    return judge(program, code, output), output


def cgroups(hierarchies, pattern):
    """Existing cgroup directories whose path matches pattern, innermost first."""
    return [path for top in hierarchies() for path, _, _ in os.walk(top, topdown=False) if pattern.search(path.removeprefix(str(top)))]


def remove_cgroup(path):
    try:
        os.rmdir(path)
    except OSError:
        pass  # Not empty or gone: not ours to force.


def clear_before(hierarchies):
    """Ends what an interrupted run left in the suite's own cgroups: its programs find them populated and fail."""
    found = cgroups(hierarchies, ITS_OWN)
    for path in found:
        for pid in map(int, pathlib.Path(path, "cgroup.procs").read_text().split()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    end = time.monotonic() + 2
    while found and time.monotonic() < end:
        for path in found:
            remove_cgroup(path)
        found = [path for path in found if os.path.isdir(path)]
        time.sleep(0.01)
    if found:
        print(f"# left by an earlier run and not removable: {' '.join(found)}", flush=True)
    return set(cgroups(hierarchies, A_UUID))


def clean_up(children, hierarchies, before):
    """Kills what the programs left running and removes their cgroups; this process is the subreaper. before: what clear_before saw."""
    for pid in children():
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    for path in cgroups(hierarchies, ITS_OWN) + [path for path in cgroups(hierarchies, A_UUID) if path not in before]:
        remove_cgroup(path)
