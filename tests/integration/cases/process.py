"""The process: user, groups, capabilities, limits, descriptors, seccomp, personality, sysctl."""
import os

from harness.cases import case, kernel_file
from harness.checks import contains, equal, eventually, fails, lacks, succeeds

ALLOW_ALL = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]}


@case("user, group, additional groups and umask are set")
def _(t):
    c = t.container(sh="id -u; id -g; id -G; umask")
    c.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o27}
    lines = succeeds(c.run()).out.splitlines()
    equal([lines[0], lines[1], sorted(lines[2].split(), key=int), int(lines[3], 8)], ["1000", "1001", ["5", "7", "1001"], 0o27])


@case("the caller's groups do not come along")
def _(t):
    c = t.container(sh="grep Groups /proc/self/status")
    equal(succeeds(c.run(before_exec=lambda: os.setgroups([44, 45]))).out.split()[1:], [])


@case("the caller's umask does not come along")
def _(t):
    equal(int(succeeds(t.container(sh="umask").run(before_exec=lambda: os.umask(0o77))).out, 8), 0o22)


@case("HOME comes from the container's passwd when it isn't given")
def _(t):
    c = t.container(sh="echo $HOME")
    c.process["user"] = {"uid": 1000, "gid": 1000}
    equal(succeeds(c.run()).out, "/home\n")


