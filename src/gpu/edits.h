#pragma once

#include <gpurun/gpu.h>

#include <string>

/// Edits as values: added up, printed and applied to a Spec. Native discovery, CDI files and emulated hooks meet here.
namespace gpurun::gpu {

/// How device nodes come into the container: made there, or bound from the host where mknod is refused (user
/// namespaces, rootless).
enum class NodeStyle { make, bind };

/// Where the edits' mounts go among the config's own: behind them, or all sorted by the depth of the destination as CDI
/// wants it.
enum class MountOrder { append, by_depth };

struct Application {
    NodeStyle nodes = NodeStyle::make;
    MountOrder order = MountOrder::append;
};

/// NodeStyle::bind when \a spec makes or joins a user namespace with mappings, or \a rootless.
NodeStyle node_style(const spec::Spec& spec, bool rootless);

/// Adds \a more to \a edits: the same device path, mount destination or environment name in \a more replaces the
/// earlier one.
void add(Edits& edits, Edits more);

/// Puts everything that config.json has a word for into \a spec and returns the rest. A device of the same path and a
/// mount on the same destination are replaced; a rule for each device is added behind the config's own; group 0 and
/// duplicates are dropped. CDI SPEC.md "container edits".
RootfsEdits apply(Edits edits, spec::Spec& spec, Application how);

/// The value of \a name in \a env, a list of NAME=VALUE; the last one wins as it does for execve. Nothing when it is
/// not set.
std::optional<std::string_view> environment_value(const std::vector<std::string>& env, std::string_view name);

/// One line per edit, for golden tests and `gpurun gpu explain`. \a host_root is cut off the front of host paths.
std::string print(const Edits& edits, const std::string& host_root = "/");

}  // namespace gpurun::gpu
