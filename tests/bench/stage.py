"""Where the measurements happen: bundles, the driver that starts and times, and calls of each runtime that must succeed."""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import time

from harness import bundle, environment

HERE = pathlib.Path(__file__).resolve().parent
PROOF = ["/bin/proof", "/ran"]
SLEEP = ["/bin/sleep", "100000"]


class Failed(Exception):
    """A runtime can't do this here."""


class Runtime:
    def __init__(self, name, program):
        self.name = name
        self.program = pathlib.Path(program).resolve()

    @staticmethod
    def named(text):
        name, _, program = text.rpartition("=")
        found = shutil.which(program)
        if not found:
            raise SystemExit(f"tests/bench/run: no program {program}")
        return Runtime(name or pathlib.Path(found).name, found)


def build_programs(directory):
    """The driver, the containers' program, and what does the kernel's part of a container or of an exec alone."""
    for name in ("spawn", "floor"):
        subprocess.run(["g++", "-O1", "-std=c++20", "-static", "-o", directory / name, HERE / f"{name}.cpp"], check=True)
    for name in ("proof", "enter"):
        subprocess.run(["g++", "-O1", "-std=c++20", "-static", "-nostdlib", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
                        "-Wl,-z,noseparate-code", "-o", directory / name, HERE / f"{name}.cpp"], check=True)
    return directory


class Stage:
    """One directory with a root file system and bundles; `programs` is what build_programs made, `samples` says how often each thing is done."""

    def __init__(self, directory, programs, runtimes, samples):
        self.directory = directory
        self.programs = programs
        self.runtimes = runtimes
        self.samples = samples
        self.problems = set()
        self.broken = False
        self.caches = True  # False: what a runtime keeps for its next containers is removed before each start
        self.rootfs = directory / "rootfs"
        self.rootfs.mkdir()
        bundle.make_rootfs(self.rootfs, directory / "busybox")
        shutil.copy2(programs / "proof", self.rootfs / "bin")
        self.ran = self.rootfs / "ran"
        self.ran.touch()
        self.driver = subprocess.Popen([programs / "spawn"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(directory / "errors", "wb"), text=True)
        self.bundles = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.stdin.close()
        self.driver.wait()

    def config(self, args, change=None):
        config = bundle.default_config(args, None)
        del config["linux"]["cgroupsPath"]  # each container has the runtime's default
        config["root"] = {"path": str(self.rootfs), "readonly": False}
        config["mounts"].append(bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"))
        if change:
            change(config)
        return config

    def bundle(self, args, change=None):
        """A bundle directory; all share the root file system."""
        self.bundles += 1
        path = self.directory / f"bundle{self.bundles}"
        path.mkdir()
        (path / "config.json").write_text(json.dumps(self.config(copy.copy(args), change)))
        return path

    def ask(self, *words):
        self.driver.stdin.write("\t".join(map(str, words)) + "\n")
        self.driver.stdin.flush()
        return self.driver.stdout.readline().rstrip("\n").split("\t")

    def root_of(self, runtime):
        return self.directory / f"state-{runtime.name}"

    def command(self, runtime, *args):
        return [str(runtime.program), "--root", str(self.root_of(runtime)), *map(str, args)]

    def time_program(self, command, gap, proof=False, name=None):
        """Milliseconds from before its start to after its end; Failed when it fails or the containers' program did not run."""
        taken, status, proofs = self.ask("time", gap, self.ran if proof else "-", *command)
        if status != "0" or (proof and proofs != "1"):
            why = f"status {status}" if status != "0" else f"{proofs} containers ran"
            raise Failed(f"{name or command[0]}: {why}: {self.last_error()}")
        return int(taken) / 1e6

    def entering(self, pid):
        """The command that does what no exec can do without, in the container whose init is pid."""
        bounding = int(_field(pid, "CapBnd"), 16)
        return [self.programs / "enter", pid, bounding, *environment.entrances(pid), "--", *PROOF]

    def time(self, runtime, *args, gap=0, proof=False):
        """Milliseconds that this call of the runtime took; Failed when it fails or its container did not run."""
        if not self.caches:
            shutil.rmtree(self.root_of(runtime) / ".cache", ignore_errors=True)  # crun's compiled seccomp filters
        return self.time_program(self.command(runtime, *args), gap, proof, f"{runtime.name} {args[0]}")

    def peak(self, runtime, *args, proof=False):
        """Peak resident KB of the runtime's own process."""
        peak, status, proofs = self.ask("memory", self.ran if proof else "-", *self.command(runtime, *args))
        if status != "0" or (proof and proofs != "1"):
            raise Failed(f"{runtime.name} {args[0]}: status {status}: {self.last_error()}")
        return int(peak)

    def output(self, runtime, *args):
        status, text = self.ask("output", *self.command(runtime, *args))
        return int(status), text

    def parallel(self, runtime, workers, count, *args):
        """Milliseconds per container."""
        taken, failed, proofs = self.ask("parallel", workers, count, self.ran, *self.command(runtime, *args))
        if failed != "0" or proofs != str(count):
            raise Failed(f"{runtime.name}: of {count} containers {failed} failed, {proofs} ran: {self.last_error()}")
        return int(taken) / 1e6 / count

    def floor(self, workers, count):
        """Milliseconds per container that the kernel takes for its cgroups and namespaces alone."""
        done = subprocess.run([self.programs / "floor", str(workers), str(count), f"bench-floor-{os.getpid()}", *environment.hierarchies()],
                              check=True, stdout=subprocess.PIPE, text=True)
        return int(done.stdout) / 1e6 / count

    def state(self, runtime, identity):
        status, text = self.output(runtime, "state", identity)
        return json.loads(text) if status == 0 else {}

    def await_stopped(self, runtime, identity):
        for _ in range(400):
            pid = self.state(runtime, identity).get("pid", 0)
            if pid == 0 or not os.path.exists(f"/proc/{pid}/ns/pid") or "Z" in _status(pid):
                return
            time.sleep(0.005)
        raise Failed(f"{runtime.name}: {identity} does not end")

    def remove(self, runtime, identity):
        self.output(runtime, "delete", "--force", identity)

    def last_error(self):
        lines = (self.directory / "errors").read_text(errors="replace").splitlines()
        return lines[-1][:200] if lines else ""

    def each(self, times, sample, title):
        """Calls sample(runtime, turn) for every runtime in turn; a runtime that can't do it is left out from then on."""
        able = list(self.runtimes)
        for turn in range(times):
            for runtime in list(able[turn % max(len(able), 1):] + able[:turn % max(len(able), 1)]):
                try:
                    sample(runtime, turn)
                except Failed as failure:
                    able.remove(runtime)
                    self.problems.add(f"{title}: left out: {failure}")
                    self.broken = self.broken or runtime is self.runtimes[0]


def _status(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _field(pid, name):
    return next(line.split()[1] for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
