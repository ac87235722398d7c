#pragma once

#include <gpurun/gpu.h>

#include "gpu/host.h"
#include "gpu/request.h"

namespace gpurun::gpu {

/// The machine is a Jetson or another Tegra whose driver is listed in NVIDIA's CSV files.
bool is_tegra(const Host& host);

/// Edits from the CSV files in /etc/nvidia-container-runtime/host-files-for-container.d: lines "dev|dir|lib|sym, PATH".
/// There is one GPU, so only `all`, `none` and index 0 can be asked for; Error otherwise.
/// NVIDIA_REQUIRE_JETPACK=base-only leaves all files but l4t.csv and devices.csv out. What a line names and the machine
/// lacks is left out with a warning in the debug log.
Edits tegra_edits(const Host& host, const spec::Spec& spec, const Request& request);

}  // namespace gpurun::gpu
