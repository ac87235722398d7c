#include <gpurun/container.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>

#include "base/log.h"
#include "base/text.h"
#include "container/facts.h"
#include "container/running.h"
#include "engine/live_nodes.h"

namespace gpurun::container {
namespace {

spec::Device node_of(const gpu::Device& device) {
    return {.type = device.type,
            .path = device.path,
            .major = device.major,
            .minor = device.minor,
            .file_mode = device.file_mode,
            .uid = device.uid,
            .gid = device.gid};
}

engine::NodeChanges additions(const gpu::Change& change, bool user_namespace) {
    engine::NodeChanges nodes;
    for (const auto& device : change.added) {
        if (user_namespace)
            nodes.bind.push_back({.destination = device.path, .type = "bind", .source = device.host_path});
        else
            nodes.make.push_back(node_of(device));
    }
    nodes.bind.insert(nodes.bind.end(), change.shown.begin(), change.shown.end());
    return nodes;
}

engine::NodeChanges removals(const std::vector<gpu::Device>& devices, const std::vector<std::string>& directories) {
    engine::NodeChanges nodes;
    for (const auto& device : devices) nodes.remove.push_back(node_of(device));
    nodes.unbind = directories;
    return nodes;
}

std::vector<std::string> destinations(const std::vector<spec::Mount>& mounts) {
    std::vector<std::string> paths;
    for (const auto& mount : mounts) paths.push_back(mount.destination);
    return paths;
}

void warn(const gpu::Change& change) {
    if (change.added.empty()) return;
    if (change.lacks_driver)
        log::warning(
            "the container was made without a GPU: it gets the nodes but none of the driver's libraries, which only a "
            "container that starts with a GPU or with NVIDIA_VISIBLE_DEVICES=none has");
    for (const auto group : change.missing_gids)
        log::warning("only group {} may open the GPU's nodes, and the container's process is not in it", group);
}

}  // namespace

void update_gpus(const Context& context, const std::string& id, const std::vector<std::string>& add,
                 const std::vector<std::string>& remove) {
    const auto host = probe_host();
    if (host.rootless) throw Error("adding and removing GPUs of a running container needs root");
    state::Store store(context.root);
    auto [locked, process, config, user_namespace] = lock_running(store, id, "/dev is");
    const auto& record = locked.record;
    if (!config.linux) config.linux.emplace();
    const auto change = gpu::change_gpus(config, add, remove, {});
    if (change.empty()) return;
    warn(change);

    engine::change_nodes(process, user_namespace, additions(change, user_namespace));
    gpu::apply_change(change, config);
    try {
        if (!record.cgroup.directories.empty())
            manager_of(record)->set_devices(cgroup::device_rules(config.linux->resources->devices));
        store.save(record, spec::to_json(config));
    } catch (const Error&) {
        engine::change_nodes(process, user_namespace, removals(change.added, destinations(change.shown)));
        throw;
    }
    // Nothing can be opened through them any more.
    engine::change_nodes(process, user_namespace, removals(change.removed, change.hidden));
}

}  // namespace gpurun::container
