"""What is measured. Each function adds its samples; conditions become tables."""
import os
import pathlib
import subprocess

import profiles
from harness import environment
from stage import PROOF, SLEEP, Failed

ISOLATED, BACK_TO_BACK = 50000, 0  # microseconds of idleness before each start: RCU grace periods only show after some
GAPS = ((ISOLATED, "isolated"), (BACK_TO_BACK, "back to back"))
CROWDS = (100, 300)
MOUNTS = 1000


def one_container(stage, samples, condition, gap, bundle, runtime, turn, extended=True):
    """run; then create, state, start, delete of another."""
    identity = f"bench-{runtime.name}-{turn}"

    def add(operation, *args, proof=False):
        samples.add(condition, operation, runtime.name, stage.time(runtime, *args, gap=gap, proof=proof))

    add("run", "run", "--bundle", bundle, identity, proof=True)
    if not extended:
        return
    try:
        add("create", "create", "--bundle", bundle, identity)
        if stage.state(runtime, identity).get("status") != "created":
            raise Failed(f"{runtime.name} create: it is not created")
        add("state", "state", identity)
        add("start", "start", identity, proof=True)
        stage.await_stopped(runtime, identity)
        add("delete", "delete", identity)
    finally:
        stage.remove(runtime, identity)


def running_container(stage, samples, condition, gap, bundle, runtime, turn):
    """run --detach of a long-lived one; exec in it, list, kill."""
    identity = f"bench-{runtime.name}-r{turn}"

    def add(operation, *args, proof=False):
        samples.add(condition, operation, runtime.name, stage.time(runtime, *args, gap=gap, proof=proof))

    try:
        add("run --detach", "run", "--detach", "--bundle", bundle, identity)
        state = stage.state(runtime, identity)
        if state.get("status") != "running":
            raise Failed(f"{runtime.name} run --detach: it does not run")
        for _ in range(2):
            add("exec", "exec", identity, *PROOF, proof=True)
            add("exec of busybox", "exec", identity, "/bin/true")
            if runtime is stage.runtimes[0]:
                alone = stage.time_program(stage.entering(state["pid"]), gap, proof=True)
                samples.add(condition, "entering a container alone", runtime.name, alone)
        if identity not in stage.output(runtime, "list")[1]:
            raise Failed(f"{runtime.name} list: the container is not in it")
        add("list (1)", "list")
        add("kill", "kill", identity, "KILL")
        stage.await_stopped(runtime, identity)
    finally:
        stage.remove(runtime, identity)


def life(stage, samples):
    short, long = stage.bundle(PROOF), stage.bundle(SLEEP)
    for gap, name in GAPS:
        for _ in range(stage.samples):
            samples.add(name, "an empty static program", stage.runtimes[0].name, stage.time_program([stage.rootfs / PROOF[0][1:]], gap))
        stage.each(stage.samples, lambda runtime, turn: one_container(stage, samples, name, gap, short, runtime, turn), name)
        stage.each(stage.samples, lambda runtime, turn: running_container(stage, samples, name, gap, long, runtime, turn), name)


def seccomp(stage, samples):
    def add_profile(config):
        config["linux"]["seccomp"] = profiles.default_profile(config["process"]["capabilities"]["bounding"])

    if profiles.default_profile([]) is None:
        stage.problems.add(f"seccomp: left out: {profiles.PROFILE} is not there, install golang-github-containers-common")
        return
    short, long = stage.bundle(PROOF, add_profile), stage.bundle(SLEEP, add_profile)
    stage.caches = False
    for gap, name in GAPS:
        title = f"{name}, Docker's seccomp profile, nothing cached"
        stage.each(stage.samples, lambda runtime, turn: one_container(stage, samples, title, gap, short, runtime, turn), title)
        stage.each(stage.samples, lambda runtime, turn: running_container(stage, samples, title, gap, long, runtime, turn), title)
    stage.caches = True


def throughput(stage, samples):
    bundle, count = stage.bundle(PROOF), 20 + stage.samples * 2
    for workers in (1, 2 * len(os.sched_getaffinity(0))):
        title = f"run, {workers} at a time"

        def sample(runtime, turn):
            per_container = stage.parallel(runtime, workers, count, "run", "--bundle", bundle, f"bench-{runtime.name}-{turn}-@")
            samples.add("throughput, time per container", title, runtime.name, per_container)

        for _ in range(3):
            samples.add("throughput, time per container", f"cgroups and namespaces alone, {workers} at a time", stage.runtimes[0].name,
                        stage.floor(workers, count))
        stage.each(3, sample, title)


