#pragma once

#include "gpu/capability.h"
#include "gpu/host.h"
#include "gpu/inventory.h"

namespace gpurun::gpu {

/// Loads the kernel modules that the request needs and the machine lacks, with the host's own modprobe: nvidia,
/// nvidia-uvm, and nvidia-modeset for display. Does nothing below another root than "/", without uid 0 in the initial
/// user namespace, or where all are there. True when something was loaded: what was read before is stale. Failures are
/// warnings; the inventory tells what is missing.
bool load_modules(const Host& host, const Inventory* inventory, CapabilitySet capabilities);

}  // namespace gpurun::gpu
