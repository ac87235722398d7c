"""Without root: an ordinary user, with and without subordinate ids, and root of a user namespace, as Podman is one."""
import contextlib
import json
import os
import pathlib
import stat
import subprocess

from harness import environment, user
from harness.cases import case, kernel_file, tool
from harness.checks import contains, equal, eventually, fails, lacks, succeeds

RANGE = [{"containerID": 0, "hostID": user.UID, "size": 1},
         {"containerID": 1, "hostID": user.FIRST_SUBORDINATE, "size": user.SUBORDINATES}]
ROOT_OF_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def container(t, *args, mappings=None, **how):
    """A container with a user namespace and no cgroups path, which an ordinary user may make."""
    c = t.container(*args, **how)
    del c.linux["cgroupsPath"]
    c.linux["namespaces"].append({"type": "user"})
    c.linux["uidMappings"] = c.linux["gidMappings"] = mappings or RANGE[:1]
    return c


def ordinary(t, **how):
    t.become(user.make(t.directory, **how))


@contextlib.contextmanager
def delegated(t):
    """A cgroup2 that is the user's, with the test's processes in a leaf of it."""
    before = environment.cgroup_of(os.getpid(), "")
    place = environment.CGROUP / f"{t.name}-delegated"
    own = place / "own"
    own.mkdir(parents=True)
    for path in (place, own):
        for file in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(path / file, user.UID, user.UID)
    (own / "cgroup.procs").write_text("0")
    try:
        yield place
    finally:
        (before / "cgroup.procs").write_text("0")
        for path in (own, place):
            with contextlib.suppress(OSError):
                path.rmdir()


@case("an ordinary user runs a container with one id", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, sh="id -u; cat /proc/self/uid_map /proc/self/setgroups; echo x > /dev/null && echo written")
    words = succeeds(c.run()).out.split()
    equal(words, ["0", "0", str(user.UID), "1", "deny", "written"])


@case("the caller's /dev/null stays whose it is", feature="rootless")
def _(t):
    before = os.stat("/dev/null")
    ordinary(t)
    succeeds(container(t, sh="echo x > /dev/null").run())
    equal((os.stat("/dev/null").st_uid, os.stat("/dev/null").st_gid), (before.st_uid, before.st_gid), "owner")


@case("create, start, exec, kill and delete without root", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "sleep", "100").started()
    equal(succeeds(c.exec("id", "-u")).out, "0\n")
    contains(succeeds(c.exec("ps")).out, "sleep 100")
    equal(json.loads(succeeds(t.call("list", "--format", "json")).out)[0]["status"], "running")
    succeeds(c.kill("KILL"))
    eventually(lambda: c.status() == "stopped", "stopped")
    succeeds(c.delete())


@case("subordinate ids are mapped by newuidmap and newgidmap", feature="rootless", needs=[user.needs_subordinate_ids])
def _(t):
    ordinary(t, accounts=True)
    c = container(t, sh="id; cat /proc/self/uid_map; sleep 100", mappings=RANGE)
    c.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 6]}
    c.started()
    eventually(lambda: str(user.SUBORDINATES) in c.output(), "the map")
    contains(c.output(), "uid=1000(user) gid=1000(user) groups=5,6")
    contains(" ".join(c.output().split()), f"0 {user.UID} 1 1 {user.FIRST_SUBORDINATE} {user.SUBORDINATES}")
    equal(os.stat(f"/proc/{c.pid()}").st_uid, user.FIRST_SUBORDINATE + 999, "uid on the host")
    equal(succeeds(c.exec("id", "-u", flags=("--user", "7:7"))).out, "7\n")


@case("ids that are not the user's are refused", feature="rootless", needs=[user.needs_subordinate_ids])
def _(t):
    ordinary(t, accounts=True)
    c = container(t, "true", mappings=[RANGE[0], {"containerID": 1, "hostID": 1, "size": 10}])
    fails(c.run(), "newuidmap")


