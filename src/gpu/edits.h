#pragma once

#include <gpurun/gpu.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

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
/// The same for what config.json has no word for: nothing is replaced, what comes later is done later.
void add(RootfsEdits& rootfs, RootfsEdits more);

/// Puts everything that config.json has a word for into \a spec and returns the rest. A device of the same path and a
/// mount on the same destination are replaced; a rule for each device is added behind the config's own; group 0 and
/// duplicates are dropped. CDI SPEC.md "container edits".
RootfsEdits apply(Edits edits, spec::Spec& spec, Application how);

/// The value of \a name in \a env, a list of NAME=VALUE; the last one wins as it does for execve. Nothing when it is
/// not set.
std::optional<std::string_view> environment_value(const std::vector<std::string>& env, std::string_view name);

/// Notes why \a subject is in \a edits, where somebody wants to know.
template <typename... Arguments>
void because(Edits& edits, std::string_view subject, fmt::format_string<Arguments...> why, Arguments&&... arguments) {
    if (edits.reasons)
        edits.reasons->push_back({std::string(subject), fmt::format(why, std::forward<Arguments>(arguments)...)});
}
/// Notes why \a subject is not in \a edits, likewise.
template <typename... Arguments>
void left_out(Edits& edits, std::string_view subject, fmt::format_string<Arguments...> why, Arguments&&... arguments) {
    if (edits.reasons)
        edits.reasons->push_back({std::string(subject), fmt::format(why, std::forward<Arguments>(arguments)...), true});
}

/// Notes the same reason for all of \a edits.
void because_all(Edits& edits, std::string_view why);

/// An edit in words: "device /dev/nvidia0 c 195:0 rw", and the subject that reasons for it are noted under.
struct EditLine {
    std::string kind, subject, text;
};
std::vector<EditLine> lines(const Edits& edits, const std::string& host_root = "/");

/// One line per edit, for golden tests and the debug log. \a host_root is cut off the front of host paths.
std::string print(const Edits& edits, const std::string& host_root = "/");

}  // namespace gpurun::gpu
