#pragma once

#include "cgroup/device_rules.h"
#include "sys/fd.h"

namespace gpurun::cgroup {

/// Whether the cgroup is new, which spares asking what is attached.
enum class Attached { nothing, unknown };

/// Makes \a rules the device filter of the cgroup2 \a directory: gpurun's program, if there is one, is replaced in one
/// step, others (systemd's) stay. Rules that allow everything are no program at all. Throws Error, but in a user
/// namespace, where the kernel refuses device programs and mknod alike, nothing is done.
void set_device_program(sys::FdRef directory, const std::vector<DeviceMatch>& rules,
                        Attached attached = Attached::unknown);

}  // namespace gpurun::cgroup
