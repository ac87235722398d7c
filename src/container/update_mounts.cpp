#include <gpurun/container.h>
#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "container/facts.h"
#include "container/running.h"
#include "engine/live_nodes.h"

namespace gpurun::container {
namespace {

Running lock_for_mounts(const state::Store& store, const std::string& id) {
    if (probe_host().rootless) throw Error("changing the mounts of a running container needs root");
    return lock_running(store, id, "mounts are");
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
    auto container = lock_for_mounts(store, id);
    engine::change_nodes(container.process, container.user_namespace, {.mount = mounts});
    container.config.mounts.insert(container.config.mounts.end(), mounts.begin(), mounts.end());
    store.save(container.locked.record, spec::to_json(container.config));
}

void remove_mounts(const Context& context, const std::string& id, const std::vector<spec::Mount>& mounts) {
    state::Store store(context.root);
    auto container = lock_for_mounts(store, id);
    auto& known = container.config.mounts;
    std::vector<std::string> paths;
    for (const auto& mount : mounts) {
        const auto last = std::find_if(known.rbegin(), known.rend(), [&](const spec::Mount& candidate) {
            return is_at(candidate, mount.destination);
        });
        if (last == known.rend()) throw Error(format("the container has no mount at \"{}\"", mount.destination));
        known.erase(std::next(last).base());
        paths.push_back(mount.destination);
    }
    engine::change_nodes(container.process, container.user_namespace, {.unmount = paths});
    store.save(container.locked.record, spec::to_json(container.config));
}

}  // namespace gpurun::container
