"""SCMP_ACT_NOTIFY: an agent on the host answers system calls of the container. config-linux.md#seccomp"""
import array
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import threading

from harness.cases import case
from harness.checks import contains, equal, fails, succeeds

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # ioctls of seccomp_unotify(2)
CONTINUE = 1
ENOMEDIUM = 123


class Agent:
    """Listens, takes one container process state per connection, and lets each system call go on, or fails the one called mkdir."""

    def __init__(self, path):
        self.states, self.calls = [], []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path).replace("@", "\0", 1) if str(path).startswith("@") else str(path))
        self.server.listen(4)
        self.wake, self.end = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        listeners = []
        while True:
            ready, _, _ = select.select([self.server, self.wake, *listeners], [], [])
            if self.wake in ready:
                for listener in listeners:
                    os.close(listener)
                return
            if self.server in ready:
                listeners.append(self._accept())
            for listener in [one for one in ready if one in listeners]:
                if not self._answer(listener):
                    listeners.remove(listener)
                    os.close(listener)

    def _accept(self):
        connection, _ = self.server.accept()
        text, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
        while chunk := connection.recv(65536):
            text += chunk
        connection.close()
        self.states.append(json.loads(text))
        numbers = array.array("i")
        numbers.frombytes(ancillary[0][2][:4])
        return numbers[0]

    def _answer(self, listener):
        if self._is_over(listener):
            return False  # before Linux 6.11 asking it would wait for ever
        question = bytearray(80)
        try:
            fcntl.ioctl(listener, NOTIF_RECV, question)
            identity, = struct.unpack_from("Q", question)
            number, = struct.unpack_from("i", question, 16)
            self.calls.append(number)
            refused = number in (83, 258)  # mkdir, mkdirat
            answer = struct.pack("QqiI", identity, 0, -ENOMEDIUM if refused else 0, 0 if refused else CONTINUE)
            fcntl.ioctl(listener, NOTIF_SEND, bytearray(answer))
        except OSError:
            return not self._is_over(listener)
        return True

    @staticmethod
    def _is_over(listener):
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def close(self):
        os.write(self.end, b"x")
        self.thread.join(5)
        self.server.close()
        os.close(self.wake)
        os.close(self.end)


def on_x86_64():
    return None if os.uname().machine == "x86_64" and ctypes.sizeof(ctypes.c_void_p) == 8 else "the agent knows x86-64's numbers only"


def notifying(t, *names, sh="mkdir /tmp/x", no_new_privileges=False):
    c = t.container(sh=sh)
    c.process["noNewPrivileges"] = no_new_privileges
    c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                          "listenerPath": str(t.directory / "agent.sock"), "listenerMetadata": "bar",
                          "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}]}
    return c


NNP = "noNewPrivileges true", "noNewPrivileges false"


def each(t):
    """The filter is loaded with and without no_new_privs by different privileges."""
    for name, value in zip(NNP, (True, False)):
        agent = Agent(t.directory / "agent.sock")
        try:
            yield name, value, agent
        finally:
            agent.close()
            os.unlink(t.directory / "agent.sock")


@case("an agent answers system calls of run, and learns whose they are", needs=[on_x86_64])
def _(t):
    for name, value, agent in each(t):
        c = notifying(t, "mkdir", no_new_privileges=value)
        contains(c.run().err, "No medium found", name)
        state, = agent.states
        equal((state["fds"], state["metadata"], state["state"]["id"], state["state"]["bundle"]), (["seccompFd"], "bar", c.id, str(c.bundle)), name)
        assert state["pid"] > 1 and state["pid"] == state["state"]["pid"], state


@case("an agent answers system calls of a container that was created first", needs=[on_x86_64])
def _(t):
    for name, value, agent in each(t):
        c = notifying(t, "mkdir", sh="mkdir /tmp/x 2>&1", no_new_privileges=value)
        c.create()
        pid = c.pid()
        c.start()
        equal(c.wait(pid), 1, name)
        contains(c.output(), "No medium found", name)
        equal(agent.states[0]["pid"], pid, name)


@case("the agent may listen at an abstract address, and be named by an annotation or the environment", needs=[on_x86_64],
      runc="knows linux.seccomp.listenerPath only")
