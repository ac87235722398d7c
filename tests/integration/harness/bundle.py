"""Bundles made from busybox-static: a root file system of links to one program and a config.json like an engine's."""
import json
import os
import pathlib
import shutil

APPLETS = """sh ash cat ls echo id env mount umount sleep true false test touch mkdir rm ln stat ps kill tty stty hostname mknod grep
wc dd head tail cut readlink sort find sed awk od ip nproc sysctl chmod chown ulimit df pwd seq tr expr printf date sync usleep
setsid trap which xargs cp mv uname dmesg timeout nc unshare nsenter""".split()
DIRECTORIES = ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "home", "run", "var/tmp", "mnt")
CAPABILITIES = ["CAP_" + name for name in """CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP
NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE""".split()]


def make_rootfs(path, template):
    """Fills path with the smallest root file system that has a shell; busybox itself is a hard link to template."""
    for name in DIRECTORIES:
        (path / name).mkdir(parents=True)
    if not template.exists():
        shutil.copy2(shutil.which("busybox"), template)
        template.chmod(0o755)
    os.link(template, path / "bin/busybox")
    for name in APPLETS:
        (path / "bin" / name).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\nuser:x:1000:\n")
    (path / "tmp").chmod(0o1777)


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def default_config(args, cgroups_path):
    """What an engine writes for a plain container: own namespaces, default mounts, Docker's capabilities."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {name: list(CAPABILITIES) for name in ("bounding", "effective", "permitted")},
            "noNewPrivileges": False,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "box",
        "mounts": [
            mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {
            "cgroupsPath": cgroups_path,
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def write_config(bundle: pathlib.Path, config):
    text = config if isinstance(config, str) else json.dumps(config, indent=1)
    (bundle / "config.json").write_text(text)
