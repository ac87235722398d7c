#pragma once

#include <string>
#include <vector>

#include "gpu/host.h"

namespace gpurun::gpu {

/// An NVIDIA device on the PCI bus, whether or not a driver knows it.
struct PciDevice {
    std::string bus_id;      ///< "0000:3b:00.0"
    std::string driver;      ///< The kernel driver bound to it: "nvidia", "nouveau", "vfio-pci"; empty: none.
    bool is_switch = false;  ///< An NVSwitch; otherwise a GPU.
};

/// NVIDIA's GPUs and NVSwitches in sysfs, by bus id. Doesn't wake a sleeping GPU.
std::vector<PciDevice> nvidia_pci_devices(const Host& host);

}  // namespace gpurun::gpu
