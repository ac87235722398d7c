#include "gpu/nodes.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr unsigned control_minor = 255, modeset_minor = 254;

void add_capability(std::vector<HostNode>& nodes, const Majors& majors, unsigned minor, std::uint32_t mode) {
    HostNode node{
        .path = format("/dev/nvidia-caps/nvidia-cap{}", minor), .major = majors.caps, .minor = minor, .mode = mode};
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(std::move(node));
}

void add_capabilities(std::vector<HostNode>& nodes, const Survey& survey) {
    const auto& inventory = *survey.inventory;
    if (inventory.majors.caps == 0) return;
    for (const char* path : {"mig/config", "mig/monitor", "fabric-imex-mgmt"})
        if (const auto node = read_capability(survey.host, path))
            add_capability(nodes, inventory.majors, node->minor, node->mode);
    for (const auto& gpu : inventory.gpus)
        for (const auto& instance : gpu.mig) {
            add_capability(nodes, inventory.majors, instance.gpu_minor, instance.gpu_mode);
            add_capability(nodes, inventory.majors, instance.compute_minor, instance.compute_mode);
        }
}

std::optional<struct stat> stat_of(const Host& host, const std::string& path) {
    const sys::Fd file = sys::try_open_at(host.root, path, O_PATH | O_NOFOLLOW, Resolve::in_root);
    if (!file) return std::nullopt;
    return sys::stat_fd(file);
}

void own(sys::FdRef directory, const std::string& name, const HostNode& node) {
    if (::fchownat(directory.get(), name.c_str(), node.uid, node.gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw Error(errno, format("chown({})", node.path));
    // mknod's mode is cut by the umask.
    if (::fchmodat(directory.get(), name.c_str(), node.mode, 0) != 0)
        throw Error(errno, format("chmod({})", node.path));
}

}  // namespace

std::vector<HostNode> wanted_nodes(const Survey& survey, const std::vector<unsigned>& imex_channels) {
    std::vector<HostNode> nodes;
    if (!survey.inventory) return nodes;
    const auto& inventory = *survey.inventory;
    const auto& majors = inventory.majors;
    const auto add = [&](std::string path, unsigned major, unsigned minor) {
        nodes.push_back({.path = std::move(path),
                         .major = major,
                         .minor = minor,
                         .mode = inventory.parameters.mode,
                         .uid = inventory.parameters.uid,
                         .gid = inventory.parameters.gid});
    };
    add("/dev/nvidiactl", majors.nvidia, control_minor);
    for (const auto& gpu : inventory.gpus) add(format("/dev/nvidia{}", gpu.minor), majors.nvidia, gpu.minor);
    if (majors.uvm != 0) {
        add("/dev/nvidia-uvm", majors.uvm, 0);
        add("/dev/nvidia-uvm-tools", majors.uvm, 1);
    }
    if (has_module(survey.host, "nvidia_modeset")) add("/dev/nvidia-modeset", majors.nvidia, modeset_minor);
    add_capabilities(nodes, survey);
    if (!imex_channels.empty() && majors.imex == 0)
        throw Error("the loaded driver has no IMEX channels: /proc/devices does not list nvidia-caps-imex-channels");
    for (const auto channel : imex_channels)
        add(format("/dev/nvidia-caps-imex-channels/channel{}", channel), majors.imex, channel);
    return nodes;
}

NodeState state_of(const Host& host, const HostNode& node) {
    const auto facts = stat_of(host, node.path);
    if (!facts) return NodeState::missing;
    if (!S_ISCHR(facts->st_mode)) return NodeState::no_device;
    if (facts->st_rdev != makedev(node.major, node.minor)) return NodeState::other_numbers;
    if ((facts->st_mode & 0777) != node.mode || facts->st_uid != node.uid || facts->st_gid != node.gid)
        return NodeState::other_mode;
    return NodeState::right;
}

void make_node(const Host& host, const HostNode& node) {
    const NodeState state = state_of(host, node);
    if (state == NodeState::right) return;
    if (state == NodeState::no_device)
        throw Error(format("{} is a file and no device: remove it, then run this again", host.source(node.path)));
    const sys::Fd directory = sys::make_directories_in(host.root, parent_of(node.path));
    const std::string name(base_name(node.path));
    if (state == NodeState::other_mode) return own(directory, name, node);
    // Made beside and put in its place, so that there is no moment without the node.
    const std::string fresh = name + ".new";
    ::unlinkat(directory.get(), fresh.c_str(), 0);
    if (::mknodat(directory.get(), fresh.c_str(), S_IFCHR | node.mode, makedev(node.major, node.minor)) != 0)
        throw Error(errno, format("mknod({})", host.source(node.path)));
    own(directory, fresh, node);
    if (::renameat(directory.get(), fresh.c_str(), directory.get(), name.c_str()) != 0)
        throw Error(errno, format("rename({})", host.source(node.path)));
}

bool link_by_number(const Host& host, const HostNode& node) {
    const sys::Fd directory = sys::make_directories_in(host.root, "/dev/char");
    const std::string name = format("{}:{}", node.major, node.minor);
    const std::string target = ".." + node.path.substr(4);
    if (sys::try_read_link(directory, name) == target) return false;
    ::unlinkat(directory.get(), name.c_str(), 0);
    if (::symlinkat(target.c_str(), directory.get(), name.c_str()) != 0)
        throw Error(errno, format("symlink(/dev/char/{})", name));
    return true;
}

}  // namespace gpurun::gpu
