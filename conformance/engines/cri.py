"""A small client of the Kubernetes CRI (runtime.v1): what a kubelet asks a node's engine to do. Debian has no crictl.
   cri.py SOCKET VERB [options] [-- COMMAND...]; see --help. Messages are encoded here: the fields used are in the tables below."""
import argparse
import sys

import grpc

# Message → field → (number, type): "s" string, "i" number or bool, "[]" before it: repeated, "{}": map of strings, else a message.
MESSAGES = {
    "RunPodSandbox": {"config": (1, "PodConfig"), "runtime_handler": (2, "s")},
    "PodConfig": {"metadata": (1, "PodMetadata"), "hostname": (2, "s"), "log_directory": (3, "s"), "annotations": (7, "{}"), "linux": (8, "PodLinux")},
    "PodMetadata": {"name": (1, "s"), "uid": (2, "s"), "namespace": (3, "s")},
    "PodLinux": {"cgroup_parent": (1, "s"), "security_context": (2, "PodSecurity"), "sysctls": (3, "{}")},
    "PodSecurity": {"namespace_options": (1, "Namespaces"), "privileged": (6, "i"), "seccomp": (9, "Profile")},
    "Namespaces": {"network": (1, "i"), "pid": (2, "i"), "ipc": (3, "i"), "target_id": (4, "s")},
    "Profile": {"profile_type": (1, "i")},
    "Pod": {"pod_sandbox_id": (1, "s")},
    "CreateContainer": {"pod_sandbox_id": (1, "s"), "config": (2, "ContainerConfig"), "sandbox_config": (3, "PodConfig")},
    "ContainerConfig": {"metadata": (1, "PodMetadata"), "image": (2, "Image"), "command": (3, "[]s"), "working_dir": (5, "s"),
                        "envs": (6, "[]Variable"), "mounts": (7, "[]Mount"), "devices": (8, "[]Device"), "annotations": (10, "{}"),
                        "log_path": (11, "s"), "stdin": (12, "i"), "tty": (14, "i"), "linux": (15, "ContainerLinux")},
    "Image": {"image": (1, "s")},
    "Variable": {"key": (1, "s"), "value": (2, "s")},
    "Mount": {"container_path": (1, "s"), "host_path": (2, "s"), "readonly": (3, "i")},
    "Device": {"container_path": (1, "s"), "host_path": (2, "s"), "permissions": (3, "s")},
    "ContainerLinux": {"resources": (1, "Resources"), "security_context": (2, "Security")},
    "Resources": {"cpu_period": (1, "i"), "cpu_quota": (2, "i"), "cpu_shares": (3, "i"), "memory_limit_in_bytes": (4, "i"), "cpuset_cpus": (6, "s")},
    "Security": {"capabilities": (1, "Capabilities"), "privileged": (2, "i"), "namespace_options": (3, "Namespaces"), "run_as_user": (5, "Number"),
                 "readonly_rootfs": (7, "i"), "no_new_privs": (11, "i"), "seccomp": (15, "Profile")},
    "Capabilities": {"add_capabilities": (1, "[]s"), "drop_capabilities": (2, "[]s")},
    "Number": {"value": (1, "i")},
    "Container": {"container_id": (1, "s")},
    "StopContainer": {"container_id": (1, "s"), "timeout": (2, "i")},
    "ExecSync": {"container_id": (1, "s"), "cmd": (2, "[]s"), "timeout": (3, "i")},
    "UpdateContainerResources": {"container_id": (1, "s"), "linux": (2, "Resources")},
    "Version": {"version": (1, "s")},
}
NODE = 2  # NamespaceMode: the host's
CONTAINER = 1
STATES = {0: "created", 1: "running", 2: "exited", 3: "unknown"}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, kind, value):
    if kind.startswith("[]"):
        return b"".join(field(number, kind[2:], one) for one in value)
    if kind == "{}":
        return b"".join(field(number, "Variable", {"key": key, "value": text}) for key, text in value.items())
    if kind == "i":
        return varint(number << 3) + varint(int(value))
    body = value.encode() if kind == "s" else encode(kind, value)
    return varint(number << 3 | 2) + varint(len(body)) + body


def encode(message, values):
    return b"".join(field(*MESSAGES[message][name], value) for name, value in values.items())


def decode(data):
    """{field number: the last value of it}; numbers, or bytes of strings and messages."""
    values, at = {}, 0

    def number():
        nonlocal at
        result = shift = 0
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            values[tag >> 3] = number()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or number()
        values[tag >> 3] = data[at:at + size]
        at += size
    return values


class Cri:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)

    def call(self, method, message, values):
        rpc = self.channel.unary_unary("/runtime.v1.RuntimeService/" + method, request_serializer=lambda data: data, response_deserializer=decode)
        return rpc(encode(message, values), timeout=60, wait_for_ready=method == "Version")


