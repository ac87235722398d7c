#pragma once

#include <gpurun/plan.h>

#include <cstdint>
#include <string>

#include "sys/fd.h"

namespace gpurun::engine {

/// tmpcopyup: mounts a new file system over \a target that begins with what \a target held. Links are copied as links,
/// owners, modes, times and extended attributes are kept. Nothing outside \a target is read.
void copy_up(const plan::step::Mount& step, sys::FdRef target, std::uint64_t flags, const std::string& data);

}  // namespace gpurun::engine