def memory(stage, samples):
    bundle = stage.bundle(PROOF)
    condition = "memory"

    def sample(runtime, turn):
        identity = f"bench-{runtime.name}-m{turn}"
        samples.add(condition, "peak of run", runtime.name, stage.peak(runtime, "run", "--bundle", bundle, identity, proof=True), "KB")
        try:
            samples.add(condition, "peak of create", runtime.name, stage.peak(runtime, "create", "--bundle", bundle, identity), "KB")
            pid = stage.state(runtime, identity)["pid"]
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Rss:", "Pss:")):
                    samples.add(condition, f"created init's {line[:3].upper()}", runtime.name, int(line.split()[1]), "KB")
        finally:
            stage.remove(runtime, identity)

    stage.each(min(stage.samples, 5), sample, condition)
    if "memory" in environment.controllers():
        stage.each(1, lambda runtime, _: samples.add(condition, "smallest limit that starts", runtime.name, smallest_limit(stage, runtime), "KB"),
                   "smallest memory limit")


def smallest_limit(stage, runtime):
    """KB of linux.resources.memory.limit with which the container runs three times out of three."""
    def starts(limit):
        bundle = stage.bundle(PROOF, lambda config: config["linux"]["resources"].update(memory={"limit": limit << 10, "swap": limit << 10}))
        for turn in range(3):
            identity = f"bench-{runtime.name}-l{limit}-{turn}"
            try:
                stage.time(runtime, "run", "--bundle", bundle, identity, proof=True)
            except Failed:
                stage.remove(runtime, identity)
                return False
        return True

    low, high = 0, 64 << 10
    while high - low > 4:
        middle = (low + high) // 2 & ~3
        if starts(middle):
            high = middle
        else:
            low = middle
    return high


def crowd(stage, samples):
    """With many containers of each runtime running."""
    sleeping, short = stage.bundle(SLEEP), stage.bundle(PROOF)
    running = {runtime: [] for runtime in stage.runtimes}
    try:
        for wanted in CROWDS:
            for runtime in stage.runtimes:
                while len(running[runtime]) < wanted:
                    identity = f"crowd-{runtime.name}-{len(running[runtime])}"
                    stage.time(runtime, "run", "--detach", "--bundle", sleeping, identity)
                    running[runtime].append(identity)
            title = f"with {wanted} containers of each runtime running, 10 ms idle"

            def sample(runtime, turn):
                one_container(stage, samples, title, 10000, short, runtime, turn)
                samples.add(title, f"list ({wanted})", runtime.name, stage.time(runtime, "list", gap=10000))

            stage.each(max(stage.samples // 3, 3), sample, title)
    except Failed as failure:
        stage.problems.add(f"crowd: ended early: {failure}")
    finally:
        for runtime, identities in running.items():
            for identity in identities:
                stage.remove(runtime, identity)


def mounts(stage, samples):
    """With a long mount table on the host, which every new mount namespace copies."""
    place, bundle = stage.directory / "mounts", stage.bundle(PROOF)
    place.mkdir()
    subprocess.run(["sh", "-c", f"mount -t tmpfs tmpfs {place}; cd {place}; for i in $(seq {MOUNTS}); do mkdir $i; mount --bind $i $i; done"],
                   check=True)
    try:
        for gap, name in GAPS:
            title = f"{name}, {MOUNTS} more mounts on the host"
            stage.each(max(stage.samples // 3, 3),
                       lambda runtime, turn: one_container(stage, samples, title, gap, bundle, runtime, turn, extended=False), title)
    finally:
        subprocess.run(["umount", "-R", place], check=True)


def gpu(stage, samples):
    """The first runtime without and with every GPU, compute and utility."""
    runtime = stage.runtimes[0]
    plain, with_gpu = stage.bundle(PROOF), stage.bundle(PROOF, lambda config: config["process"]["env"].extend(
        ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"]))
    with_name = f"{runtime.name} with GPU"
    samples.runtimes = [with_name, *samples.runtimes]
    for gap, name in GAPS:
        title = f"GPU, {name}"
        for turn in range(stage.samples * 2):
            for label, bundle in ((with_name, with_gpu), (runtime.name, plain)):
                identity = f"bench-gpu-{turn}"
                try:
                    create = stage.time(runtime, "create", "--bundle", bundle, identity, gap=gap)
                    start = stage.time(runtime, "start", identity, gap=gap, proof=True)
                    stage.await_stopped(runtime, identity)
                    samples.add(title, "create", label, create)
                    samples.add(title, "start", label, start)
                    samples.add(title, "create + start", label, create + start)
                    samples.add(title, "delete", label, stage.time(runtime, "delete", identity, gap=gap))
                except Failed as failure:
                    stage.problems.add(f"GPU: {failure}")
                    stage.broken = True
                finally:
                    stage.remove(runtime, identity)


ALL = {"life": life, "seccomp": seccomp, "throughput": throughput, "memory": memory, "crowd": crowd, "mounts": mounts}
LONG = ("crowd", "mounts")