@case("limits without a delegated cgroup are an error that says what to delegate", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "true")
    c.linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20})
    on_v2 = environment.host_layout() == "v2"
    how = ("/etc/systemd/system/user@.service.d/delegate.conf", "Delegate=") if on_v2 else ("on cgroup v2 alone", "systemd.unified_cgroup_hierarchy=1")
    fails(c.run(), "memory, pids", "no delegated cgroup", *how)


@case("a cgroups path that the user may not make is an error", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "true")
    c.linux["cgroupsPath"] = f"/{c.id}"
    fails(c.run(), "linux.cgroupsPath", "permission denied")


@case("what needs a cgroup says that there is none", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "sleep", "100").started()
    fails(c.verb("pause"), "cgroup")
    fails(t.call("update", "--pids-limit", "5", c.id), "no cgroup")
    contains(succeeds(t.call("ps", c.id)).out, "sleep 100")


@case("limits hold in a cgroup that is delegated to the user", feature="rootless", modes=("v2",))
def _(t):
    with delegated(t) as place:
        ordinary(t)
        c = container(t, "sleep", "100")
        controller = next(iter((place / "cgroup.controllers").read_text().split()), None)
        if controller == "hugetlb":
            c.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
        c.started()
        equal(environment.cgroup_of(c.pid(), ""), place / c.id)
        contains(succeeds(c.exec("cat", "/proc/self/cgroup")).out, c.id)
        succeeds(c.verb("pause"))
        equal(c.status(), "paused")
        succeeds(c.verb("resume"))
        succeeds(c.delete("--force"))
        equal((place / c.id).exists(), False, "cgroup after delete")


@case("from outside of a delegated cgroup the error says how to get in, and nothing stays", feature="rootless", modes=("v2",))
def _(t):
    outside = environment.cgroup_of(os.getpid(), "")
    with delegated(t) as place:
        (outside / "cgroup.procs").write_text("0")
        ordinary(t)
        c = container(t, "sleep", "100")
        c.linux["cgroupsPath"] = f"/{place.name}/{c.id}"
        fails(c.run("--detach"), "only within what is delegated", "systemd-run --user --scope", "permission denied")
        equal([path.name for path in place.iterdir() if path.is_dir()], ["own"])


@case("records are below XDG_RUNTIME_DIR", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "sleep", "100")
    (c.bundle / "config.json").write_text(json.dumps(c.config))
    succeeds(t.call("run", "--detach", "--bundle", c.bundle, c.id, default_root=True))
    place = t.directory / "user/runtime/gpurun"
    try:
        equal([path.name for path in place.iterdir() if c.id in path.name and path.suffix == ".json"], [f"{c.id}.json"])
        equal(place.stat().st_mode & 0o777, 0o700, "mode")
    finally:
        succeeds(t.call("delete", "--force", c.id, default_root=True))


@case("without XDG_RUNTIME_DIR the error names it", feature="rootless")
def _(t):
    ordinary(t, variables=("HOME=/",))
    c = container(t, "true")
    (c.bundle / "config.json").write_text(json.dumps(c.config))
    fails(t.call("run", "--bundle", c.bundle, c.id, default_root=True), "XDG_RUNTIME_DIR")


@case("the user's additional groups are kept where the annotation asks for it", feature="rootless")
def _(t):
    ordinary(t, groups=(user.UID, 4243))
    c = container(t, "id", "-G")
    c.config["annotations"] = {"run.oci.keep_original_groups": "1"}
    equal(succeeds(c.run()).out, "0 65534\n")


@case("additional groups that cannot be set are an error", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "true")
    c.process["user"]["additionalGids"] = [5]
    fails(c.run(), "additional groups [5]")


@case("an oom_score_adj that only root may set is a warning", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "cat", "/proc/self/oom_score_adj")
    c.process["oomScoreAdj"] = -500
    result = succeeds(c.run())
    contains(result.err, "oom_score_adj")
    lacks(result.out, "-500")
    c.process["oomScoreAdj"] = 500
    for _ in range(5):  # The kernel gives /proc/PID to root once the process has changed its user.
        equal(succeeds(c.run()).out, "500\n")


