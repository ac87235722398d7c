#pragma once

#include <string>
#include <vector>

namespace gpurun::helper {

/// `net-devices FROM TO NAME NEWNAME [NAME NEWNAME…]`: moves network devices from one network namespace to another,
/// both given by path, renamed, with their permanent global addresses, and raises them. One "%d" in NEWNAME is a number
/// that the kernel picks. Returns the names in TO, one a line. All devices are looked up before the first is moved;
/// when one can't be moved, those before it go back. Throws Error naming the device. config-linux.md#network-devices
std::string net_devices(const std::vector<std::string>& arguments);

}  // namespace gpurun::helper
