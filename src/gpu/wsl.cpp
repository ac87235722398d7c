#include "gpu/wsl.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/driver_files.h"
#include "gpu/native_files.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr const char* node = "/dev/dxg";
constexpr const char* tree = "/usr/lib/wsl";
constexpr const char* libraries = "/usr/lib/wsl/lib";
constexpr unsigned misc_major = 10;

// "62 dxg" of /proc/misc: the minor differs between kernels.
unsigned node_minor(const Host& host) {
    const std::string text = sys::read_file_at(host.root, "/proc/misc", Resolve::in_root);
    for (const auto line : split(text, '\n')) {
        const auto parts = words(line);
        if (parts.size() == 2 && parts[1] == "dxg")
            if (const auto number = parse_number<unsigned>(parts[0])) return *number;
    }
    throw Error("/proc/misc does not list dxg, though /dev/dxg is there");
}

}  // namespace

bool is_wsl(const Host& host) {
    return sys::try_open_at(host.root, node, O_PATH, Resolve::in_root) &&
           sys::try_open_at(host.root, libraries, O_PATH | O_DIRECTORY, Resolve::in_root);
}

Edits wsl_edits(const Host& host, const Request& request) {
    if (!request.ids.empty())
        throw Error(format("{}: WSL has one device for all GPUs, \"{}\" can't be chosen: use all", request.origin,
                           request.ids.front()));
    Edits edits;
    edits.devices.push_back({.path = node,
                             .host_path = host.source(node),
                             .major = misc_major,
                             .minor = node_minor(host),
                             .file_mode = 0666});
    edits.mounts.push_back(read_only_bind(host.source(tree), tree));
    // The libraries load each other, and the driver store beside them, by these paths.
    auto names = sys::list_directory(host.root, libraries, Resolve::in_root);
    std::sort(names.begin(), names.end());
    for (const auto& name : names)
        if (name.starts_with("lib") && name.find(".so") != std::string::npos)
            edits.rootfs.cache.push_back({name, format("{}/{}", libraries, name), native_cache_flags});
    if (request.capabilities.has(Capability::utility))
        edits.rootfs.links.push_back({"/usr/bin/nvidia-smi", format("{}/nvidia-smi", libraries)});
    return edits;
}

}  // namespace gpurun::gpu
