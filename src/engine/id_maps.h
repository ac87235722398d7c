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

/// Idmaps a detached mount as the step asks; \a user: a user namespace with the maps, where the step has none. Needs
/// the host's privileges: runs in the container process, or in the host process where the container has a user
/// namespace.
void map_mount_ids(sys::FdRef proc, sys::FdRef mount, const plan::step::Mount& step, sys::FdRef user);

/// A detached copy of the step's bind; unset where the source is not there yet. Runs in the host process.
sys::Fd try_open_bind(const plan::step::Mount& step) noexcept;

/// The step's bind or new file system, detached and idmapped. Runs in the host process.
sys::Fd make_mapped_mount(sys::FdRef proc, const plan::step::Mount& step, sys::FdRef user);

}  // namespace gpurun::engine
