#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/survey.h"

/// NVIDIA's device nodes on the host itself: which ought to be there, how they are, making them. Containers get nodes
/// of their own; the host's are for programs outside, other runtimes, and containers in user namespaces, where mknod is
/// refused.
namespace gpurun::gpu {

struct HostNode {
    std::string path;
    unsigned major = 0, minor = 0;
    std::uint32_t mode = 0666, uid = 0, gid = 0;
    bool operator==(const HostNode&) const = default;
};

/// The nodes that the loaded modules and the parameters of the driver call for, as nvidia-modprobe makes them:
/// nvidiactl, nvidiaN, nvidia-uvm and nvidia-modeset where those modules are loaded, capabilities, and
/// \a imex_channels. Throws Error for channels without the driver's support of them.
std::vector<HostNode> wanted_nodes(const Survey& survey, const std::vector<unsigned>& imex_channels = {});

enum class NodeState { right, missing, other_numbers, other_mode, no_device };

/// How the host's node compares with \a node.
NodeState state_of(const Host& host, const HostNode& node);

/// Makes or corrects the node below the host's root, with its directory. Throws Error, also where a file that is no
/// device has its name.
void make_node(const Host& host, const HostNode& node);

/// Makes /dev/char/MAJOR:MINOR point to the node: systemd before 240 looks devices up there. True when it was not so
/// before.
bool link_by_number(const Host& host, const HostNode& node);

}  // namespace gpurun::gpu
