"""Terminals: the console socket of engines, and the caller's own terminal."""
import os
import pty
import select
import socket
import struct
import termios
import fcntl
import time

from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds


class Console:
    """An engine's end of the console socket: receives the pty master."""

    def __init__(self, t):
        self.path = t.directory / f"console{len(t.trace)}.sock"
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(self.path))
        self.server.listen(1)
        self.server.settimeout(10)

    def master(self):
        connection, _ = self.server.accept()
        message, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        equal(len(fds), 1, "number of descriptors")
        assert message, "the message is empty"
        connection.close()
        return fds[0]


def read_until(fd, part, seconds=10):
    """Reads from a terminal until part came or it was hung up."""
    text, end = "", time.monotonic() + seconds
    while part is None or part not in text:
        ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        assert ready, f"no {part!r} within {seconds} s: {text!r}"
        try:
            got = os.read(fd, 4096)
        except OSError:  # EIO: the other side is closed
            break
        if not got:
            break
        text += got.decode(errors="replace")
    return text


def terminal_container(t, sh):
    c = t.container(sh=sh)
    c.process["terminal"] = True
    return c


@case("create sends the terminal's master over the console socket")
def _(t):
    c = terminal_container(t, "test -t 0 && test -t 1 && test -t 2 && tty && echo done")
    console = Console(t)
    c.create("--console-socket", console.path)
    master = console.master()
    c.start()
    text = read_until(master, "done")
    contains(text, "/dev/pts/0")
    os.close(master)


@case("the terminal is /dev/console and the controlling one")
def _(t):
    c = terminal_container(t, "echo one > /dev/console; echo two > /dev/tty; ls -l /dev/console; echo done")
    console = Console(t)
    c.create("--console-socket", console.path)
    master = console.master()
    c.start()
    text = read_until(master, "done")
    contains(text, "one")
    contains(text, "two")
    contains(text, "136,")
    os.close(master)


@case("output passed on to a terminal gets one carriage return a line, not two", runc="turns ONLCR off too late at times")
def _(t):
    c = t.container("sleep", "100").started()
    arguments = [str(t.runtime), "--root", str(t.state_root), "exec", "-t", c.id, "sh", "-c", "echo ready; echo line"]
    text, _ = foreground(t, arguments, b"")
    lacks(text, "\r\r\n")
    contains(text, "line\r\n")


@case("consoleSize sets the window's size")
def _(t):
    c = terminal_container(t, "stty size; echo done")
    c.process["consoleSize"] = {"height": 33, "width": 77}
    console = Console(t)
    c.create("--console-socket", console.path)
    master = console.master()
    c.start()
    contains(read_until(master, "done"), "33 77")
    os.close(master)


@case("exec --tty --detach sends its own terminal")
def _(t):
    c = t.container("sleep", "100").started()
    console = Console(t)
    succeeds(c.exec("sh", "-c", "tty; echo done; sleep 0.1", flags=("--tty", "--detach", "--pid-file", t.directory / "pid", "--console-socket", console.path)))
    master = console.master()
    contains(read_until(master, "done"), "/dev/pts/")
    os.close(master)
    c.wait(int((t.directory / "pid").read_text()))


def foreground(t, arguments, typed, size=(40, 100)):
    """Runs the runtime with a terminal of its own, types and returns what came back and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(arguments[0], arguments)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    text = read_until(fd, "ready")
    os.write(fd, typed)
    text += read_until(fd, None)
    os.close(fd)
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case("run on a terminal passes keys, output and exit code")
def _(t):
    from harness.bundle import write_config
    c = terminal_container(t, "echo ready; read line; echo got $line; exit 4")
    write_config(c.bundle, c.config)
    arguments = [str(t.runtime), "--root", str(t.state_root), "run", "--bundle", str(c.bundle), c.id]
    text, code = foreground(t, arguments, b"keys\r")
    contains(text, "got keys")
    equal(code, 4, "exit code")


@case("control-C on a terminal reaches the container, not the runtime")
def _(t):
    from harness.bundle import write_config
    c = terminal_container(t, "trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.01; done")
    write_config(c.bundle, c.config)
    arguments = [str(t.runtime), "--root", str(t.state_root), "run", "--bundle", str(c.bundle), c.id]
    text, code = foreground(t, arguments, b"\x03")
    contains(text, "interrupted")
    equal(code, 6, "exit code")


@case("exec -t on a terminal passes keys, output and exit code")
def _(t):
    c = t.container("sleep", "100").started()
    arguments = [str(t.runtime), "--root", str(t.state_root), "exec", "-t", c.id, "sh", "-c", "echo ready; read line; echo got $line; exit 4"]
    text, code = foreground(t, arguments, b"keys\r")
    contains(text, "got keys")
    equal(code, 4, "exit code")


@case("a console socket that isn't there is refused by name and leaves nothing")
def _(t):
    c = terminal_container(t, "true")
    fails(c.try_create("--console-socket", t.directory / "none.sock"), "none.sock")


@case("run without a terminal forwards signals to the container")
def _(t):
    c = t.container(sh="trap 'exit 8' TERM; echo ready; while :; do usleep 1000; done")
    process = c.run(wait=False)
    from harness.checks import eventually
    eventually(lambda: c.output() == "ready\n", "ready")
    process.terminate()
    equal(process.wait(10), 8, "exit code")


