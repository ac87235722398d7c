#pragma once

#include <gpurun/container.h>

#include <set>
#include <string>
#include <vector>

#include "engine/criu.h"
#include "sys/mount_table.h"

/// What is asked of CRIU, as values. Images are those of runc: what one wrote the other can restore.
namespace gpurun::container {

/// What is known about a container that is to be dumped. Gathered from /proc by checkpoint.
struct DumpFacts {
    std::int64_t pid = 0;
    std::string rootfs;
    std::string freeze_cgroup;            ///< Its directory with a freezer; empty: CRIU stops each process by ptrace.
    std::vector<sys::MountEntry> mounts;  ///< Of the container.
    std::vector<sys::MountEntry> host_mounts;  ///< Of this process.
    std::set<int> config_binds;                ///< Ids of the mounts that are binds of the config.
    std::vector<std::string> external;         ///< CRIU's --external: "net[4026532345]:extRootNetNS".
    std::vector<std::string>
        descriptors;  ///< What 0, 1 and 2 of the init are: "pipe:[123]", "file[1f:2a]", "/dev/pts/0".
};

/// The dump or pre-dump that \a options ask for. Throws Error for a mount that CRIU can't restore.
engine::CriuRequest dump_request(const CheckpointOptions& options, const spec::Spec& spec, const DumpFacts& facts,
                                 const std::string& program);

/// The restore, but for the mounts, which depend on the root file system; \a descriptors: what 0, 1 … were when dumped.
/// Throws Error for a namespace that CRIU can't join.
engine::CriuRequest restore_request(const RestoreOptions& options, const spec::Spec& spec, const std::string& rootfs,
                                    const std::vector<std::string>& descriptors, const std::string& program);

/// CRIU's key for a network or pid namespace that is not the container's own.
std::string external_namespace_key(spec::NamespaceType type);

}  // namespace gpurun::container
