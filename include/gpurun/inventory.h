#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The NVIDIA GPUs of a machine, as its kernel driver shows them. No NVML, nothing kept between boots.
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

/// What the machine whose files are below \a host_root has now: another root is a recorded or a mounted one. Nothing
/// when no NVIDIA kernel driver is loaded. Throws Error when it cannot be read.
std::optional<Inventory> inventory(const std::string& host_root = "/");

}  // namespace gpurun::gpu
