"""GPUs that come to a running container and leave it: `update --gpu-add` and `--gpu-remove`."""
import json
import os

from harness.cases import case
from harness.checks import contains, equal, fails, lacks, succeeds
from harness.gpu_host import gpu_container, gpu_host, why_not


def gpu_case(title, modes=("v1", "v2")):
    return case(title, modes=modes, needs=(why_not,), runc="runc knows no GPU")


ALLOWED, REFUSED = "No such device or address", "Operation not permitted"


def opening(c, path):
    return c.exec("cat", path).err


def sleeping(t, request, **env):
    return gpu_container(t, request, "sleep 100", **env)


@gpu_case("a GPU is added to a running container: its node is there and the device cgroup allows it")
def _(t):
    with gpu_host(t, "h200-x2"):
        c = sleeping(t, "0").started()
        contains(opening(c, "/dev/nvidia1"), "No such file")
        succeeds(c.exec("mknod", "/tmp/gpu1", "c", "195", "1"))
        contains(opening(c, "/tmp/gpu1"), REFUSED)
        equal(succeeds(c.exec("ls", "/proc/driver/nvidia/gpus")).out, "0000:00:06.0\n")
        succeeds(c.verb("update", "--gpu-add", "1"))
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        contains(opening(c, "/dev/nvidia0"), ALLOWED)
        equal(succeeds(c.exec("stat", "-c", "%a %t:%T", "/dev/nvidia1")).out, "666 c3:1\n")
        equal(succeeds(c.exec("ls", "/proc/driver/nvidia/gpus")).out, "0000:00:06.0\n0000:00:07.0\n")
        succeeds(c.verb("update", "--gpu-add", "1"))  # There already.


@gpu_case("a GPU is taken away from a running container: the node is gone and a made one is refused")
def _(t):
    with gpu_host(t, "h200-x2"):
        c = sleeping(t, "all").started()
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        succeeds(c.verb("update", "--gpu-remove", "GPU-00000002-ab60-6d25-5d87-ee417aaddb56"))
        contains(opening(c, "/dev/nvidia1"), "No such file")
        succeeds(c.exec("mknod", "/tmp/gpu1", "c", "195", "1"))
        contains(opening(c, "/tmp/gpu1"), REFUSED)
        contains(opening(c, "/dev/nvidia0"), ALLOWED)
        fails(c.verb("update", "--gpu-remove", "1"), "GPU 1", "not in the container")
        succeeds(c.verb("update", "--gpu-add", "1"))
        contains(opening(c, "/dev/nvidia1"), ALLOWED)


@gpu_case("GPUs are exchanged in one update, and an update of limits afterwards keeps them")
def _(t):
    with gpu_host(t, "h200-x2"):
        c = sleeping(t, "0").started()
        succeeds(c.verb("update", "--gpu-add", "1", "--gpu-remove", "0"))
        lacks(succeeds(c.exec("ls", "/dev")).out.split(), "nvidia0")
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        succeeds(c.verb("update", "--resources", "-", stdin=json.dumps({"devices": [{"allow": False, "access": "rwm"}]})))
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        equal(succeeds(c.exec("ls", "/proc/driver/nvidia/gpus")).out, "0000:00:07.0\n")


@gpu_case("the GPU of a privileged container is refused once it is taken away")
def _(t):
    with gpu_host(t, "h200-x2"):
        c = sleeping(t, "all")
        c.linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
        c.started()
        succeeds(c.verb("update", "--gpu-remove", "0"))
        succeeds(c.exec("mknod", "/tmp/gpu0", "c", "195", "0"))
        contains(opening(c, "/tmp/gpu0"), REFUSED)
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        succeeds(c.verb("update", "--gpu-add", "0"))
        contains(opening(c, "/dev/nvidia0"), ALLOWED)


@gpu_case("a container that was made without GPU gets the nodes and the word that the driver's libraries are missing")
def _(t):
    with gpu_host(t, "h200"):
        c = sleeping(t, None).started()
        contains(succeeds(c.verb("update", "--gpu-add", "0")).err, "made without a GPU")
        equal(succeeds(c.exec("sh", "-c", "ls /dev | grep nvidia")).out.split(), ["nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"])
        prepared = sleeping(t, "none").started()
        lacks(succeeds(prepared.verb("update", "--gpu-add", "0")).err, "made without a GPU")
        contains(opening(prepared, "/dev/nvidia0"), ALLOWED)


@gpu_case("an instance of a MIG GPU is added with its capability nodes", modes=("v2",))
def _(t):
    with gpu_host(t, "mig"):
        c = sleeping(t, "0:0").started()
        succeeds(c.verb("update", "--gpu-add", "0:1"))
        equal(succeeds(c.exec("ls", "/dev/nvidia-caps")).out.split(), ["nvidia-cap12", "nvidia-cap13", "nvidia-cap21", "nvidia-cap22"])
        contains(opening(c, "/dev/nvidia-caps/nvidia-cap22"), ALLOWED)


@gpu_case("in a user namespace an added GPU's node is the host's, bound")
def _(t):
    with gpu_host(t, "h200-x2"):
        for number, name in [(0, "nvidia0"), (1, "nvidia1"), (255, "nvidiactl")]:
            os.mknod(f"/dev/{name}", 0o20666, os.makedev(195, number))
            os.chmod(f"/dev/{name}", 0o666)
        c = sleeping(t, "0")
        c.linux["namespaces"].append({"type": "user"})
        c.linux["uidMappings"] = c.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        for path, folders, files in os.walk(c.rootfs):
            for name in [".", *folders, *files]:
                os.lchown(os.path.join(path, name), 100000, 100000)
        c.started()
        contains(opening(c, "/dev/nvidia0"), ALLOWED)
        succeeds(c.verb("update", "--gpu-add", "1"))
        contains(opening(c, "/dev/nvidia1"), ALLOWED)
        succeeds(c.verb("update", "--gpu-remove", "1"))
        contains(opening(c, "/dev/nvidia1"), "No such file")


@gpu_case("a hostile container can't have nodes made outside its root", modes=("v2",))
def _(t):
    with gpu_host(t, "h200-x2"):
        outside = t.directory / "outside"
        outside.mkdir()
        c = sleeping(t, "0")
        c.add_capability("CAP_SYS_ADMIN")
        c.started()
        # /dev becomes a link that, from the host, would lead to the test's directory.
        succeeds(c.exec("sh", "-c", f"mkdir -p /keep {outside}; umount -l /dev && rmdir /dev && ln -s {outside} /dev"))
        c.verb("update", "--gpu-add", "1")
        equal(os.listdir(outside), [], "the host's directory")
        equal(os.listdir(c.rootfs / str(outside).lstrip("/")), ["nvidia1"], "the container's directory")


@gpu_case("unknown GPUs, stopped containers and machines without driver are refused, the container stays as it is", modes=("v2",))
def _(t):
    with gpu_host(t, "h200-x2"):
        c = sleeping(t, "0").started()
        fails(c.verb("update", "--gpu-add", "7"), 'unknown GPU device "7"')
        fails(c.verb("update", "--gpu-add", "vendor.example/gpu=0"), "by index, UUID or bus id")
        equal(succeeds(c.exec("sh", "-c", "ls -d /dev/nvidia[0-9]*")).out, "/dev/nvidia0\n")
        c.kill()
        c.wait()
        fails(c.verb("update", "--gpu-add", "1"), "not running")
    c = t.container("sleep", "100").started()
    fails(c.verb("update", "--gpu-add", "1"), "no NVIDIA kernel driver")
