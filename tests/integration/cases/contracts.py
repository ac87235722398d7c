"""What runc's and crun's callers rely on to the letter: words that they look for, statuses, odd input that has always worked."""
import json
import pathlib
import shutil
import socket
import subprocess

from harness.cases import case, tool
from harness.checks import contains, equal, eventually, fails, lacks, succeeds


def named(t, name):
    """The runtime as a file of that name."""
    place = t.directory / "named"
    place.mkdir(exist_ok=True)
    return pathlib.Path(shutil.copy2(t.runtime, place / name))


@case("--help names the program and the verb in its first lines", runc="names itself runc")
def _(t):
    lines = succeeds(t.call("--help")).out.splitlines()
    equal(lines[0], "NAME:")
    contains(lines[1], "gpurun - Open Container Initiative runtime")
    for verb in ("checkpoint", "delete", "events", "exec", "kill", "list", "pause", "restore", "resume", "spec", "start", "run", "state", "update"):
        contains(succeeds(t.call(verb, "-h")).out.splitlines()[1], f"gpurun {verb} - ")
    fails(t.call("foo", "-h"), "No help topic for 'foo'", 'unknown command "foo"')


@case("in the place of runc or crun gpurun goes by that name", runc="is always runc")
def _(t):
    for name in ("runc", "crun"):
        t.runtime = named(t, name)
        contains(succeeds(t.call("--version")).out, f"{name} version ")
        for verb in ("kill", "run"):
            contains(succeeds(t.call(verb, "--help")).out, f"{name} {verb} - ")
    contains(succeeds(t.call("delete", "--help")).out, "Usage: crun [OPTION...] delete CONTAINER")
    contains(succeeds(t.call("update", "--help")).out, "Usage: crun [OPTION...] update [OPTION]... CONTAINER")


@case("a container may be called like a verb")
def _(t):
    for name in ("exec", "list"):
        c = t.container("sleep", "100")
        c.id = name
        c.started()
        equal(c.status(), "running")
        equal(succeeds(c.exec("echo", "run")).out, "run\n")
        succeeds(c.delete("--force"))


@case("signal 0 asks whether the container runs")
def _(t):
    c = t.container("sleep", "100").started()
    succeeds(c.verb("kill", "0"))
    succeeds(c.verb("kill", "KILL"))
    eventually(lambda: c.status() == "stopped", "the container stops")
    fails(c.verb("kill", "0"), "container not running")
    succeeds(t.call("kill", "--all", c.id, "0"))


@case("list fails for a directory that was named and is not there, and does not make it", runc="only since 1.1.13")
def _(t):
    t.state_root = t.directory / "nowhere"
    fails(t.call("list"), "nowhere", "no such file or directory")
    assert not t.state_root.exists(), "list made the directory"


@case("ps keeps the columns of ps", needs=[tool("ps")])
def _(t):
    c = t.container("sleep", "100").started()
    lines = succeeds(t.call("ps", c.id, "-e", "-x")).out.splitlines()
    assert lines[0].startswith(" ") and " PID TTY " in lines[0], lines


@case("exec --cap ignores a capability that nobody knows, with a warning")
def _(t):
    c = t.container("sleep", "100").started()
    contains(succeeds(c.exec("true", flags=("--cap", "CAP_UNKNOWN"))).err, "CAP_UNKNOWN")


@case("exec --cap makes a capability ambient that the config has as inheritable")
def _(t):
    c = t.container("sleep", "100")
    c.process["capabilities"] = {"bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_FOWNER"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
                                 "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN", "CAP_FOWNER"], "ambient": ["CAP_CHOWN"]}
    c.started()
    contains(succeeds(c.exec("grep", "CapAmb", "/proc/self/status")).out, "0000000000000001")
    contains(succeeds(c.exec("grep", "CapAmb", "/proc/self/status", flags=("--cap", "CAP_FOWNER"))).out, "0000000000000009")


@case("an empty HOME is the user's, also after another one")
def _(t):
    c = t.container(sh="echo $HOME")
    c.process["env"] += ["HOME=/elsewhere", "HOME="]
    equal(succeeds(c.run()).out, "/root\n")


@case("startContainer hooks have the program's environment, with its HOME")
def _(t):
    c = t.container("true")
    c.process["env"] = ["PATH=/bin", "ONE=two"]
    c.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-euc", "test $ONE = two; test $HOME = /root"]}]}
    succeeds(c.run())


@case("exec --cgroup says what is wrong with the path", runc="only since 1.1.10")
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.exec("true", flags=("--cgroup", "..")), "bad sub cgroup path")
    fails(c.exec("true", flags=("--cgroup", "nowhere")), " adding pid ", " to cgroups", "no such file or directory")