def _(t):
    address = f"@gpurun-test-{os.getpid()}"
    for how in ("listenerPath", "annotation", "environment"):
        agent = Agent(address)
        try:
            c = notifying(t, "mkdir")
            seccomp = c.linux["seccomp"]
            del seccomp["listenerPath"], seccomp["listenerMetadata"]
            if how == "listenerPath":
                seccomp["listenerPath"] = address
            if how == "annotation":
                c.config["annotations"] = {"run.oci.seccomp.receiver": address}
            environment = {"RUN_OCI_SECCOMP_RECEIVER": address} if how == "environment" else {}
            contains(c.run(env={**os.environ, **environment}).err, "No medium found", how)
        finally:
            agent.close()


@case("an agent answers system calls of exec, and learns the process and the container", needs=[on_x86_64])
def _(t):
    for name, value, agent in each(t):
        c = notifying(t, "mkdir", sh="sleep 100", no_new_privileges=value).started()
        contains(c.exec("mkdir", "/tmp/x").err, "No medium found", name)
        first, second = agent.states
        equal(second["state"]["pid"], c.pid(), name)
        assert second["pid"] not in (first["pid"], c.pid()), second
        c.kill()


@case("an agent may be asked about the very calls that hand its listener over", needs=[on_x86_64],
      runc="calls sendmsg and others behind the filter")
def _(t):
    calls = ("sendmsg", "recvmsg", "sendto", "close", "openat", "open", "read", "execve", "execveat", "capset", "prctl", "setresuid", "futex",
             "fcntl", "poll", "accept4", "getcwd", "rt_sigaction", "munmap")
    for name, value, agent in each(t):
        c = notifying(t, *calls, sh="echo fine", no_new_privileges=value)
        equal(succeeds(c.run()).out, "fine\n", name)
        assert 59 in agent.calls, (name, agent.calls)
        c = notifying(t, *calls, sh="echo fine", no_new_privileges=value)
        c.create()
        pid = c.pid()
        c.start()
        equal(c.wait(pid), 0, name)


@case("without an agent or its path the container is refused")
def _(t):
    fails(notifying(t, "mkdir").run(), "failed to connect with seccomp agent")
    c = notifying(t, "mkdir")
    c.create()
    fails(c.verb("start"), "failed to connect with seccomp agent")
    c = notifying(t, "mkdir")
    del c.linux["seccomp"]["listenerPath"], c.linux["seccomp"]["listenerMetadata"]
    fails(c.run(), "listenerPath")
    c = notifying(t, "mkdir")
    del c.linux["seccomp"]["listenerPath"]
    fails(c.run(), "listenerMetadata")
    fails(notifying(t, "write").run(), "SCMP_ACT_NOTIFY cannot be used for the write syscall")


@case("when the agent goes, its system calls are not there", needs=[on_x86_64])
def _(t):
    for name, value, agent in each(t):
        c = notifying(t, "mkdir", sh="while [ ! -e /tmp/gone ]; do usleep 1000; done; mkdir /tmp/x 2>&1", no_new_privileges=value)
        c.create()
        pid = c.pid()
        c.start()
        agent.close()
        agent.close = lambda: None
        (c.rootfs / "tmp/gone").touch()
        equal(c.wait(pid), 1, name)
        contains(c.output(), "Function not implemented", name)


@case("startContainer hooks are held by the filter too")
def _(t):
    for value in (True, False):
        c = t.container("true")
        c.process["noNewPrivileges"] = value
        c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        c.config["hooks"] = {"startContainer": [{"path": "/bin/mkdir", "args": ["mkdir", "/tmp/x"]}]}
        fails(c.run(), "error running startContainer hook #0: signal: bad system call")


@case("a profile need only allow what the program calls, and capset", needs=[on_x86_64], runc="needs calls of its own after the filter")
def _(t):
    # What busybox's true needs, beyond execve.
    names = ["execve", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlinkat", "readlink", "getrandom", "brk",
             "mprotect", "prctl", "exit_group", "uname", "getuid", "setuid", "setgid", "getgid", "mmap", "newfstatat"]
    for value in (True, False):
        c = t.container("true")
        c.process["noNewPrivileges"] = value
        c.linux["seccomp"] = {"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_X86_64"],
                              "syscalls": [{"names": names + ([] if value else ["capset"]), "action": "SCMP_ACT_ALLOW"}]}
        c.create()
        pid = c.pid()
        c.start()
        equal(c.wait(pid), 0, f"noNewPrivileges {value}")
