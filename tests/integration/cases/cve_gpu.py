"""Known attacks on NVIDIA's container toolkit, by their numbers, with hostile images on a machine with GPUs."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from harness.cases import case
from harness.checks import contains, equal, lacks, succeeds
from harness.gpu_host import FIXTURES, FOLDERS, cached_libraries, gpu_container, gpu_host, why_not
from cases.cve import SECRET, Outside, exchanging

sys.path.insert(0, str(FIXTURES))
import make_host  # noqa: E402

MULTIARCH = FOLDERS["debian"].lstrip("/")
COMPAT = "usr/local/cuda/compat"


def gpu_case(title, modes=("v2",)):
    return case(title, modes=modes, needs=(why_not,), runc="runc knows no GPU")


def replace(path: pathlib.Path, target):
    """Puts a link to target where path is."""
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def compat_library(root, version, note=None, folder=COMPAT):
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / f"libcuda.so.{version}").write_bytes(make_host.elf("libcuda.so.1", note=note))
    (place / "libcuda.so.1").symlink_to(f"libcuda.so.{version}")
    return place


@gpu_case("CVE-2024-0132, CVE-2025-23359: a compat directory of links mounts nothing of the host")
def _(t):
    outside = Outside(t)
    (outside.path / "libcuda.so.999.1").write_text(SECRET)
    with gpu_host(t, "h200"):
        for target in outside.links():
            for part in (COMPAT, "usr/local/cuda", "usr/local"):
                c = gpu_container(t, "all", f"cat /{COMPAT}/* /{FOLDERS['debian']}/libcuda.so.1 /usr/local/* 2>/dev/null; cut -d' ' -f4 /proc/self/mountinfo")
                replace(c.rootfs / part, target)
                out = c.run().out
                lacks(out, SECRET)
                lacks(out, outside.path.name, "the sources of mounts")
            c = gpu_container(t, "all", f"cat /{COMPAT}/* {FOLDERS['debian']}/libcuda.so.1; cut -d' ' -f4 /proc/self/mountinfo")
            (c.rootfs / COMPAT).mkdir(parents=True)
            (c.rootfs / COMPAT / "libcuda.so.999.1").symlink_to(f"{target}/libcuda.so.999.1")
            lacks(c.run().out, SECRET)
    os.unlink(outside.path / "libcuda.so.999.1")
    outside.unchanged()


@gpu_case("CVE-2024-0132: a compat directory that is exchanged for a link all the time mounts nothing of the host")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200"):
        for number in range(12):
            c = gpu_container(t, "all", f"cat /{COMPAT}/* 2>/dev/null; cut -d' ' -f4 /proc/self/mountinfo")
            compat_library(c.rootfs, "999.1")
            replace(c.rootfs / "usr/local/cuda/other", outside.links()[number % 2])
            with exchanging(c.rootfs / COMPAT, c.rootfs / "usr/local/cuda/other"):
                out = c.run().out
            lacks(out, outside.path.name, "the sources of mounts")
    outside.unchanged()


@gpu_case("CVE-2024-0133, CVE-2024-0134: directories of the image that are links to the host get no file there")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200"):
        for target in outside.links():
            for part in ("usr/lib", MULTIARCH, "usr/bin", "etc/ld.so.conf.d", "etc/OpenCL", "etc/OpenCL/vendors", "etc/nvidia", "etc/vulkan", "usr/share",
                         "usr/local/nvidia", "run", "lib/firmware", MULTIARCH + "/gbm", MULTIARCH + "/vdpau"):
                c = gpu_container(t, "all", "true", NVIDIA_DRIVER_CAPABILITIES="all")
                compat_library(c.rootfs, "999.1")
                replace(c.rootfs / part, target)
                c.run()
                c.delete("--force")
                outside.unchanged()


@gpu_case("CVE-2024-0134: files of the image that are links to the host stay links or become the container's, the host's file stays")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200"):
        for target in outside.links():
            for part in ("etc/ld.so.cache", MULTIARCH + "/libcuda.so", MULTIARCH + "/libcuda.so.1", MULTIARCH + "/libcuda.so.580.159.04", "usr/bin/nvidia-smi",
                         "etc/ld.so.conf.d/00-gpurun-compat.conf", "etc/OpenCL/vendors/nvidia.icd", "etc/vulkan/icd.d/nvidia_icd.json",
                         "etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"):
                c = gpu_container(t, "all", f"cat /{part}", NVIDIA_DRIVER_CAPABILITIES="all")
                compat_library(c.rootfs, "999.1")
                replace(c.rootfs / part, f"{target}/secret")
                lacks(c.run().out, SECRET)
                c.delete("--force")
                replace(c.rootfs / part, f"{target}/new")
                c.run()
                c.delete("--force")
                outside.unchanged()


@gpu_case("CVE-2024-0133, CVE-2021-30465: a library directory that is exchanged for a link all the time gets no file outside")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200"):
        for number in range(12):
            c = gpu_container(t, "all", "true")
            replace(c.rootfs / "usr/other", outside.links()[number % 2])
            with exchanging(c.rootfs / "usr/lib", c.rootfs / "usr/other"):
                c.run()
            c.delete("--force")
            outside.unchanged()


@gpu_case("CVE-2024-0135, CVE-2024-0136, CVE-2024-0137: nothing of the image runs while the container is made")
def _(t):
    with gpu_host(t, "h200"):
        c = gpu_container(t, "all", "test ! -e /owned")
        compat_library(c.rootfs, "999.1")
        for name in ("sbin/ldconfig", "sbin/ldconfig.real", "usr/sbin/ldconfig", "bin/ldconfig", "usr/bin/nvidia-container-cli", "usr/bin/nvidia-cdi-hook",
                     "sbin/modprobe"):
            place = c.rootfs / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("#!/bin/sh\necho owned >/owned\n")
            place.chmod(0o755)
        succeeds(c.run())
        equal(cached_libraries(c.rootfs).get("libnvidia-ml.so.1"), FOLDERS["debian"] + "/libnvidia-ml.so.1")


@gpu_case("CVE-2025-23266: NVIDIA's hooks are done without a process, whatever the image sets LD_PRELOAD to")
def _(t):
    with gpu_host(t, "h200"):
        witness = t.directory / "ran"
        program = t.directory / "nvidia-cdi-hook"
        program.write_text(f"#!/bin/sh\nenv >{witness}\n")
        program.chmod(0o755)
        c = gpu_container(t, "void", "true", LD_PRELOAD="/proc/self/cwd/owned.so")
        c.config["hooks"] = {"createContainer": [
            {"path": str(program), "args": ["nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.1::/usr/lib/libcuda.so"]},
            {"path": str(program), "args": ["nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=580.159.04"]},
            {"path": str(program), "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib"]}]}
        succeeds(c.run())
        assert not witness.exists(), f"the hook ran with {witness.read_text()}"
        equal(os.readlink(c.rootfs / "usr/lib/libcuda.so"), "libcuda.so.1")
        # One that nobody knows runs, without the container's environment.
        c = gpu_container(t, "void", "true", LD_PRELOAD="/proc/self/cwd/owned.so")
        c.config["hooks"] = {"createContainer": [{"path": str(program), "args": ["nvidia-cdi-hook", "of-tomorrow"]}]}
        succeeds(c.run())
        lacks(witness.read_text(), "LD_PRELOAD")


def hostile_caches(root):
    """Things that an image may have at /etc/ld.so.cache."""
    cache = root / "etc/ld.so.cache"
    header = b"glibc-ld.so.cache1.1"
    number = lambda value: value.to_bytes(4, "little")
    yield "a fifo", lambda: os.mkfifo(cache)
    yield "a directory", lambda: (cache.mkdir(), (cache / "file").write_text("x"))
    yield "a link to itself", lambda: cache.symlink_to("ld.so.cache")
    yield "a link to a device", lambda: cache.symlink_to("/dev/zero")
    yield "sparse, of a terabyte", lambda: os.truncate(os.open(cache, os.O_CREAT | os.O_WRONLY), 1 << 40)
    yield "a socket", lambda: socket.socket(socket.AF_UNIX).bind(os.path.relpath(cache))
    yield "more entries than bytes", lambda: cache.write_bytes(header + number(0xFFFFFFFF) + number(8) + bytes(20) + bytes(48))
    yield "strings outside the file", lambda: cache.write_bytes(header + number(1) + number(8) + b"\2" + bytes(19) + number(0x303) + b"\xff" * 20)
    yield "an extension that points at itself", lambda: cache.write_bytes(header + number(0) + number(0) + b"\2\0\0\0" + number(48) + bytes(12) + number(0xEAA42174) + number(0xFFFFFFFF))


@gpu_case("CVE-2025-23267: whatever the image has as loader cache, the container starts with a good one and the host is left alone")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200"):
        os.chdir(t.directory)
        for number in range(9):
            c = gpu_container(t, "all", "echo started")
            what, make = list(hostile_caches(c.rootfs))[number]
            make()
            result = c.run(timeout=15)
            assert result.code == 0 and result.out == "started\n", f"{what}: {result.err}"
            if what != "a directory":
                equal(cached_libraries(c.rootfs).get("libcuda.so.1"), FOLDERS["debian"] + "/libcuda.so.1", what)
            c.delete("--force")
        os.chdir("/")
    outside.unchanged()


@gpu_case("CVE-2025-23267: compat libraries that are no libraries delay and break nothing")
def _(t):
    with gpu_host(t, "h200"):
        for what in ("fifo", "device", "directory", "garbage", "huge note"):
            c = gpu_container(t, "all", f"test -e {FOLDERS['debian']}/libcuda.so.1 && echo fine")
            place = c.rootfs / COMPAT
            place.mkdir(parents=True)
            library = place / "libcuda.so.999.1"
            if what == "fifo":
                os.mkfifo(library)
            elif what == "device":
                os.mknod(library, 0o20666, os.makedev(1, 5))
            elif what == "directory":
                library.mkdir()
            elif what == "garbage":
                library.write_bytes(b"\x7fELF\2\1\1" + os.urandom(4000))
            else:
                library.write_bytes(make_host.elf("libcuda.so.1", note='{"Driver": [' + "580," * 20000))
            equal(succeeds(c.run(timeout=15)).out, "fine\n", what)


@gpu_case("a compat library is preferred by its note and its version, and a GeForce never has it")
def _(t):
    def taken(host, version, note=None, settings=None):
        with gpu_host(t, host, settings):
            c = gpu_container(t, "all", "true")
            compat_library(c.rootfs, version, note, "usr/local/cuda-13/compat")
            (c.rootfs / "usr/local/cuda").symlink_to("cuda-13")
            succeeds(c.run())
            return "compat" in cached_libraries(c.rootfs)["libcuda.so.1"]

    assert taken("h200", "999.1"), "a newer one without a note"
    assert not taken("h200", "570.1.1"), "an older one"
    assert taken("h200", "590.1.1", '{"Driver": [570, 580]}'), "one whose note lists the driver"
    assert not taken("h200", "590.1.1", '{"Driver": [535, 550]}'), "one whose note does not list the driver"
    assert not taken("h200", "580.1.1", '{"Driver": [580]}'), "one that is not newer"
    assert not taken("debian", "999.1"), "on a GeForce"
    assert not taken("h200", "999.1", None, "[gpu]\ncuda-compat = false\n"), "where it is switched off"


@gpu_case("masks of the driver's procfs can't be led astray by links of the image")
def _(t):
    outside = Outside(t)
    with gpu_host(t, "h200-x2"):
        c = gpu_container(t, "1", "cat /proc/driver/nvidia/params; ls /proc/driver/nvidia/gpus")
        for entry in c.config["mounts"]:
            if entry["destination"] == "/proc":
                entry["destination"] = "/proc/"  # Another spelling is the same place.
        out = succeeds(c.run()).out
        contains(out, "ModifyDeviceFiles: 0")
        lacks(out, "0000:00:06.0")
    outside.unchanged()
