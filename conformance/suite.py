"""Builds the OCI validation suite, runs one of its programs, and judges what it printed."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

MODULE = "github.com/opencontainers/runtime-tools"
HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build/conformance"
TIMEOUT = 60  # seconds for one program
# Names that the suite gives its cgroups; container ids are UUIDs.
ITS_CGROUPS = re.compile(r"(cgrouptest|testdir|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$")


class Unavailable(Exception):
    """The suite can't be built here; the message says why."""


def go(*args, **environment):
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", **environment}
    done = subprocess.run(["go", *args], cwd=HERE, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"go {args[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return done.stdout


def build():
    """Builds the programs into build/conformance/suite, once for each go.sum."""
    stamp = BUILD / "stamp"
    wanted = hashlib.sha256((HERE / "go.sum").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return BUILD / "suite"
    if not shutil.which("go"):
        raise Unavailable("the go command is not installed (apt-get install golang-go)")
    print("# building the OCI validation suite, once: some minutes", flush=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    (BUILD / "suite").mkdir(parents=True)
    go("mod", "download")
    source = pathlib.Path(go("list", "-m", "-f", "{{.Dir}}", MODULE).strip())
    go("build", "-ldflags=-s -w", "-o", f"{BUILD}/suite/", f"{MODULE}/validation/...")
    go("build", "-ldflags=-s -w", "-o", f"{BUILD}/suite/", f"{MODULE}/cmd/runtimetest", CGO_ENABLED="0")
    for rootfs in source.glob("rootfs-*.tar.gz"):
        shutil.copy(rootfs, BUILD / "suite")
    stamp.write_text(wanted)
    return BUILD / "suite"


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


def clean_up(children, hierarchies):
    """Kills what a program left running and removes its cgroups; this process is the subreaper."""
    for pid in children():
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    for top in hierarchies():
        for path, _, _ in os.walk(top, topdown=False):
            if ITS_CGROUPS.search(path):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
