#pragma once

#include <string>
#include <vector>

#include "gpu/cdi_file.h"
#include "gpu/native.h"

/// CDI files for NVIDIA GPUs, for engines that resolve devices themselves (`gpurun gpu cdi generate`).
namespace gpurun::gpu::cdi {

/// What devices are called: "0" and "0:1" for MIG instances, "GPU-…", "gpu0" and "mig0:1".
enum class Naming { index, uuid, type_index };

struct GenerateOptions {
    std::string kind = "nvidia.com/gpu";
    std::vector<Naming> names{Naming::index, Naming::uuid};
    bool all = true;                                        ///< A device "all" besides.
    std::string hook_program = "/usr/bin/nvidia-cdi-hook";  ///< Full: what its hooks run. gpurun does them itself.
    std::string program = "/usr/sbin/gpurun";               ///< Thin: what the marker hook runs under another runtime.
};

/// Everything a runtime without GPU support needs: nodes, libraries, links and hooks in the form that NVIDIA's
/// generator writes. Bound to this driver version and these device numbers. \a found: of every GPU, with all
/// capabilities.
File full_file(const Discovery& found, const Host& host, const GenerateOptions& options);

/// Only names: each device's edits are gpurun's marker, for which gpurun injects what the machine has when the
/// container starts. Never stale; under another runtime the hook fails and says why.
File thin_file(const Inventory& inventory, const GenerateOptions& options);

}  // namespace gpurun::gpu::cdi
