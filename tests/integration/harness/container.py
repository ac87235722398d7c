"""Calls of the runtime under test, as an engine makes them: output in files, since a container keeps its stdio open."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import time

from . import bundle, leftovers
from .checks import PATIENCE

TIMEOUT = 20 * PATIENCE  # seconds; a call that takes longer hangs


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


class Test:
    """One running case: its directory, its runtime and the containers it made."""

    def __init__(self, runtime, directory: pathlib.Path, name, template):
        self.runtime = runtime
        self.directory = directory
        self.name = name
        self.template = template
        self.state_root = directory / "state"
        self.containers = []
        self.trace = []
        self.calls = set()
        self.reaped = {}
        self.user = None
        directory.mkdir(mode=0o755)

    def become(self, user):
        """From here on every call is made as the ordinary user of user.make(), whose are the test's files too."""
        self.user = user
        self.runtime = pathlib.Path(shutil.copy2(self.runtime, self.directory))  # where it is built may be closed to others
        user.take(self.directory)

    def call(self, *args, stdin=None, env=None, cwd=None, pass_fds=(), before_exec=None, global_args=(), timeout=TIMEOUT, wait=True,
             prefix=(), default_root=False):
        """Runs the runtime; stdin is text. With wait=False the Popen is returned, its output is in
        files. prefix is a command that runs the runtime's. default_root: the runtime chooses where records are."""
        as_user = self.user.prefix if self.user else ()
        root = () if default_root else ("--root", str(self.state_root))
        command = [*as_user, *prefix, str(self.runtime), *root, *map(str, global_args), *map(str, args)]
        number = len(self.trace)
        out, err = self.directory / f"call{number}.out", self.directory / f"call{number}.err"
        self.trace.append(" ".join(command))
        stdin_file = self.directory / f"call{number}.in"
        stdin_file.write_text(stdin or "")
        with open(stdin_file if stdin is not None else os.devnull) as source, open(out, "w") as to_out, open(err, "w") as to_err:
            process = subprocess.Popen(command, stdin=source, stdout=to_out, stderr=to_err, env=env, cwd=cwd, pass_fds=pass_fds,
                                       preexec_fn=before_exec)
        process.out, process.err = out, err
        self.calls.add(process.pid)
        return self.result_of(process, timeout) if wait else process

    def result_of(self, process, timeout=TIMEOUT):
        """Waits for a call of the runtime; in a long one orphans of containers are reaped, as an engine does all the time."""
        end = time.monotonic() + timeout
        while True:
            try:
                code = process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                self.reap_orphans()
                if time.monotonic() > end:
                    process.kill()
                    process.wait()
                    raise AssertionError(f"no answer within {timeout} s: {self.trace[-1]}") from None
        result = Result(code, process.out.read_text(errors="replace"), process.err.read_text(errors="replace"))
        self.trace[-1] += f"  -> {result.code} {result.err.strip()}"
        return result

    def reap_orphans(self):
        for pid in leftovers.children():
            if pid not in self.calls:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    self.reaped[pid] = status

    def orphan(self):
        """An orphan that is ours to reap: the state of a container that has stopped tells no pid any more."""
        return next(iter(self.reaped), None) or next(pid for pid in leftovers.children() if pid not in self.calls)

    def container(self, *args, sh=None, bundle_name=None):
        """A new bundle whose process is args, or a shell that runs sh. Change .config before the first call."""
        command = ["/bin/sh", "-c", sh] if sh is not None else list(args) or ["true"]
        container = Container(self, f"{self.name}-{len(self.containers)}", command)
        self.containers.append(container)
        return container


class Container:
    def __init__(self, test: Test, identity, args):
        self.test = test
        self.id = identity
        self.bundle = test.directory / f"bundle-{identity}"
        self.rootfs = self.bundle / "rootfs"
        self.rootfs.mkdir(parents=True, mode=0o755)
        bundle.make_rootfs(self.rootfs, test.template)
        self.config = bundle.default_config(args, f"/{identity}")
        self.process = self.config["process"]
        self.linux = self.config["linux"]
        self.output_file = self.error_file = None

    def without_namespace(self, kind):
        self.linux["namespaces"] = [entry for entry in self.linux["namespaces"] if entry["type"] != kind]

    def add_capability(self, name):
        for names in self.process["capabilities"].values():
            names.append(name)

    def mount(self, destination, kind, source, *options):
        self.config["mounts"].append(bundle.mount(destination, kind, str(source), *options))

    def _bundle_call(self, verb, *flags, **how):
        if self.config is not None:
            bundle.write_config(self.bundle, self.config)
        if self.test.user:
            self.test.user.take(self.bundle)
        process = self.test.call(verb, "--bundle", self.bundle, *flags, self.id, **{**how, "wait": False})
        self.output_file, self.error_file = process.out, process.err
        return self.test.result_of(process, how.get("timeout", TIMEOUT)) if how.get("wait", True) else process

    def run(self, *flags, **how):
        """`run` in the foreground (or with --detach): the result has the container's output."""
        return self._bundle_call("run", *flags, **how)

    def create(self, *flags, **how):
        result = self._bundle_call("create", *flags, **how)
        assert result.code == 0, f"create failed: {result.err}"
        return result

    def try_create(self, *flags, **how):
        return self._bundle_call("create", *flags, **how)

    def verb(self, name, *rest, **how):
        """Any other verb on this container."""
        return self.test.call(name, self.id, *rest, **how)

    def start(self):
        result = self.verb("start")
        assert result.code == 0, f"start failed: {result.err}"

    def started(self, *flags):
        self.create(*flags)
        self.start()
        return self

    def exec(self, *command, flags=(), **how):
        return self.test.call("exec", *flags, self.id, *command, **how)

    def kill(self, signal="KILL", *flags):
        return self.test.call("kill", *flags, self.id, signal)

    def delete(self, *flags):
        return self.test.call("delete", *flags, self.id)

    def state(self):
        result = self.verb("state")
        assert result.code == 0, f"state failed: {result.err}"
        return json.loads(result.out)

    def status(self):
        return self.state()["status"]

    def pid(self):
        return self.state()["pid"]

    def wait(self, pid=None):
        """Reaps the container's first process as an engine's shim does; returns its exit code (negative: signal)."""
        pid = pid or self.pid() or self.test.orphan()
        status = self.test.reaped.pop(pid) if pid in self.test.reaped else os.waitpid(pid, 0)[1]
        return os.waitstatus_to_exitcode(status)

    def output(self):
        return self.output_file.read_text(errors="replace")

    def errors(self):
        return self.error_file.read_text(errors="replace")
