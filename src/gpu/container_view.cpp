#include "gpu/container_view.h"

#include <algorithm>

#include "base/text.h"

namespace gpurun::gpu {
namespace {

constexpr std::string_view procfs = "/proc/driver/nvidia";

}  // namespace

std::vector<unsigned> device_minors(const spec::Spec& spec) {
    constexpr std::string_view prefix = "/dev/nvidia";
    std::vector<unsigned> minors;
    const auto take = [&](std::string_view path) {
        if (!path.starts_with(prefix)) return;
        if (const auto minor = parse_number<unsigned>(path.substr(prefix.size()))) minors.push_back(*minor);
    };
    if (spec.linux)
        for (const auto& device : spec.linux->devices) take(device.path);
    for (const auto& mount : spec.mounts) take(mount.destination);
    return minors;
}

std::optional<Cover> parameters_cover(const DriverParameters& parameters) {
    if (!parameters.modify_device_files) return std::nullopt;
    std::string text = parameters.text;
    const auto key = text.find("ModifyDeviceFiles:");
    const auto value = text.find_first_of("0123456789", key);
    if (key == std::string::npos || value == std::string::npos) return std::nullopt;
    text.replace(value, std::min(text.find('\n', value), text.size()) - value, "0");
    return Cover{.path = format("{}/params", procfs), .content = std::move(text)};
}

File application_profile(const std::vector<unsigned>& minors) {
    std::uint64_t mask = 0;
    for (const auto minor : minors)
        if (minor < 64) mask |= std::uint64_t{1} << minor;
    return {.path = "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf",
            .content = format(
                "{{\"profiles\": [{{\"name\": \"_container_\", \"settings\": [\"EGLVisibleDGPUDevices\", {:#x}]}}], "
                "\"rules\": [{{\"pattern\": [], \"profile\": \"_container_\"}}]}}\n",
                mask),
            .mode = 0444};
}

std::vector<spec::Mount> only_these_gpus(const std::vector<Gpu>& visible, const Host& host) {
    const std::string folder = format("{}/gpus", procfs);
    std::vector<spec::Mount> mounts{{.destination = folder,
                                     .type = "tmpfs",
                                     .source = "tmpfs",
                                     .options = {"nosuid", "nodev", "noexec", "mode=0555", "size=4k"}}};
    for (const auto& gpu : visible) {
        const std::string path = format("{}/{}", folder, gpu.bus_id);
        mounts.push_back({.destination = path,
                          .type = "bind",
                          .source = host.source(path),
                          .options = {"bind", "ro", "nosuid", "nodev", "noexec", "rprivate"}});
    }
    return mounts;
}

}  // namespace gpurun::gpu
