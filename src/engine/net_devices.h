#pragma once

#include <gpurun/spec.h>

#include <map>
#include <string>

#include "base/scope.h"

namespace gpurun::engine {

/// Moves network devices of the host into the network namespace of \a pid, with their permanent global addresses, and
/// raises them. When the container does not come about, they go back: a namespace that ends destroys virtual devices.
/// Carried out by the helper, which has libmnl. Throws Error naming the device. config-linux.md#network-devices
void move_net_devices(const std::map<std::string, spec::NetDevice>& devices, int pid, Undo& undo);

}  // namespace gpurun::engine
