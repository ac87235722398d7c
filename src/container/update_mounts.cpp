#include <gpurun/container.h>
#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "container/facts.h"
#include "engine/live_nodes.h"
#include "sys/process.h"

namespace gpurun::container {
namespace {

/// A running container whose mounts change: its record is locked.
struct Target {
    state::LockedRecord locked;
    sys::Fd process;
    spec::Spec config;
    bool user_namespace = false;
};

Target open_target(state::Store& store, const std::string& id) {
    if (probe_host().rootless) throw Error("changing the mounts of a running container needs root");
    Target target{.locked = store.load_locked(id)};
    const auto& record = target.locked.record;
    target.process = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    // Opened first, checked after: the pid can't be another's any more.
    if (!target.process || state::status_of(store, record) == spec::Status::stopped)
        throw Error("container not running");
    if (record.shares_mounts) throw Error("the container has no mount namespace of its own: its mounts are the host's");
    target.config = spec::parse(store.load_config(id), "the container's config");
    target.user_namespace =
        target.config.linux && spec::find_namespace(*target.config.linux, spec::NamespaceType::user) != nullptr;
    return target;
}

// The other file systems depend on more than the mount namespace that is entered.
void check(const spec::Mount& mount) {
    if (mount.type == "tmpfs") return;
    if (spec::parse_mount_options(mount).bind == spec::Bind::none)
        throw Error(
            format("mount at {}: only binds and tmpfs can be added to a container that runs", mount.destination));
    if (!mount.source.starts_with('/'))
        throw Error(format("mount at {}: expected an absolute source, got \"{}\"", mount.destination, mount.source));
}

bool is_at(const spec::Mount& mount, const std::string& destination) {
    return clean_path(mount.destination) == clean_path(destination);
}

}  // namespace

void add_mounts(const Context& context, const std::string& id, const std::vector<spec::Mount>& mounts) {
    for (const auto& mount : mounts) check(mount);
    state::Store store(context.root);
    auto target = open_target(store, id);
    engine::change_nodes(target.process, target.user_namespace, {.mount = mounts});
    target.config.mounts.insert(target.config.mounts.end(), mounts.begin(), mounts.end());
    store.save(target.locked.record, spec::to_json(target.config));
}

void remove_mounts(const Context& context, const std::string& id, const std::vector<spec::Mount>& mounts) {
    state::Store store(context.root);
    auto target = open_target(store, id);
    auto& known = target.config.mounts;
    std::vector<std::string> paths;
    for (const auto& mount : mounts) {
        const auto last = std::find_if(known.rbegin(), known.rend(), [&](const spec::Mount& candidate) {
            return is_at(candidate, mount.destination);
        });
        if (last == known.rend()) throw Error(format("the container has no mount at \"{}\"", mount.destination));
        known.erase(std::next(last).base());
        paths.push_back(mount.destination);
    }
    engine::change_nodes(target.process, target.user_namespace, {.unmount = paths});
    store.save(target.locked.record, spec::to_json(target.config));
}

}  // namespace gpurun::container