def pod_config(options):
    namespaces = {"network": NODE if options.host_network else 0, "pid": CONTAINER if not options.share_pid else 0, "ipc": 0}
    return {"metadata": {"name": options.pod_name, "uid": options.pod_name, "namespace": "default"}, "hostname": "" if options.host_network else options.pod_name,
            "log_directory": options.logs, "annotations": pairs(options.annotation),
            "linux": {"cgroup_parent": options.cgroup_parent, "sysctls": pairs(options.sysctl),
                      "security_context": {"namespace_options": namespaces, "privileged": options.privileged, "seccomp": {"profile_type": 0}}}}


def pairs(texts):
    return dict(text.split("=", 1) for text in texts)


def container_config(options, name):
    split = lambda text: text.split(":")
    security = {"capabilities": {"add_capabilities": options.cap_add, "drop_capabilities": options.cap_drop}, "privileged": options.privileged,
                "namespace_options": {"network": NODE if options.host_network else 0, "pid": 0 if options.share_pid else CONTAINER, "ipc": 0},
                "readonly_rootfs": options.read_only, "no_new_privs": options.no_new_privs, "seccomp": {"profile_type": 1 if options.unconfined else 0}}
    if options.user is not None:
        security["run_as_user"] = {"value": options.user}
    return {"metadata": {"name": name}, "image": {"image": options.image}, "command": options.command,
            "envs": [{"key": key, "value": value} for key, value in pairs(options.env).items()],
            "mounts": [{"container_path": to, "host_path": source, "readonly": True} for source, to in map(split, options.mount)],
            "devices": [{"container_path": path, "host_path": path, "permissions": "rwm"} for path in options.device],
            "annotations": pairs(options.annotation), "log_path": name + ".log", "tty": options.tty,
            "linux": {"resources": resources(options), "security_context": security}}


def resources(options):
    values = {"memory_limit_in_bytes": options.memory, "cpu_quota": options.cpu_quota, "cpu_shares": options.cpu_shares}
    if options.cpu_quota:
        values["cpu_period"] = 100000
    return {name: value for name, value in values.items() if value}


def arguments():
    words, command = sys.argv[1:], []
    if "--" in words:
        words, command = words[:words.index("--")], words[words.index("--") + 1:]
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("id", nargs="?", default="", help="of the pod for run-pod, create, stop-pod, rm-pod; else of the container")
    for name in ("annotation", "env", "mount", "device", "cap-add", "cap-drop", "sysctl"):
        parser.add_argument("--" + name, action="append", default=[])
    for name in ("privileged", "read-only", "tty", "host-network", "share-pid", "no-new-privs", "unconfined"):
        parser.add_argument("--" + name, action="store_true")
    for name in ("memory", "cpu-quota", "cpu-shares", "user"):
        parser.add_argument("--" + name, type=int)
    for name, default in (("pod-name", "pod"), ("logs", "/tmp"), ("image", "docker.io/library/bb:latest"), ("handler", ""), ("cgroup-parent", "")):
        parser.add_argument("--" + name, default=default)
    options = parser.parse_args(words)
    options.command = command
    return options


def run_pod(cri, options):
    print(cri.call("RunPodSandbox", "RunPodSandbox", {"config": pod_config(options), "runtime_handler": options.handler})[1].decode())


def create(cri, options):
    name = options.command[0].replace("/", "_")[:20]
    request = {"pod_sandbox_id": options.id, "config": container_config(options, name), "sandbox_config": pod_config(options)}
    print(cri.call("CreateContainer", "CreateContainer", request)[1].decode())


def status(cri, options):
    found = decode(cri.call("ContainerStatus", "Container", {"container_id": options.id})[1])
    print(STATES[found.get(3, 0)], found.get(7, 0), found.get(10, b"").decode(), found.get(11, b"").decode())


def execute(cri, options):
    result = cri.call("ExecSync", "ExecSync", {"container_id": options.id, "cmd": options.command, "timeout": 30})
    sys.stdout.buffer.write(result.get(1, b"") + result.get(2, b""))
    sys.exit(result.get(3, 0))


def update(cri, options):
    cri.call("UpdateContainerResources", "UpdateContainerResources", {"container_id": options.id, "linux": resources(options)})


def stats(cri, options):
    found = decode(cri.call("ContainerStats", "Container", {"container_id": options.id})[1])
    print("memory", decode(decode(found[3]).get(2, b"")).get(1, 0), "cpu", decode(decode(found[2]).get(2, b"")).get(1, 0))


def simple(method, message, key, **more):
    return lambda cri, options: cri.call(method, message, {key: options.id, **more})


VERBS = {
    "version": lambda cri, options: print(*(value.decode() for value in cri.call("Version", "Version", {"version": "v1"}).values())),
    "run-pod": run_pod,
    "stop-pod": simple("StopPodSandbox", "Pod", "pod_sandbox_id"),
    "rm-pod": simple("RemovePodSandbox", "Pod", "pod_sandbox_id"),
    "create": create,
    "start": simple("StartContainer", "Container", "container_id"),
    "stop": simple("StopContainer", "StopContainer", "container_id", timeout=1),
    "rm": simple("RemoveContainer", "Container", "container_id"),
    "status": status,
    "exec": execute,
    "update": update,
    "stats": stats,
}

if __name__ == "__main__":
    chosen = arguments()
    try:
        VERBS[chosen.verb](Cri(chosen.socket), chosen)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
