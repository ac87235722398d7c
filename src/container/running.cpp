#include "container/running.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "sys/process.h"

namespace gpurun::container {

Running lock_running(const state::Store& store, const std::string& id, std::string_view hosts) {
    Running running{.locked = store.load_locked(id)};
    const auto& record = running.locked.record;
    running.process = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    // Opened first, checked after: the pid can't be another's any more.
    if (!running.process || state::status_of(store, record) == spec::Status::stopped)
        throw Error("container not running");
    if (record.shares_mounts)
        throw Error(format("the container has no mount namespace of its own: its {} the host's", hosts));
    running.config = spec::parse(store.load_config(id), "the container's config");
    running.user_namespace =
        running.config.linux && spec::find_namespace(*running.config.linux, spec::NamespaceType::user) != nullptr;
    return running;
}

}  // namespace gpurun::container
