#include <gpurun/gpu.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

/// Devices whose state only a plugin of CRIU's can save.
struct Plugin {
    std::string_view devices;  ///< How their paths begin.
    std::string_view file;
    std::string_view needs;
};

constexpr Plugin plugins[] = {
    {"/dev/nvidia", "cuda_plugin.so", "its CUDA plugin (CRIU 4.0 or newer) and NVIDIA's cuda-checkpoint"},
    {"/dev/kfd", "amdgpu_plugin.so", "its AMD plugin (CRIU 3.17 or newer)"}};

bool is_installed(std::string_view file) {
    std::vector<std::string> directories{"/usr/lib/criu", "/usr/lib64/criu", "/usr/local/lib/criu"};
    if (const char* directory = std::getenv("CRIU_LIBS_DIR")) directories.emplace_back(directory);
    return std::any_of(directories.begin(), directories.end(),
                       [file](const std::string& directory) { return sys::exists(format("{}/{}", directory, file)); });
}

// The first device that the plugin is for; empty when there is none.
std::string first_device(const spec::Spec& spec, const Plugin& plugin) {
    for (const auto& device : spec.linux->devices)
        if (device.path.starts_with(plugin.devices)) return device.path;
    for (const auto& mount : spec.mounts)
        if (mount.destination.starts_with(plugin.devices)) return mount.destination;
    return {};
}

}  // namespace

std::string checkpoint_hint(const spec::Spec& spec) {
    if (!spec.linux) return {};
    for (const auto& plugin : plugins) {
        const std::string device = first_device(spec, plugin);
        if (device.empty() || is_installed(plugin.file)) continue;
        return format("the container has a GPU ({}): to save what a process does on it CRIU needs {}", device,
                      plugin.needs);
    }
    return {};
}

}  // namespace gpurun::gpu
