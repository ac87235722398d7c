#pragma once

#include <gpurun/gpu.h>

#include <vector>

#include "gpu/host.h"
#include "gpu/inventory.h"

namespace gpurun::gpu {

/// The annotation that binds a container to its GPUs' processors ("cpus"), memory nodes ("mems") or both ("cpus,mems").
inline constexpr const char* affinity_annotation = "run.gpurun.gpu.affinity";

/// Where \a spec has the annotation: what sysfs says is next to \a gpus, as lists for cpuset. GPUs of which
/// sysfs does not tell add nothing. Throws Error for other values of the annotation.
void add_affinity(Edits& edits, const spec::Spec& spec, const std::vector<Gpu>& gpus, const Host& host);

}  // namespace gpurun::gpu