@case("an oom_score_adj is set where another's user namespace is joined, and by exec", feature="rootless")
def _(t):
    ordinary(t)
    first = container(t, "sleep", "100")
    succeeds(first.run("--detach"))
    c = container(t, "cat", "/proc/self/oom_score_adj")
    c.process["oomScoreAdj"] = 500
    next(entry for entry in c.linux["namespaces"] if entry["type"] == "user")["path"] = f"/proc/{first.pid()}/ns/user"
    equal(succeeds(c.run()).out, "500\n")
    (t.directory / "process.json").write_text(json.dumps(c.process))
    result = succeeds(t.call("exec", "--process", t.directory / "process.json", first.id))
    equal((result.out, result.err), ("500\n", ""))


@case("without a network namespace /sys is the host's, read-only", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, sh="test -d /sys/kernel && grep ' /sys ' /proc/mounts")
    c.without_namespace("network")
    contains(succeeds(c.run()).out, "ro,")


@case("root of a user namespace runs, executes and deletes", feature="rootless", needs=[user.needs_subordinate_ids])
def _(t):
    ordinary(t, accounts=True)
    inside = (*ROOT_OF_NAMESPACE, "--map-auto")
    c = t.container(sh="id -u; ls -ln /dev/null; echo x > /dev/null && echo written")
    del c.linux["cgroupsPath"]
    contains(succeeds(c.run(prefix=inside)).out, "written")
    script = t.directory / "all"
    d = t.container("sleep", "100")
    del d.linux["cgroupsPath"]
    (d.bundle / "config.json").write_text(json.dumps(d.config))
    call = f"{t.runtime} --root {t.state_root}"
    script.write_text(f"#!/bin/sh\nset -e\n{call} create --bundle {d.bundle} {d.id} </dev/null >/dev/null\n{call} start {d.id}\n"
                      f"{call} exec {d.id} id -u\n{call} ps {d.id}\n{call} delete --force {d.id}\n")
    script.chmod(0o755)
    done = subprocess.run([*t.user.prefix, *inside, script], capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""))
    contains(done.stdout, "sleep 100")


@case("root of a user namespace binds what the root of a nested one is not let through to", feature="rootless", needs=[user.needs_subordinate_ids])
def _(t):
    ordinary(t, accounts=True)
    c = t.container("cat", "/mnt/one/file")
    del c.linux["cgroupsPath"]
    c.linux["namespaces"].append({"type": "user"})
    c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 1, "size": 1000}]
    volume = t.directory / "secret/volume"
    volume.mkdir(parents=True)
    (volume / "file").write_text("secret")
    (t.directory / "secret").chmod(0o700)
    c.mount("/mnt/one", "bind", str(volume), "bind", "ro")
    (c.rootfs / "mnt/one").mkdir(parents=True)
    t.user.take(t.directory / "secret")
    equal(succeeds(c.run(prefix=(*ROOT_OF_NAMESPACE, "--map-auto"))).out, "secret")


def with_merged_root(t, sh):
    """A container of an ordinary user whose root is "merged", to be mounted by the user from "rootfs" and "upper"."""
    ordinary(t)
    c = t.container(sh=sh)
    del c.linux["cgroupsPath"]
    for name in ("upper", "work", "merged"):
        (c.bundle / name).mkdir()
    c.config["root"]["path"] = "merged"
    (c.bundle / "config.json").write_text(json.dumps(c.config))
    t.user.take(c.bundle)
    return c


@case("the root file system may be an overlay of the user's", feature="rootless", needs=[kernel_file("/sys/module/overlay")])
def _(t):
    c = with_merged_root(t, "echo new > /new && cat /new")
    script = f"mount -t overlay overlay -o lowerdir=rootfs,upperdir=upper,workdir=work,userxattr merged && exec {t.runtime} --root {t.state_root} run {c.id}"
    done = subprocess.run([*t.user.prefix, *ROOT_OF_NAMESPACE, "sh", "-c", script], cwd=c.bundle, capture_output=True, text=True, check=False)
    equal((done.stdout, done.stderr), ("new\n", ""))
    equal((c.bundle / "upper/new").read_text(), "new\n")
    equal((c.rootfs / "new").exists(), False)


