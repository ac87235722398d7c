#pragma once

#include <string>

/// Names and properties of systemd units. Pure.
namespace gpurun::cgroup {

/// The cgroup of a slice below its manager's: "a-b.slice" → "/a.slice/a-b.slice", "-.slice" → "/". Throws Error for
/// other names.
std::string expand_slice(const std::string& slice);

}  // namespace gpurun::cgroup
