#pragma once

#include <gpurun/gpu.h>

#include <cstdint>
#include <vector>

#include "gpu/host.h"
#include "gpu/inventory.h"

/// How the driver's own interfaces look in a container: less than the kernel would show.
namespace gpurun::gpu {

/// The N of each /dev/nvidiaN that the container of this config gets.
std::vector<unsigned> device_minors(const spec::Spec& spec);

/// params with ModifyDeviceFiles 0: libraries in the container would make nodes for every GPU otherwise. Nothing when
/// it is 0 already.
std::optional<Cover> parameters_cover(const DriverParameters& parameters);

/// The file that tells EGL which GPUs are there, a bit per device minor in \a minors (numbers from 64 on can't be
/// told).
File application_profile(const std::vector<unsigned>& minors);

/// An empty directory over the kernel's list of GPUs, with those in \a visible bound into it.
std::vector<spec::Mount> only_these_gpus(const std::vector<Gpu>& visible, const Host& host);

}  // namespace gpurun::gpu
