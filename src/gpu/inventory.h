#pragma once

#include <gpurun/inventory.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/host.h"

/// What this machine has now, read from procfs and sysfs below the host's root. No NVML, nothing kept between boots.
namespace gpurun::gpu {

/// Reads the machine; nothing when no NVIDIA kernel driver is loaded.
std::optional<Inventory> read_inventory(const Host& host);

/// Single facts: the driver's parameters, empty where it is not loaded; the kernel's major numbers.
DriverParameters read_parameters(const Host& host);
Majors read_majors(const Host& host);

/// The driver is loaded: /proc/driver/nvidia/version is there.
bool driver_loaded(const Host& host);

/// "580.159.04" of /proc/driver/nvidia/version's text; nothing when it is not there.
std::optional<std::string> parse_driver_version(std::string_view text);

/// /proc/devices.
Majors parse_majors(std::string_view text);

/// /proc/driver/nvidia/gpus/ID/information. Index and instances are left alone.
Gpu parse_gpu(std::string_view information, std::string_view bus_id);

/// GPUs as lines of text, and back; nothing when the text is none of ours. Index and instances are left out: they
/// follow from the order and are read anew.
std::string write_gpus(const std::vector<Gpu>& gpus);
std::optional<std::vector<Gpu>> parse_gpus(std::string_view text);

/// An access file of a capability: node number and mode; nothing when it has no number.
struct CapabilityNode {
    unsigned minor = 0;
    std::uint32_t mode = 0444;
};
std::optional<CapabilityNode> parse_capability(std::string_view text);

/// The node for \a path below /proc/driver/nvidia/capabilities, such as "mig/config".
std::optional<CapabilityNode> read_capability(const Host& host, const std::string& path);

/// "card0" and "renderD128" of the GPU at \a bus_id; empty when nvidia_drm is not loaded.
std::vector<std::string> drm_nodes(const Host& host, const std::string& bus_id);

}  // namespace gpurun::gpu
