"""linux.netDevices: network devices of the host in the container. config-linux.md#network-devices"""
import json
import pathlib
import subprocess

from harness.cases import case, tool
from harness.checks import contains, equal, fails, succeeds


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def ip_in(pid, *arguments):
    """ip in the network namespace of pid."""
    return subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *arguments], check=True, capture_output=True, text=True).stdout


def pairs():
    """A need: the kernel has veth devices."""
    made = subprocess.run(["ip", "link", "add", "gputestprobe", "type", "veth"], capture_output=True, check=False)
    if made.returncode == 0:
        ip("link", "del", "gputestprobe")
    return None if made.returncode == 0 else "this kernel has no veth devices"


NEEDS = [tool("ip"), pairs]


class Device:
    """One end of a pair on the host; names are at most 15 characters, so the container's identity gives only the end."""

    def __init__(self, t, number=0):
        self.name = f"gt{t.name[-8:].replace('-', '')}{number}"
        ip("link", "add", self.name, "address", f"02:00:00:00:00:0{number + 1}", "mtu", "1400", "type", "veth", "peer", "name", self.name + "p")
        ip("link", "set", self.name + "p", "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "del", self.name + "p"], capture_output=True, check=False)

    def on_host(self):
        return pathlib.Path("/sys/class/net", self.name).exists()


def addresses(text):
    return {entry["local"]: entry for entry in json.loads(text)[0]["addr_info"]}


@case("a device comes with its permanent addresses, its hardware address and its MTU, and is up", needs=NEEDS, runc="only since 1.4")
def _(t):
    with Device(t) as device:
        ip("addr", "add", "169.254.169.13/32", "scope", "global", "dev", device.name)
        ip("addr", "add", "192.0.2.7/24", "brd", "192.0.2.255", "dev", device.name, "noprefixroute")
        ip("addr", "add", "198.51.100.8/24", "scope", "link", "dev", device.name)
        ip("addr", "add", "203.0.113.9/24", "dev", device.name, "valid_lft", "500", "preferred_lft", "500")
        ip("link", "set", device.name, "up")
        ip("-6", "addr", "add", "2001:db8::7/64", "dev", device.name, "nodad")
        c = t.container("sleep", "100")
        c.linux["netDevices"] = {device.name: {}}
        c.started()
        assert not device.on_host(), "the host still has it"
        inside = ip_in(c.pid(), "-j", "addr", "show", "dev", device.name)
        facts = json.loads(inside)[0]
        equal((facts["mtu"], facts["address"], "UP" in facts["flags"]), (1400, "02:00:00:00:00:01", True))
        found = addresses(inside)
        equal({name for name in found if not name.startswith("fe80")}, {"169.254.169.13", "192.0.2.7", "2001:db8::7"}, "addresses")
        equal((found["192.0.2.7"]["prefixlen"], found["192.0.2.7"]["broadcast"], found["192.0.2.7"].get("noprefixroute")),
              (24, "192.0.2.255", True))
        assert not found["2001:db8::7"].get("tentative"), found


@case("a device gets another name, also one that the kernel numbers", needs=NEEDS, runc="only since 1.4")
def _(t):
    with Device(t) as first, Device(t, 1) as second, Device(t, 2) as third:
        c = t.container(sh="cd /sys/class/net; echo *")
        c.linux["netDevices"] = {first.name: {"name": "eth%d"}, second.name: {"name": "uplink"}, third.name: {"name": "eth%d"}}
        equal(succeeds(c.run()).out.split(), ["eth0", "eth1", "lo", "uplink"])


@case("a device moves to a namespace that is joined by path", needs=NEEDS, runc="only since 1.4")
def _(t):
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as holder, Device(t) as device:
        equal(holder.stdout.readline(), "ready\n")
        c = t.container("cat", "/sys/class/net/ctr0/address")
        c.linux["netDevices"] = {device.name: {"name": "ctr0"}}
        next(entry for entry in c.linux["namespaces"] if entry["type"] == "network")["path"] = f"/proc/{holder.pid}/ns/net"
        equal(succeeds(c.run()).out, "02:00:00:00:00:01\n")
        contains(ip_in(holder.pid, "link"), "ctr0", "the namespace afterwards, as devices are not moved back")
        holder.stdin.close()


@case("a name that the container's namespace has is refused, and every device stays", needs=NEEDS, runc="only since 1.4")
def _(t):
    with Device(t) as first, Device(t, 1) as second:
        ip("addr", "add", "192.0.2.7/24", "dev", first.name)
        c = t.container("true")
        c.linux["netDevices"] = {first.name: {"name": "fine"}, second.name: {"name": "lo"}}
        fails(c.try_create(), second.name, '"lo"', "file exists")
        assert first.on_host() and second.on_host(), "a device is gone"
        contains(ip("addr", "show", first.name), "192.0.2.7/24")


@case("a device that isn't there is refused by name", needs=NEEDS, runc="only since 1.4")
def _(t):
    with Device(t) as device:
        c = t.container("true")
        c.linux["netDevices"] = {device.name: {}, "nosuchdev": {}}
        fails(c.try_create(), "nosuchdev", "no such device")
        assert device.on_host(), "the other device is gone"


@case("devices go back when the container does not come about", needs=NEEDS, runc="only since 1.4")
def _(t):
    with Device(t) as device:
        c = t.container("/no/such/program")
        c.linux["netDevices"] = {device.name: {"name": "eth%d"}}
        fails(c.try_create(), "no such file")
        assert device.on_host(), "the device went with the namespace"


@case("names that no interface can have, and devices without a network namespace, are refused", runc="only since 1.4")
def _(t):
    for host, inside in (("a/b", {}), ("a%d", {}), ("lo2", {"name": "x" * 16}), ("lo2", {"name": "e%d%d"}), ("lo2", {"name": "e%s"})):
        c = t.container("true")
        c.linux["netDevices"] = {host: inside}
        fails(c.try_create(), "invalid network device name")
    c = t.container("true")
    c.linux["netDevices"] = {"lo2": {}}
    c.without_namespace("network")
    fails(c.try_create(), "unable to move network devices without a NET namespace")
