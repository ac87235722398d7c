// CDI files from what gpurun itself would inject: one translation of edits for everything that is no single GPU.
#include <algorithm>

#include "base/text.h"
#include "gpu/cdi_generate.h"
#include "gpu/explain.h"
#include "gpu/hooks_recognise.h"

namespace gpurun::gpu::cdi {
namespace {

// Host paths are the host's own again, without the root that they were read below.
std::string on_host(std::string path, const std::string& host_root) {
    if (host_root != "/" && path.starts_with(host_root)) path.erase(0, host_root.size());
    return path;
}

void add_rootfs(ContainerEdits& result, const RootfsEdits& rootfs, const GenerateOptions& options) {
    std::vector<std::string> links{"create-symlinks"}, cache{"update-ldcache"};
    for (const auto& link : rootfs.links) links.insert(links.end(), {"--link", link.target + "::" + link.path});
    for (const auto& entry : rootfs.cache) {
        const std::string folder(parent_of(entry.path));
        if (std::find(cache.begin(), cache.end(), folder) == cache.end())
            cache.insert(cache.end(), {"--folder", folder});
    }
    if (links.size() > 1) result.hooks.push_back(hook_of(options, std::move(links)));
    if (cache.size() > 1) result.hooks.push_back(hook_of(options, std::move(cache)));
}

ContainerEdits to_container_edits(const Edits& edits, const std::string& host_root, const GenerateOptions& options) {
    ContainerEdits result;
    result.env = edits.env;
    for (const auto& device : edits.devices)
        result.device_nodes.push_back({.path = device.path,
                                       .host_path = {},
                                       .type = device.type,
                                       .major = device.major,
                                       .minor = device.minor,
                                       .file_mode = device.file_mode,
                                       .permissions = device.access,
                                       .uid = device.uid,
                                       .gid = device.gid});
    for (const auto& mount : edits.mounts)
        result.mounts.push_back({.host_path = on_host(mount.source, host_root),
                                 .container_path = mount.destination,
                                 .type = {},
                                 .options = mount.options});
    result.additional_gids = edits.additional_gids;
    add_rootfs(result, edits.rootfs, options);
    return result;
}

// What a container that asks for nothing else gets.
ContainerEdits edits_of(const std::string& request, const std::string& host_root, bool rootless,
                        const GenerateOptions& options) {
    Trail trail;
    spec::Spec spec;
    spec.process.emplace();
    prepare(spec, {.devices = {request}, .host_root = host_root, .bundle = {}, .rootless = rootless, .trail = &trail});
    ContainerEdits all;
    if (!trail.edits.empty()) all = to_container_edits(trail.edits.front(), host_root, options);
    return all;
}

}  // namespace

ContainerEdits marker_edits(const std::string& request, const GenerateOptions& options) {
    const auto marker = marker_hook(options.program, request);
    ContainerEdits edits;
    edits.hooks.push_back(
        {.hook_name = "createContainer", .path = marker.path, .args = marker.args, .env = {}, .timeout = std::nullopt});
    return edits;
}

File request_file(const std::vector<NamedRequest>& devices, bool thin, const std::string& host_root, bool rootless,
                  const GenerateOptions& options) {
    File file{.cdi_version = {}, .kind = options.kind, .annotations = {}, .devices = {}, .container_edits = {}};
    for (const auto& [name, request] : devices) {
        ContainerEdits edits = thin ? marker_edits(request, options) : edits_of(request, host_root, rootless, options);
        if (!edits.empty())
            file.devices.push_back({.name = name, .annotations = {}, .container_edits = std::move(edits)});
    }
    file.cdi_version = minimum_version(file);
    return file;
}

}  // namespace gpurun::gpu::cdi
