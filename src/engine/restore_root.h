#pragma once

#include <gpurun/plan.h>

#include <string>
#include <vector>

namespace gpurun::engine {

/// Prepares what CRIU needs of the root file system, in the process that becomes CRIU's and in a new mount namespace
/// that goes with it: the root is a mount, mount points that create would make are there, as are links and files of GPU
/// edits. Returns `mount PLACE SOURCE` for each mount that a dump left out: binds, cgroups of the host, null devices
/// over masked files. \a cgroup: the container's, null when it has none of its own; \a scratch: a directory to mount
/// files at. Throws Error.
std::vector<std::string> make_restore_root(const plan::Plan& plan, const cgroup::Location* cgroup,
                                           const std::string& scratch);

}  // namespace gpurun::engine
