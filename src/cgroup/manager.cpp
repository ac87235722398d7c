#include <gpurun/cgroup.h>
#include <gpurun/error.h>

#include "cgroup/disabled.h"
#include "cgroup/systemd.h"
#include "cgroup/v1.h"
#include "cgroup/v2.h"

namespace gpurun::cgroup {

std::unique_ptr<Manager> manager(Location location) {
    if (location.driver == Driver::disabled) return std::make_unique<DisabledManager>(std::move(location));
    if (location.driver == Driver::systemd) return std::make_unique<SystemdManager>(std::move(location));
    return files_manager(std::move(location), Origin::own);
}

std::unique_ptr<Manager> files_manager(Location location, Origin origin) {
    if (location.layout == Layout::v2) return std::make_unique<V2Manager>(std::move(location), origin);
    return std::make_unique<V1Manager>(std::move(location), origin);
}

Entry DisabledManager::entry(const Spot& spot) {
    if (!spot.below.empty()) throw Error("cgroup \"" + spot.below + "\": the container was made with cgroups disabled");
    return {};
}

void DisabledManager::freeze(Freeze) {
    throw Error("cannot pause or resume: the container was made with cgroups disabled");
}

}  // namespace gpurun::cgroup