@case("the root file system may be a fuse-overlayfs", feature="rootless", needs=[tool("fuse-overlayfs"), kernel_file("/dev/fuse")])
def _(t):
    c = with_merged_root(t, "echo new > /new && cat /new; grep ' / ' /proc/mounts")
    script = (f"fuse-overlayfs -o lowerdir=rootfs,upperdir=upper,workdir=work merged && {t.runtime} --root {t.state_root} run {c.id}; "
              "fusermount3 -u merged || umount -l merged")
    # udev makes it everybody's; where there is no udev, the user's view does.
    node = t.directory / "fuse"
    os.mknod(node, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    node.chmod(0o666)
    covered = ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'mount --bind {node} /dev/fuse && exec "$@"', "sh")
    done = subprocess.run([*covered, *t.user.prefix, *ROOT_OF_NAMESPACE, "sh", "-c", script], cwd=c.bundle, capture_output=True, text=True,
                          check=False)
    contains(done.stdout, "fuse-overlayfs", done.stderr)
    contains(done.stdout, "new")


@case("--rootless takes runc's words and no others", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "true")
    for word in ("auto", "true", "false"):
        succeeds(c.run(global_args=("--rootless", word)))
    fails(c.run(global_args=("--rootless", "maybe")), "rootless", "maybe")


@case("a container joins another's user namespace without root", feature="rootless")
def _(t):
    ordinary(t)
    first = container(t, "sleep", "100").started()
    second = container(t, "readlink", "/proc/self/ns/user")
    for entry in second.linux["namespaces"]:
        if entry["type"] in ("user", "pid", "network", "ipc"):
            entry["path"] = f"/proc/{first.pid()}/ns/{'net' if entry['type'] == 'network' else entry['type']}"
    del second.linux["uidMappings"], second.linux["gidMappings"]
    second.config["mounts"] = [m for m in second.config["mounts"] if m["type"] != "mqueue"]
    equal(succeeds(second.run()).out.strip(), os.readlink(f"/proc/{first.pid()}/ns/user"))


# ---- below the user's own systemd

MANAGER = pathlib.Path(f"/run/user/{user.UID}")
BY_SYSTEMD = {"global_args": ("--systemd-cgroup",)}
SERVICE = f"/user.slice/user-{user.UID}.slice/user@{user.UID}.service"


def users_systemd():
    """A need: the user has a service manager of his own."""
    return None if (MANAGER / "bus").exists() else "there is no systemd of an ordinary user here; tests/environments/run makes one"


def beside_manager(t):
    ordinary(t, variables=(f"XDG_RUNTIME_DIR={MANAGER}",))


def in_scope(t):
    """A container that runs in a scope of the user's service manager."""
    beside_manager(t)
    c = container(t, "sleep", "100")
    c.create(**BY_SYSTEMD)
    c.start()
    return c


def systemctl(t, *args):
    return subprocess.run([*t.user.prefix, "systemctl", "--user", *args], capture_output=True, text=True, check=False).stdout.strip()


@case("a scope of the user's service manager holds the container", feature="rootless: systemd", modes=("v2",), needs=[users_systemd])
def _(t):
    c = in_scope(t)
    unit = f"gpurun-{c.id}.scope"
    place = f"{SERVICE}/user.slice/{unit}"
    equal(environment.cgroup_of(c.pid(), ""), environment.CGROUP / place.lstrip("/"))
    equal(systemctl(t, "show", "--value", "-p", "Delegate", unit), "yes")
    contains(succeeds(c.exec("cat", "/proc/self/cgroup")).out, unit)
    contains(succeeds(t.call("ps", c.id)).out, "sleep 100")
    succeeds(c.verb("pause"))
    equal(c.status(), "paused")
    succeeds(c.verb("resume"))
    systemctl(t, "daemon-reload")
    equal(succeeds(c.exec("sh", "-c", "echo x > /dev/null && echo fine")).out, "fine\n")
    succeeds(c.delete("--force"))
    eventually(lambda: systemctl(t, "show", "--value", "-p", "ActiveState", unit) == "inactive", "inactive")


