#include "helper/net_devices.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/scope.h"
#include "base/text.h"
#include "helper/netlink.h"
#include "sys/fd.h"

namespace gpurun::helper {
namespace {

/// One network namespace and a routing socket in it.
struct Side {
    sys::Fd space;
    Netlink netlink;
};

struct Device {
    std::string name, new_name;
    Link link;
    std::vector<Address> addresses;
};

// A socket belongs to the namespace that its maker is in.
Side open_side(const std::string& path, const sys::Fd& own) {
    sys::Fd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space) throw Error(errno, "open " + path);
    if (::setns(space.get(), CLONE_NEWNET) != 0) throw Error(errno, "setns " + path);
    const ScopeExit back([&own] { ::setns(own.get(), CLONE_NEWNET); });
    return {std::move(space), Netlink()};
}

// The number a device gets in its new namespace is ours to choose: so it is found again, whatever name the kernel gave.
int free_index(Netlink& netlink, int wanted) {
    int highest = 0;
    bool taken = false;
    for (const Link& link : netlink.links()) {
        taken = taken || link.index == wanted;
        highest = std::max(highest, link.index);
    }
    return taken ? highest + 1 : wanted;
}

std::string context(const Device& device) { return format("network device \"{}\"", device.name); }

void look_up(Side& from, Device& device) {
    const auto link = from.netlink.find(device.name);
    if (!link) throw Error(ENODEV, context(device));
    device.link = *link;
    device.addresses = from.netlink.permanent_addresses(link->index);
}

// The kernel moves first and renames then: a name that is taken would leave the device there with its old one.
void require_free(Side& to, const Device& device) {
    if (to.netlink.find(device.new_name))
        throw Error(EEXIST, format("{}: the name \"{}\" in the container's network namespace", context(device),
                                   device.new_name));
}

/// Returns the name in \a to.
std::string move(Side& from, Side& to, const Device& device) {
    require_free(to, device);
    const int index = free_index(to.netlink, device.link.index);
    try {
        from.netlink.move(device.link.index, to.space, device.new_name, index);
        // Up first: IPv6 takes addresses only of a device that runs it.
        to.netlink.raise(index);
        for (const auto& address : device.addresses) to.netlink.add(index, address);
        return to.netlink.name_of(index);
    } catch (const Error& error) {
        throw with_context(context(device), error);
    }
}

std::string move_all(Side& from, Side& to, std::vector<Device>& devices) {
    for (auto& device : devices) look_up(from, device);
    std::vector<Device> moved;
    std::string names;
    try {
        for (const auto& device : devices) {
            const std::string name = move(from, to, device);
            moved.push_back({.name = name, .new_name = device.name, .link = {}, .addresses = {}});
            names += name + "\n";
        }
    } catch (const Error&) {
        for (auto& device : moved) try {
                look_up(to, device);
                move(to, from, device);
            } catch (const Error& error) {
                std::fprintf(stderr, "%s\n", error.text().c_str());
            }
        throw;
    }
    return names;
}

}  // namespace

std::string net_devices(const std::vector<std::string>& arguments) {
    if (arguments.size() < 4 || arguments.size() % 2 != 0)
        throw Error("net-devices: expected two network namespaces, then pairs of names");
    std::vector<Device> devices;
    for (std::size_t at = 2; at < arguments.size(); at += 2)
        devices.push_back({.name = arguments[at], .new_name = arguments[at + 1], .link = {}, .addresses = {}});
    const sys::Fd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!own) throw Error(errno, "open /proc/self/ns/net");
    Side from = open_side(arguments[0], own), to = open_side(arguments[1], own);
    return move_all(from, to, devices);
}

}  // namespace gpurun::helper