@case("exec --cgroup names an unknown controller", modes=("v1", "hybrid"))
def _(t):
    c = t.container("sleep", "100").started()
    fails(c.exec("true", flags=("--cgroup", "whatever:/")), "unknown controller whatever")


@case("unified limits on cgroup v1 are an invalid configuration", modes=("v1",))
def _(t):
    c = t.container("true")
    c.linux["resources"]["unified"] = {"memory.min": "131072"}
    fails(c.run(), "invalid configuration", "linux.resources.unified.memory.min")


@case("exec follows an init that has left for another cgroup, when its own is gone", modes=("v2",), runc="only since 1.5")
def _(t):
    other = pathlib.Path("/sys/fs/cgroup") / f"{t.name}-other"
    other.mkdir()
    try:
        c = t.container(sh=f"echo 1 > {other}/cgroup.procs && exec sleep 100")
        c.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "bind", "source": "/sys/fs/cgroup", "options": ["rbind", "rw"]})
        c.started()
        own = pathlib.Path("/sys/fs/cgroup") / c.linux["cgroupsPath"].lstrip("/")
        eventually(lambda: (other / "cgroup.procs").read_text(), "init moves")
        own.rmdir()
        equal(succeeds(c.exec("cat", "/proc/self/cgroup")).out.splitlines()[-1], f"0::/{other.name}")
        c.delete("--force")
    finally:
        eventually(lambda: not (other / "cgroup.procs").read_text(), "the cgroup is empty")
        other.rmdir()