@case("the environment is the one of the config and no more")
def _(t):
    c = t.container(sh="cat /proc/self/environ")
    c.process["env"] += ["HOME=/x", "EMPTY=", "SPACE=a b"]
    got = succeeds(c.run(env={"SECRET": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_PRELOAD": ""})).out
    for entry in ("HOME=/x", "EMPTY=", "SPACE=a b", "TERM=xterm"):
        contains(got.split("\0"), entry)
    lacks(got, "SECRET")


@case("cwd is entered, and made when missing")
def _(t):
    c = t.container(sh="pwd")
    c.process["cwd"] = "/new/place"
    equal(succeeds(c.run()).out, "/new/place\n")


@case("the five capability sets are as asked")
def _(t):
    c = t.container(sh="grep ^Cap /proc/self/status")
    kill, chown = "CAP_KILL", "CAP_CHOWN"
    c.process["capabilities"] = {"bounding": [kill, chown], "permitted": [kill, chown], "effective": [kill, chown], "inheritable": [kill], "ambient": [kill]}
    got = {line.split(":")[0]: int(line.split()[1], 16) for line in succeeds(c.run()).out.splitlines()}
    equal(got, {"CapInh": 1 << 5, "CapPrm": 1 << 5 | 1, "CapEff": 1 << 5 | 1, "CapBnd": 1 << 5 | 1, "CapAmb": 1 << 5})


@case("a user other than root keeps only ambient capabilities")
def _(t):
    c = t.container(sh="grep -E 'Cap(Eff|Prm)' /proc/self/status")
    c.process["user"] = {"uid": 1000, "gid": 1000}
    equal([int(line.split()[1], 16) for line in succeeds(c.run()).out.splitlines()], [0, 0])


@case("an unknown capability is a warning, and the container runs")
def _(t):
    c = t.container("true")
    for names in c.process["capabilities"].values():
        names.append("CAP_TEST")
    succeeds(c.run())


@case("an ambient capability that can't be raised is a warning that says why")
def _(t):
    c = t.container("grep", "CapAmb", "/proc/self/status")
    c.process["capabilities"]["ambient"] = ["CAP_KILL"]
    result = succeeds(c.run())
    contains(result.err, "ignoring ambient capabilities that are not inheritable and permitted as well: CAP_KILL")
    equal(int(result.out.split()[1], 16), 0)


@case("without capabilities in the config there are none")
def _(t):
    c = t.container(sh="grep -E 'Cap(Eff|Bnd)' /proc/self/status")
    c.process["capabilities"] = {}
    equal([int(line.split()[1], 16) for line in succeeds(c.run()).out.splitlines()], [0, 0])


@case("no_new_privileges is set when asked and not otherwise")
def _(t):
    for wanted in (True, False):
        c = t.container(sh="grep NoNewPrivs /proc/self/status")
        c.process["noNewPrivileges"] = wanted
        equal(succeeds(c.run()).out.split()[1], str(int(wanted)))


@case("resource limits hold")
def _(t):
    c = t.container(sh="ulimit -n; ulimit -Hn; ulimit -c")
    c.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    equal(succeeds(c.run()).out.split(), ["512", "1024", "0"])


@case("oom_score_adj is set when given and kept otherwise")
def _(t):
    c = t.container(sh="cat /proc/self/oom_score_adj")
    c.process["oomScoreAdj"] = 555
    equal(succeeds(c.run()).out, "555\n")
    d = t.container(sh="cat /proc/self/oom_score_adj")

    def raised():
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write("77")

    equal(succeeds(d.run(before_exec=raised)).out, "77\n")


@case("the program has only descriptors 0, 1 and 2")
def _(t):
    with open("/etc/hostname", encoding="utf-8") as leaked:
        os.set_inheritable(leaked.fileno(), True)
        out = succeeds(t.container("ls", "/proc/self/fd").run(pass_fds=(leaked.fileno(),))).out
    equal(out.split(), ["0", "1", "2", "3"])  # 3: ls reading the directory


@case("--preserve-fds hands over the descriptors after 2")
def _(t):
    c = t.container("cat", "/proc/self/fd/3")
    (t.directory / "passed").write_text("through fd 3")
    number = os.open(t.directory / "passed", os.O_RDONLY)
    equal(succeeds(c.run("--preserve-fds", "1", before_exec=lambda: os.dup2(number, 3), pass_fds=(3,))).out, "through fd 3")
    os.close(number)


@case("LISTEN_FDS hands over sockets, with LISTEN_PID 1")
def _(t):
    c = t.container(sh="echo $LISTEN_FDS $LISTEN_PID; cat /proc/self/fd/3")
    (t.directory / "passed").write_text("through fd 3")
    number = os.open(t.directory / "passed", os.O_RDONLY)
    activated = ("sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh")
    equal(succeeds(c.run(prefix=activated, before_exec=lambda: os.dup2(number, 3), pass_fds=(3,))).out, "1 1\nthrough fd 3")
    os.close(number)


@case("signals blocked or ignored by the caller are normal in the container", runc="keeps the caller's blocked signals")
def _(t):
    import signal

    def disturbed():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    c = t.container("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status")
    c.create(before_exec=disturbed)
    pid = c.pid()
    c.start()
    c.wait(pid)
    equal([int(line.split()[1], 16) for line in c.output().splitlines()], [0, 0])


@case("seccomp: listed system calls fail with the given errno, others work")
def _(t):
    c = t.container(sh="mkdir /tmp/x; mknod /tmp/y p; echo done")
    c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    result = succeeds(c.run())
    contains(result.err, "No space left on device")
    equal(result.out, "done\n")


@case("seccomp: exec loads the filter that create compiled, and compiles one where none is kept", runc="keeps none")
def _(t):
    records = []
    for name in ("mkdir", "mknod"):
        c = t.container("sleep", "100")
        c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [{"names": [name, name + "at"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
        records.append(t.state_root / f"{c.started().id}.json")
    (config, _, compiled), (_, _, other) = (record.read_bytes().partition(b"\0") for record in records)
    c = t.containers[0]
    refused = "No space left on device"
    contains(c.exec("mkdir", "/tmp/x").err, refused, "as compiled by create")
    records[0].write_bytes(config)
    contains(c.exec("mkdir", "/tmp/x").err, refused, "as compiled by exec")
    records[0].write_bytes(config + b"\0" + other)
    succeeds(c.exec("mkdir", "/tmp/x"))
    contains(c.exec("mknod", "/tmp/y", "p").err, refused, "as kept")
    records[0].write_bytes(config + b"\0" + compiled[:-1])
    fails(c.exec("true"), "compiled seccomp filter")


@case("seccomp: kill ends the program with SIGSYS")
def _(t):
    c = t.container(sh="mkdir /tmp/x; echo alive")
    c.without_namespace("pid")
    c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    result = c.run()
    lacks(result.err, "seccomp")
    contains(result.out + "Bad system call", "Bad system call")
    succeeds(t.container("true").run())


@case("seccomp: arguments are compared")
def _(t):
    c = t.container(sh="kill -0 1 && echo zero; kill -CONT 1 || echo refused")
    rule = {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}]}
    c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [rule]}
    equal(succeeds(c.run()).out, "zero\nrefused\n")


@case("seccomp: a deny-by-default profile without getcwd still starts", runc="calls getcwd behind the filter in patched versions")
def _(t):
    c = t.container(sh="echo fine")
    c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    c.process["args"] = ["/bin/echo", "fine"]
    equal(succeeds(c.run()).out, "fine\n")


@case("seccomp holds for exec too")
def _(t):
    c = t.container("sleep", "100")
    c.linux["seccomp"] = {**ALLOW_ALL, "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    c.started()
    fails(c.exec("mkdir", "/tmp/x"), "no space left")


@case("personality LINUX32 changes the machine's name", needs=[kernel_file("/proc/sys/abi")], runc="only since 1.2")
def _(t):
    c = t.container("uname", "-m")
    c.linux["personality"] = {"domain": "LINUX32"}
    contains(succeeds(c.run()).out, "i686" if os.uname().machine == "x86_64" else "arm")


@case("sysctls of the container's namespaces are set, in both spellings")
def _(t):
    c = t.container(sh="cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ping_group_range")
    c.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel/shm_rmid_forced": "1", "net.ipv4.ping_group_range": "0 2000"}
    c.linux["sysctl"]["kernel.shm_rmid_forced"] = c.linux["sysctl"].pop("kernel/shm_rmid_forced")
    equal(succeeds(c.run()).out.split(), ["1", "1", "0", "2000"])
    with open("/proc/sys/kernel/shm_rmid_forced", encoding="ascii") as host:
        equal(host.read(), "0\n", "the host's own setting")


@case("scheduler and io priority are set", runc="only since 1.2")
def _(t):
    c = t.container(sh="cut -d' ' -f 19,41 /proc/self/stat")
    c.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}
    c.process["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    equal(succeeds(c.run()).out.split(), ["5", "3"])


@case("every process of create and exec leads a session of its own")
def _(t):
    field = "read -r pid _ _ _ group session _ < /proc/self/stat; echo $pid $group $session"
    c = t.container(sh=f"{field}; sleep 100")
    c.started()
    eventually(lambda: c.output() == "1 1 1\n", "pid, group and session of the init")
    numbers = succeeds(c.exec("sh", "-c", field)).out.split()
    equal(set(numbers), {numbers[0]}, "pid, group and session of exec's program")


@case("the memory policy is that of the config, for run and exec, and a wrong one is refused by name", needs=[kernel_file("/proc/self/numa_maps")],
      runc="only since 1.4")
def _(t):
    policy = "head -n 1 /proc/self/numa_maps | cut -d' ' -f 2"
    good = [({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"), ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "interleave=relative:0"),
            ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"), ({"mode": "MPOL_LOCAL"}, "local"), ({"mode": "MPOL_DEFAULT"}, "default")]
    for wanted, seen in good:
        c = t.container(sh=policy)
        c.linux["memoryPolicy"] = wanted
        equal(succeeds(c.run()).out, seen + "\n", str(wanted))
    c = t.container("sleep", "100")
    c.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    c.started()
    equal(succeeds(c.exec("sh", "-c", policy)).out, "bind:0\n")
    for wrong, word in (({"mode": "MPOL_INVALID"}, "MPOL_INVALID"), ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_BAD"]}, "MPOL_F_BAD"),
                        ({"mode": "MPOL_BIND", "nodes": "Bad"}, "Bad"), ({"mode": "MPOL_BIND", "nodes": "1000"}, "1000"), ({"mode": "MPOL_BIND"}, "MPOL_BIND"),
                        ({"mode": "MPOL_DEFAULT", "nodes": "0"}, "MPOL_DEFAULT")):
        c = t.container("true")
        c.linux["memoryPolicy"] = wrong
        fails(c.run(), "memory", word)
