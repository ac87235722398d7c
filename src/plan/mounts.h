#pragma once

#include <gpurun/plan.h>

#include <vector>

namespace gpurun::plan {

/// The root file system, every mount, device and link, in the order of config.md#mounts; EnterNetwork, where
/// \a network_ahead, as late as these allow. Pure.
void add_root_and_mounts(std::vector<Step>& lane, const spec::Spec& spec, const Host& host, const Options& options,
                         bool network_ahead);

/// What closes the root file system after it became "/": propagation, late read-only mounts, masked and read-only
/// paths.
void seal_root(std::vector<Step>& lane, const spec::Spec& spec, const Host& host);

/// True when the runtime has to fill /dev: it is not the host's by a bind mount.
bool fills_dev(const spec::Spec& spec);

}  // namespace gpurun::plan
