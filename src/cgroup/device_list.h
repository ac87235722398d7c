#pragma once

#include <string>

#include "cgroup/device_rules.h"

namespace gpurun::cgroup {

/// Brings the devices cgroup \a path (v1) to \a list. With \a live, a container that may have processes: only the
/// differences are written, what is new first, and where the default changes the container is frozen meanwhile.
/// Without: a new cgroup. Throws Error.
void write_device_list(const std::string& path, const DeviceList& list, Manager* live);

/// devices.list as it is, "a *:* rwm" being the default. Pure.
DeviceList parse_device_list(std::string_view text);

}  // namespace gpurun::cgroup
