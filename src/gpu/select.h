#pragma once

#include <string>
#include <vector>

#include "gpu/inventory.h"
#include "gpu/request.h"

namespace gpurun::gpu {

/// What only NVML knows about one GPU: asked of a helper process, see ask_nvml.
struct NvmlMig {
    unsigned gpu_instance = 0, compute_instance = 0;
    std::string uuid;  ///< "MIG-…"
};
struct NvmlGpu {
    std::string bus_id;  ///< As in Gpu.
    std::string uuid;
    std::vector<NvmlMig> mig;
};
using NvmlFacts = std::vector<NvmlGpu>;

/// A source of NVML's facts; asked at most once, and only when a name can't be resolved without. An interface because
/// tests answer without a driver.
class NvmlSource {
 public:
    virtual ~NvmlSource() = default;
    /// Throws Error when there is no answer.
    virtual NvmlFacts ask() = 0;
};

/// A chosen GPU; its instances are those that were chosen, all of them when the GPU was.
struct Selection {
    std::vector<Gpu> gpus;  ///< In PCI order, each once.
    bool whole = false;     ///< Every usable GPU of the machine is chosen.
};

/// Resolves the request's names. A GPU with MIG instances brings all of them. Throws Error naming the unknown GPU and
/// what there is.
Selection select(const Inventory& inventory, const Request& request, NvmlSource& nvml);

}  // namespace gpurun::gpu
