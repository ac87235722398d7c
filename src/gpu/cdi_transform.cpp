#include "base/text.h"
#include "gpu/cdi_generate.h"

namespace gpurun::gpu::cdi {
namespace {

/// One root for another, by whole components.
struct Roots {
    std::string from, to;  ///< Without a slash at the end; empty for "/".

    void change(std::string& path) const {
        if (!path.starts_with('/') || !path.starts_with(from)) return;
        if (path.size() > from.size() && path[from.size()] != '/') return;
        path.replace(0, from.size(), to);
        if (path.empty()) path = "/";
    }
};

void change(ContainerEdits& edits, const Roots& roots) {
    for (auto& node : edits.device_nodes) {
        if (node.host_path.empty()) node.host_path = node.path;
        roots.change(node.host_path);
        if (node.host_path == node.path) node.host_path.clear();
    }
    for (auto& mount : edits.mounts) roots.change(mount.host_path);
    for (auto& hook : edits.hooks) roots.change(hook.path);
}

std::string without_slash(std::string_view root) {
    std::string path = clean_path(root);
    return path == "/" ? "" : path;
}

}  // namespace

void transform_root(File& file, std::string_view from, std::string_view to) {
    const Roots roots{without_slash(from), without_slash(to)};
    change(file.container_edits, roots);
    for (auto& device : file.devices) change(device.container_edits, roots);
    // A host path of a node needs a newer version of the format than the file may have had.
    file.cdi_version = newer_version(file.cdi_version, minimum_version(file));
}

}  // namespace gpurun::gpu::cdi