@case("a device rule's access may have an a, which grants nothing")
def _(t):
    c = t.container(sh="true < /dev/kmsg")
    c.linux["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]
    c.linux["resources"]["devices"].append({"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwa"})
    fails(c.run(), "operation not permitted")


@case("SCHED_DEADLINE beside a cpuset is explained", modes=("v1", "hybrid"), runc="only since 1.2")
def _(t):
    c = t.container("true")
    c.linux["resources"]["cpu"] = {"cpus": "0"}
    c.process["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 42000, "deadline": 1000000, "period": 1000000}
    fails(c.run(), "process scheduler can't be used together with AllowedCPUs")


SYSLOG = """mount -t tmpfs dev /dev && ln -s "$1" /dev/log && shift && exec "$@\""""
JOURNAL = """mount -t tmpfs run /run && mkdir -p /run/systemd/journal && ln -s "$1" /run/systemd/journal/socket && shift && exec "$@\""""


@case("--log knows files, syslog and the journal as crun does", runc="knows files only")
def _(t):
    for kind, script in (("syslog", SYSLOG), ("journald", JOURNAL)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            place = t.directory / kind
            server.bind(str(place))
            fails(t.call("state", "nobody", global_args=("--log", f"{kind}:tester"), prefix=("unshare", "--mount", "sh", "-c", script, "sh", str(place))),
                  "does not exist")
            server.settimeout(5)
            said = server.recv(4096).decode()
            contains(said, "tester")
            contains(said, "<11>tester[" if kind == "syslog" else "PRIORITY=3\n")
            contains(said, "container does not exist")
    log = t.directory / "some:log"
    fails(t.call("state", "nobody", global_args=("--log", f"file:{log}")), "does not exist")
    fails(t.call("state", "nobody", global_args=("--log", log)), "does not exist")
    equal(len(log.read_text().splitlines()), 2)
    fails(t.call("list", global_args=("--log", "invalid:/path")), "open log invalid:/path")


@case("mounts add binds and mounts tmpfs in a container that runs, mounts remove takes them away", runc="has no such verb")
def _(t):
    contains(succeeds(t.call("mounts", "--help")).out, "Usage: gpurun [OPTION...] mounts [add|remove] CONTAINER FILE")
    volume = t.directory / "volume"
    volume.mkdir()
    (volume / "file").write_text("added\n")
    c = t.container("sleep", "100").started()
    listed = t.directory / "mounts.json"
    entries = [{"destination": "/data/volume", "type": "bind", "source": str(volume), "options": ["rbind", "ro"]},
               {"destination": "/data/file", "source": str(volume / "file"), "options": ["bind"]},
               {"destination": "/data/tmpfs", "type": "tmpfs", "source": "tmpfs", "options": ["size=4k", "nosuid"]}]
    for text in (entries, {"mounts": entries}):
        listed.write_text(json.dumps(text))
        succeeds(t.call("mounts", "add", c.id, listed))
        equal(succeeds(c.exec("cat", "/data/volume/file", "/data/file")).out, "added\nadded\n")
        fails(c.exec("touch", "/data/volume/other"), "read-only file system")
        contains(succeeds(c.exec("mount")).out, "tmpfs on /data/tmpfs type tmpfs (rw,nosuid,relatime,size=4k")
        succeeds(c.exec("touch", "/data/file"))
        succeeds(t.call("mounts", "remove", c.id, listed))
        equal(succeeds(c.exec("sh", "-c", "cat /data/volume/* /data/file; ls /data")).out, "file\ntmpfs\nvolume\n")
    fails(t.call("mounts", "remove", c.id, listed), 'no mount at "/data/volume"')
    listed.write_text(json.dumps([{"destination": "/x", "type": "proc", "source": "proc"}]))
    fails(t.call("mounts", "add", c.id, listed), "only binds and tmpfs can be added")
    listed.write_text(json.dumps([entries[0], {**entries[1], "source": "/nowhere"}]))
    fails(t.call("mounts", "add", c.id, listed), "/nowhere")
    lacks(succeeds(c.exec("mount")).out, "/data")


@case("a user namespace without mappings has the caller as its root, with a warning", runc="refuses it")
def _(t):
    c = t.container(sh="id -u; cat /proc/self/uid_map")
    c.linux["namespaces"].append({"type": "user"})
    c.linux["resources"] = {}
    result = succeeds(c.run())
    equal(result.out.split(), ["0", "0", "0", "1"])
    contains(result.err, "linux.uidMappings and gidMappings are missing")


@case("descriptors after a gap are not passed on, nor is one of gpurun's", runc="stops at the gap")
def _(t):
    c = t.container("ls", "/proc/self/fd")
    held = ("sh", "-c", 'exec 3</dev/null 4<&- 5</dev/null; exec "$@"', "sh")
    # ls has the directory open as 4.
    equal(succeeds(c.run("--preserve-fds", "50", prefix=held)).out.split(), ["0", "1", "2", "3", "4"])


@case("LISTEN_FDS of descriptors that are closed is passed on with a warning", runc="fails")
def _(t):
    c = t.container(sh="echo $LISTEN_PID; ls /proc/self/fd | wc -l")
    result = succeeds(c.run(prefix=("env", "LISTEN_FDS=1")))
    equal(result.out.split(), ["1", "4"])
    contains(result.err, "1 descriptors are to be passed on, 0 are open")


@case("unified limits that cannot be are refused in crun's words", modes=("v2",), runc="has words of its own")
def _(t):
    for entry, words in (("foo.bar", "the requested cgroup controller `foo` is not available"),
                         ("NOT-A-VALID-KEY", "the specified key has not the form CONTROLLER.VALUE `NOT-A-VALID-KEY`"),
                         ("hugetlb.nonsense", "no such file or directory")):
        c = t.container("true")
        c.linux["resources"]["unified"] = {entry: "1"}
        fails(c.run(), words)


@case("an id begins with no dot, and what is wrong with one is said", runc="allows it, in other words")
def _(t):
    for identity in (".", "..", ".foo", "foo bar", "this/is/invalid"):
        fails(t.call("create", identity), "invalid container ID", "invalid character")


@case("a failing poststop hook is a warning in crun's words, and the next one runs", runc="has other words")
def _(t):
    c = t.container("true")
    c.config["hooks"] = {"poststop": [{"path": "/bin/false"}, {"path": "/bin/touch", "args": ["touch", str(t.directory / "ran")]}]}
    contains(succeeds(c.run()).err, "poststop hook failed with exit code")
    assert (t.directory / "ran").exists()


COMPLETE = """source /dev/stdin; compopt() { :; }; COMP_WORDS=(gpurun "$@") COMP_CWORD=$#; _gpurun; echo "${COMPREPLY[@]}\""""


@case("bash completes verbs, those behind gpu and mounts as well, and their options", needs=[tool("bash")], runc="has other completions")
def _(t):
    script = succeeds(t.call("completion", "bash")).out
    for line, wanted in (("crea", "create"), ("gpu cre", "create-nodes"), ("gpu cdi gen", "generate"), ("mounts rem", "remove"),
                         ("gpu cdi list --fo", "--format"), ("--debug gpu cdi transform r", "root"), ("update --pids", "--pids-limit")):
        words = subprocess.run(["bash", "-c", COMPLETE, "bash", *line.split()], input=script, capture_output=True, text=True, check=True)
        equal((words.stdout.strip(), words.stderr), (wanted, ""), line)
    for shell in ("zsh", "fish"):
        contains(succeeds(t.call("completion", shell)).out, "create-nodes")


@case("an annotation of crun's that gpurun does not heed is a warning", runc="heeds none of them")
def _(t):
    for key in ("run.oci.delegate-cgroup", "run.oci.systemd.subgroup", "run.oci.systemd.force_cgroup_v1", "run.oci.timens_offset"):
        c = t.container("true")
        c.config["annotations"] = {key: "x"}
        contains(succeeds(c.run()).err, f"ignoring annotation {key}")
