#pragma once

#include <gpurun/cgroup.h>

#include <string>

namespace gpurun::engine {

/// The directory below /sys/fs/cgroup where a v1 hierarchy is mounted in a container: "cpu,cpuacct", "systemd".
std::string v1_mount_name(const cgroup::Directory& directory);

}  // namespace gpurun::engine
