#pragma once

#include <gpurun/cgroup.h>

#include <string_view>
#include <vector>

/// The texts the kernel prints about hierarchies. Pure.
namespace gpurun::cgroup {

/// /proc/PID/cgroup as hierarchies without mount points; cgroup2 ("0::/path") has no controllers. Paths outside the
/// cgroup namespace ("/../..") become "/".
std::vector<Hierarchy> parse_memberships(std::string_view text);

/// The v1 hierarchies of /proc/PID/mountinfo with their controllers; the first mount of each.
std::vector<Hierarchy> parse_mount_table(std::string_view text);

/// The value of \a key in a flat-keyed file ("populated 1\nfrozen 0\n"); empty when it is absent.
std::string_view flat_value(std::string_view text, std::string_view key);

}  // namespace gpurun::cgroup
