#pragma once

#include <gpurun/gpu.h>

#include <string>
#include <string_view>
#include <vector>

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

/// What the helper program prints for \a arguments. Throws Error with its reason, which names driver \a version.
std::string ask_helper(const std::string& version, std::vector<std::string> arguments);

/// Reads the helper's lines: `gpu BUSID UUID` and, below it, `mig GI CI UUID`. Throws Error for anything else.
NvmlFacts parse_nvml(std::string_view text);

/// Reads the answer to `usage`: below each `gpu BUSID UUID` a line `memory TOTAL USED` and lines `process PID BYTES`,
/// which name a process once for each use it makes of the GPU. Lines of other kinds are left alone. Index is the place
/// in the answer. Throws Error for what is no such line.
std::vector<Usage> parse_usage(std::string_view text);

}  // namespace gpurun::gpu
