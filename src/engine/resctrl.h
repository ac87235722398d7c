#pragma once

#include <gpurun/spec.h>

#include <string>
#include <string_view>

#include "base/scope.h"

namespace gpurun::engine {

/// Puts \a pid into its resctrl group with the schemata, made when the config asks for it. Returns the directory that
/// delete has to remove, or "". Throws Error when resctrl is not mounted. config-linux.md#intelrdt
std::string join_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo);

/// exec: puts \a pid into the groups that the container has.
void rejoin_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid);

/// What join_resctrl and engine::update_resctrl do below \a root, whatever file system that is.
std::string join_group(const std::string& root, const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo);
void update_group(const std::string& root, const spec::IntelRdt& rdt, const spec::IntelRdt& changes,
                  const std::string& id);

/// Whether \a line asks for nothing else than the kernel's \a schemata already say: "L3:0=f" and "    L3:0=00f;1=ff"
/// agree, as the line names domain 0 only. Pure.
bool agrees(std::string_view schemata, std::string_view line);

}  // namespace gpurun::engine
