#pragma once

#include <gpurun/cgroup.h>

#include "cgroup/tree.h"

namespace gpurun::cgroup {

/// A manager that writes the cgroups' files itself, on whichever layout.
class FilesManager : public Manager {
 public:
    const Location& location() const override { return location_; }

 protected:
    FilesManager(Location location, Origin origin) : location_(std::move(location)), origin_(origin) {}

    Location location_;
    Origin origin_;
    bool new_devices_ = false;  ///< The cgroup that decides on devices was made by this process and has no rules yet.
};

/// The one for the location's layout.
std::unique_ptr<Manager> files_manager(Location location, Origin origin);

}  // namespace gpurun::cgroup
