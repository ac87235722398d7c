#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/host.h"

/// What this machine has now, read from procfs and sysfs below the host's root. No NVML, nothing kept between boots.
namespace gpurun::gpu {

/// A compute instance inside a GPU instance, with the capability nodes that open it.
struct MigInstance {
    unsigned gpu_instance = 0, compute_instance = 0;
    unsigned gpu_minor = 0, compute_minor = 0;           ///< /dev/nvidia-caps/nvidia-capN.
    std::uint32_t gpu_mode = 0444, compute_mode = 0444;  ///< As the driver wants the nodes.
};

struct Gpu {
    unsigned index = 0;  ///< NVML's: the place in PCI order among usable GPUs.
    unsigned minor = 0;  ///< /dev/nvidiaN.
    std::string bus_id;  ///< "0000:3b:00.0", in lower case.
    std::string uuid;    ///< "GPU-…"; empty until the GPU was used for the first time after the driver was loaded.
    std::string model;
    bool excluded = false;
    std::vector<MigInstance> mig;  ///< By GPU instance, then compute instance; empty: MIG is off or has no instances.
};

/// Major numbers from /proc/devices; 0: not registered.
struct Majors {
    unsigned nvidia = 0, uvm = 0, caps = 0, imex = 0, nvswitch = 0, nvlink = 0, gds = 0, gdrcopy = 0, drm = 0;
};

/// /proc/driver/nvidia/params: the text, and what it says about nodes.
struct DriverParameters {
    std::string text;
    bool modify_device_files = false;
    std::uint32_t uid = 0, gid = 0, mode = 0666;
};

struct Inventory {
    std::string version;       ///< The kernel driver's, "580.159.04".
    bool open_module = false;  ///< The open kernel modules.
    std::vector<Gpu> gpus;     ///< Usable ones; gpus[i].index == i.
    std::vector<Gpu> excluded;
    Majors majors;
    DriverParameters parameters;

    /// The driver's branch, 580 of "580.159.04".
    unsigned branch() const;
};

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