@case("exec enters sub-cgroups of a user's scope, also from a session outside of it", feature="rootless: systemd", modes=("v2",), needs=[users_systemd])
def _(t):
    c = in_scope(t)
    place = environment.cgroup_of(c.pid(), "")
    for directory in (place / "sub", place / "sub/deep"):
        directory.mkdir()
        for file in (".", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(directory / file, user.UID, user.UID)
    contains(succeeds(c.exec("cat", "/proc/self/cgroup", flags=("--cgroup", "sub/deep"))).out, f"{c.id}.scope/sub/deep")
    fails(c.exec("true", flags=("--cgroup", "absent")), "absent")
    # As systemd in a container does: its own cgroup is closed to processes then.
    controllers = (place / "cgroup.controllers").read_text().split()
    if controllers:
        (place / "sub/deep/cgroup.procs").write_text(str(c.pid()))
        (place / "cgroup.subtree_control").write_text(f"+{controllers[0]}")
        contains(succeeds(c.exec("cat", "/proc/self/cgroup")).out, f"{c.id}.scope/sub/deep")


@case("slice and name of a user's scope are as asked for", feature="rootless: systemd", modes=("v2",), needs=[users_systemd])
def _(t):
    beside_manager(t)
    c = container(t, "cat", "/proc/self/cgroup")
    c.linux["cgroupsPath"] = f"app-tests.slice:mine:{c.id}"
    contains(succeeds(c.run(**BY_SYSTEMD)).out, f"{SERVICE}/app.slice/app-tests.slice/mine-{c.id}.scope")


@case("limits that the user's manager may set hold", feature="rootless: systemd", modes=("v2",), needs=[users_systemd])
def _(t):
    delegated_here = (environment.CGROUP / SERVICE.lstrip("/") / "cgroup.controllers").read_text().split()
    beside_manager(t)
    c = container(t, "sleep", "100")
    if {"memory", "pids"} <= set(delegated_here):
        c.linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20})
        c.create(**BY_SYSTEMD)
        c.start()
        place = environment.cgroup_of(c.pid(), "")
        equal((place / "memory.max").read_text().strip(), str(64 << 20))
        equal((place / "pids.max").read_text().strip(), "20")
        succeeds(t.call("update", "--pids-limit", "33", c.id))
        equal((place / "pids.max").read_text().strip(), "33")
    absent = next(name for name in ("io", "cpuset", "cpu", "memory") if name not in delegated_here)
    d = container(t, "true")
    d.linux["resources"].update({"io": {"unified": {"io.weight": "10"}}, "cpuset": {"cpu": {"cpus": "0"}}, "cpu": {"cpu": {"shares": 10}},
                                 "memory": {"memory": {"limit": 64 << 20}}}[absent])
    fails(d.try_create(**BY_SYSTEMD), absent, "delegate.conf", "Delegate=")


@case("without the user's bus the error says what is missing", feature="rootless: systemd", modes=("v2",), needs=[users_systemd])
def _(t):
    ordinary(t)
    c = container(t, "true")
    fails(c.try_create(**BY_SYSTEMD), "XDG_RUNTIME_DIR", "linger")


@case("what spec --rootless writes runs as it is, without a terminal", feature="rootless")
def _(t):
    ordinary(t)
    c = container(t, "true")
    os.chown(c.bundle, user.UID, user.UID)
    succeeds(t.call("spec", "--rootless", cwd=c.bundle))
    config = json.loads((c.bundle / "config.json").read_text())
    equal(config["linux"]["uidMappings"], [{"containerID": 0, "hostID": user.UID, "size": 1}])
    config["process"].update(terminal=False, args=["id", "-u"])
    c.config = config
    equal(succeeds(c.run()).out, "0\n")
