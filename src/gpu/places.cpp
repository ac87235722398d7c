#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/native.h"

namespace gpurun::gpu {
namespace {

bool is_below(std::string_view path, std::string_view folder) {
    if (folder == "/") return true;
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool is_bind(const spec::Mount& mount) {
    const auto has = [&](std::string_view option) {
        return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
    };
    return mount.type == "bind" || mount.type == "rbind" || has("bind") || has("rbind");
}

// The mount that the path lies on once all are made: the last of those that cover it, unless a later one covers that.
const spec::Mount* mount_over(const spec::Spec& spec, std::string_view path) {
    const spec::Mount* over = nullptr;
    for (const auto& mount : spec.mounts)
        if (is_below(path, clean_path(mount.destination))) over = &mount;
    return over;
}

std::string tmpfs_of(const spec::Spec& spec) {
    for (const std::string_view wanted : {"/run", "/var/run", "/dev", "/tmp"})
        for (const auto& mount : spec.mounts)
            if (mount.type == "tmpfs" && clean_path(mount.destination) == wanted &&
                mount_over(spec, std::string(wanted) + "/gpurun") == &mount)
                return std::string(wanted);
    return {};
}

}  // namespace

bool lies_on_bind(const spec::Spec& spec, const std::string& path) {
    const auto* mount = mount_over(spec, path);
    return mount != nullptr && is_bind(*mount);
}

Places choose_places(const spec::Spec& spec, const Image& image) {
    Places places{.libraries = image.library_folder, .libraries_32 = image.library_folder_32, .programs = "/usr/bin"};
    if (!image.read_only && !lies_on_bind(spec, places.libraries + "/x") && !lies_on_bind(spec, places.programs + "/x"))
        return places;
    const std::string tmpfs = tmpfs_of(spec);
    if (tmpfs.empty())
        throw Error(format(
            "the container has no place for the driver's libraries: {} {}, and the config has no tmpfs at /run or /dev",
            places.libraries, image.read_only ? "is read-only" : "is a directory of the host"));
    return {.libraries = tmpfs + "/gpurun/nvidia/lib64",
            .libraries_32 = tmpfs + "/gpurun/nvidia/lib",
            .programs = tmpfs + "/gpurun/nvidia/bin",
            .own_folder = true};
}

}  // namespace gpurun::gpu
