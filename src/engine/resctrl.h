#pragma once

#include <gpurun/spec.h>

#include <string>

#include "base/scope.h"

namespace gpurun::engine {

/// Puts \a pid into its resctrl group with the schemata, made when the config asks for it. Returns the directory that
/// delete has to remove, or "". Throws Error when resctrl is not mounted. config-linux.md#intelrdt
std::string join_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo);

}  // namespace gpurun::engine
