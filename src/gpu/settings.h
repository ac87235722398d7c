#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu/capability.h"
#include "sys/fd.h"

namespace gpurun::gpu {

/// The administrator's policy: the table [gpu] of gpurun.toml, or what NVIDIA's config.toml says about the same things.
/// See gpurun.toml(5) for the keys.
struct Settings {
    /// When CDI names in annotations count: never, unless the config was edited by CDI already, always.
    enum class Annotations { off, automatic, on };

    bool disable_require = false;        ///< NVIDIA_REQUIRE_* is not checked.
    bool accept_environment = true;      ///< NVIDIA_VISIBLE_DEVICES counts in containers without CAP_SYS_ADMIN too.
    bool accept_volume_mounts = false;   ///< Mounts below /var/run/nvidia-container-devices are requests.
    bool load_modules = true;            ///< Missing kernel modules are loaded, nodes for user namespaces made.
    bool hide_procfs = true;             ///< Other GPUs and ModifyDeviceFiles are hidden in /proc/driver/nvidia.
    bool cuda_compat = true;             ///< The image's newer libcuda is preferred where the driver allows it.
    bool additional_gids = true;         ///< Groups of nodes that are not open to all are given to the process.
    bool ignore_imex = false;            ///< NVIDIA_IMEX_CHANNELS is not a request.
    bool ignore_missing_driver = false;  ///< Without a driver the container starts without GPUs.
    bool prefer_cdi_files = false;       ///< CDI files win over live discovery for nvidia.com/gpu.
    std::string driver_root = "/";       ///< The tree that holds the driver's files.
    std::string default_kind = "nvidia.com/gpu";  ///< CDI kind of names that have none.
    std::vector<std::string> library_paths;       ///< Searched before the known directories, below the driver root.
    std::vector<std::string> swarm_resources;     ///< Variables that replace NVIDIA_VISIBLE_DEVICES.
    std::vector<std::string> cdi_directories{"/etc/cdi", "/var/run/cdi"};  ///< Later ones win.
    std::vector<std::string> annotation_prefixes{"cdi.k8s.io/"};           ///< Keys of annotations with CDI names.
    CapabilitySet supported = CapabilitySet::all();                    ///< Upper bound of NVIDIA_DRIVER_CAPABILITIES.
    CapabilitySet fallback{Capability::compute, Capability::utility};  ///< Where NVIDIA_DRIVER_CAPABILITIES is not set.
    Annotations annotations = Annotations::automatic;
    std::string file;  ///< Where this was read; empty: the built-in defaults.
};

/// Reads the first file that exists below \a host_root: for the caller without root
/// $XDG_CONFIG_HOME/gpurun/gpurun.toml, then /etc/gpurun/gpurun.toml, then NVIDIA's config.toml in the same two places.
/// A gpurun.toml without a table [gpu] counts as absent. Throws Error with file and line. Unknown keys are ignored.
Settings read_settings(sys::FdRef host_root, bool rootless);

/// The settings in effect by gpurun.toml's keys, as text: "true", "/", "compute,utility".
std::map<std::string, std::string> describe(const Settings& settings);

/// The two formats; \a name is the file's name for messages.
std::optional<Settings> parse_settings(std::string_view text, std::string_view name);
Settings parse_nvidia_settings(std::string_view text, std::string_view name);

}  // namespace gpurun::gpu
