#pragma once

#include <string>
#include <vector>

namespace gpurun::helper {

/// `systemd ACTION [--user] UNIT [NAME=VALUE…]`, values as GVariant text. Throws Error.
///
/// start: makes the transient unit and waits until it is there. A scope gets a process that stays until another one has
/// come or the caller has gone, as a scope cannot be empty. Says the unit's cgroup. set: changes properties of the
/// running unit. stop: ends the unit with what is in it; one that is not there is fine. attach:
/// moves the process PID=NUMBER into the unit's cgroup, or below it (PATH=/PATH).
std::string systemd(const std::vector<std::string>& arguments);

}  // namespace gpurun::helper
