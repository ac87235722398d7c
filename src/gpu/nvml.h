#pragma once

#include <string>

#include "gpu/host.h"
#include "gpu/select.h"

namespace gpurun::gpu {

/// Asks the helper program, which loads the driver's libnvidia-ml in a process of its own; never this one. The answer
/// is kept for the boot and the driver's version, since a GPU's UUIDs only change with its MIG layout.
class HelperNvml : public NvmlSource {
 public:
    explicit HelperNvml(const Host& host, const Inventory& inventory) : host_(host), inventory_(inventory) {}
    NvmlFacts ask() override;

 private:
    const Host& host_;
    const Inventory& inventory_;
};

/// Reads the helper's lines: `gpu BUSID UUID` and, below it, `mig GI CI UUID`. Throws Error for anything else.
NvmlFacts parse_nvml(std::string_view text);

}  // namespace gpurun::gpu
