#pragma once

#include <gpurun/gpu.h>

#include "gpu/host.h"
#include "gpu/request.h"

namespace gpurun::gpu {

/// The machine is a Windows Subsystem for Linux with a GPU: /dev/dxg and /usr/lib/wsl/lib are there.
bool is_wsl(const Host& host);

/// Edits for WSL, where one node stands for all GPUs and Windows supplies the libraries. Throws Error when single GPUs
/// are asked for.
Edits wsl_edits(const Host& host, const Request& request);

}  // namespace gpurun::gpu
