#pragma once

#include <gpurun/gpu.h>

#include <optional>
#include <string_view>
#include <utility>

#include "gpu/hooks_recognise.h"
#include "gpu/host.h"
#include "gpu/inventory.h"

namespace gpurun::gpu {

/// What the hooks that take_hooks() took out of \a spec would have done in the container. \a root is the container's
/// root directory or -1. The devices that orders name are not in it: they are a request like others. \a explain: with
/// reasons.
Edits hook_edits(const HookOrders& orders, const spec::Spec& spec, const Host& host, sys::FdRef root,
                 bool explain = false);

/// True when an engine has applied NVIDIA's CDI file to \a spec: the control node and the file's hooks are there. What
/// NVIDIA_VISIBLE_DEVICES asks for is left from the image then and must not be injected a second time.
bool injected_by_engine(const HookOrders& orders, const spec::Spec& spec);

/// Major and minor that the kernel has now for NVIDIA's node \a path where they change from boot to boot; nothing for
/// other nodes and while the module is not loaded.
std::optional<std::pair<unsigned, unsigned>> kernel_numbers(std::string_view path, const Majors& majors);

/// Corrects the numbers of NVIDIA's nodes in \a spec and its rules where the kernel has others by now: a CDI file that
/// an engine read may be older than the last boot. Warns about each.
void repair_numbers(spec::Spec& spec, const Host& host);

}  // namespace gpurun::gpu
