#pragma once

#include <gpurun/plan.h>

#include <vector>

#include "sys/fd.h"

namespace gpurun::engine {

/// Writes the maps of \a pid's new user namespace. \a proc: the host's /proc. Rootless: by newuidmap/newgidmap where
/// more than one id is mapped, else one's own id with setgroups denied. Runs in the host process.
void write_id_maps(sys::FdRef proc, int pid, const plan::step::MapIds& step);

/// A user namespace that exists only for its maps, for MOUNT_ATTR_IDMAP.
sys::Fd mapping_namespace(sys::FdRef proc, const std::vector<spec::IdMapping>& uids,
                          const std::vector<spec::IdMapping>& gids);

/// Idmaps a detached mount as the step asks. Runs in the container process, which needs the host's privileges for it.
void map_mount_ids(sys::FdRef mount, const plan::step::Mount& step);

}  // namespace gpurun::engine
