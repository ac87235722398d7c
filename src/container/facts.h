#pragma once

#include <gpurun/container.h>

#include <string>
#include <vector>

#include "sys/fd.h"

namespace gpurun::container {

/// What plans need to know about the machine, but for the cgroup's place.
plan::Host probe_host();

/// Descriptors to be kept for the program: LISTEN_FDS and those of --preserve-fds; adds LISTEN_PID to \a env. Throws
/// Error when --preserve-fds has none to keep.
int preserved_fds(int asked, std::vector<std::string>& env);

/// The cgroup of a record, ready to be asked; never null.
std::unique_ptr<cgroup::Manager> manager_of(const state::Record& record);

/// running, but paused where the cgroup is frozen.
spec::Status current_status(const state::Store& store, const state::Record& record);

}  // namespace gpurun::container
