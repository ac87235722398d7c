#pragma once

#include <gpurun/gpu.h>

#include "gpu/hooks_recognise.h"
#include "gpu/host.h"

namespace gpurun::gpu {

/// What the hooks that take_hooks() took out of \a spec would have done in the container. \a root is the container's
/// root directory or -1. The devices that orders name are not in it: they are a request like others.
Edits hook_edits(const HookOrders& orders, const spec::Spec& spec, const Host& host, sys::FdRef root);

/// Corrects the numbers of NVIDIA's nodes in \a spec and its rules where the kernel has others by now: a CDI file that
/// an engine read may be older than the last boot. Warns about each.
void repair_numbers(spec::Spec& spec, const Host& host);

}  // namespace gpurun::gpu
