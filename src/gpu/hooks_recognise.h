#pragma once

#include <gpurun/gpu.h>

#include <optional>
#include <string>
#include <vector>

/// Hook entries that stand for GPU work in a config: those that NVIDIA's CDI files carry (`nvidia-cdi-hook`,
/// `nvidia-ctk hook`), the one that Docker's --gpus adds, and gpurun's own marker. They are taken out of the list and
/// done natively, without a process.
namespace gpurun::gpu {

/// `enable-cuda-compat`: prefer the image's own libcuda where this driver allows it.
struct CompatOrder {
    std::string driver_version;  ///< Of the host, "580.159.04"; empty: not told.
    std::string cuda_version;    ///< Tegra: what the host supports, "12.6".
    std::string folder;          ///< In the container; empty: /usr/local/cuda/compat.
};

/// What the hooks that were taken out ask for.
struct HookOrders {
    std::vector<Link> links;                   ///< `create-symlinks`, in order.
    std::vector<std::string> library_folders;  ///< `update-ldcache`: directories of the container.
    std::vector<std::string> soname_folders;   ///< `create-soname-symlinks`: directories of the container.
    std::optional<CompatOrder> compat;
    bool mask_parameters = false;      ///< `disable-device-node-modification`.
    bool application_profile = false;  ///< `update-application-profile`.
    bool by_environment = false;       ///< Docker's --gpus: inject what NVIDIA_VISIBLE_DEVICES names.
    std::vector<std::string> devices;  ///< gpurun's marker: CDI names to inject live.

    bool empty() const { return !from_cdi_file() && !by_environment && devices.empty(); }
    /// Hooks of NVIDIA's CDI files were there: whoever applied the file has put nodes and mounts into the config too.
    bool from_cdi_file() const {
        return !links.empty() || !library_folders.empty() || !soname_folders.empty() || compat || mask_parameters ||
               application_profile;
    }
};

/// True when some entry of \a hooks is one that take_hooks() would take: a cheap look for the start path.
bool has_recognised_hooks(const spec::Hooks& hooks);

/// Takes the recognised entries out of \a hooks. Those with a sub-command, option or value that is not known stay and
/// are executed; all that stay keep their order. Pure.
HookOrders take_hooks(spec::Hooks& hooks);

/// The marker that stands for the live injection of \a name in a CDI file (see thin_file), run by \a program.
spec::Hook marker_hook(const std::string& program, const std::string& name);

}  // namespace gpurun::gpu
