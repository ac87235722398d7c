#include "gpu/hooks_edits.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/container_view.h"
#include "gpu/driver_files.h"
#include "gpu/edits.h"
#include "gpu/image.h"
#include "gpu/library_folder.h"
#include "gpu/native_files.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

bool prefers_compat(const CompatOrder& order, const Image::CudaCompat& compat, const std::vector<unsigned>& minors,
                    const Host& host) {
    if (order.driver_version.empty()) return choose_cuda_compat_by_cuda(compat, order.cuda_version);
    std::vector<std::string> models;
    if (const auto inventory = read_inventory(host))
        for (const auto& gpu : inventory->gpus)
            if (std::find(minors.begin(), minors.end(), gpu.minor) != minors.end()) models.push_back(gpu.model);
    return choose_cuda_compat(compat, order.driver_version, models);
}

// Directories that every loader searches without being told.
bool is_default_folder(std::string_view folder) {
    constexpr std::string_view folders[] = {"/lib", "/usr/lib", "/lib64", "/usr/lib64"};
    const auto parent = parent_of(folder);
    return std::find(std::begin(folders), std::end(folders), folder) != std::end(folders) ||
           ((parent == "/lib" || parent == "/usr/lib") && folder.ends_with("-linux-gnu"));
}

// For an ldconfig that runs in the container later: it makes the cache anew from the configuration.
void tell_ldconfig(Edits& edits, const std::vector<std::string>& folders) {
    std::string content;
    for (const auto& folder : folders)
        if (!is_default_folder(folder)) content += folder + "\n";
    if (!content.empty())
        edits.rootfs.files.push_back({.path = "/etc/ld.so.conf.d/00-gpurun.conf", .content = std::move(content)});
}

}  // namespace

Edits hook_edits(const HookOrders& orders, const spec::Spec& spec, const Host& host, sys::FdRef root, bool explain) {
    Edits edits;
    const auto minors = device_minors(spec);
    edits.rootfs.links = orders.links;
    if (!orders.library_folders.empty()) {
        auto found = find_folder_libraries(orders.library_folders, spec.mounts, orders.links);
        edits.rootfs.cache = std::move(found.cache);
        edits.rootfs.links.insert(edits.rootfs.links.end(), found.links.begin(), found.links.end());
        tell_ldconfig(edits, orders.library_folders);
    }
    if (!orders.soname_folders.empty()) {
        auto found = find_folder_libraries(orders.soname_folders, spec.mounts, edits.rootfs.links);
        edits.rootfs.links.insert(edits.rootfs.links.end(), found.links.begin(), found.links.end());
    }
    if (orders.compat) {
        const auto compat =
            probe_compat(root, orders.compat->folder.empty() ? cuda_compat_folder : orders.compat->folder);
        if (compat && prefers_compat(*orders.compat, *compat, minors, host)) add_compat(edits, *compat);
    }
    if (orders.mask_parameters)
        if (auto cover = parameters_cover(read_parameters(host))) edits.rootfs.covers.push_back(std::move(*cover));
    if (orders.application_profile) edits.rootfs.files.push_back(application_profile(minors));
    if (explain) because_all(edits, "a hook of NVIDIA's CDI file asks for it; done without running the hook");
    return edits;
}

std::optional<std::pair<unsigned, unsigned>> kernel_numbers(std::string_view path, const Majors& majors) {
    const auto numbered = [&](std::string_view prefix, unsigned major) -> std::optional<std::pair<unsigned, unsigned>> {
        if (major == 0 || !path.starts_with(prefix)) return std::nullopt;
        const auto minor = parse_number<unsigned>(path.substr(prefix.size()));
        return minor ? std::optional(std::pair(major, *minor)) : std::nullopt;
    };
    if (majors.uvm != 0 && path == "/dev/nvidia-uvm") return std::pair(majors.uvm, 0u);
    if (majors.uvm != 0 && path == "/dev/nvidia-uvm-tools") return std::pair(majors.uvm, 1u);
    if (const auto numbers = numbered("/dev/nvidia-caps/nvidia-cap", majors.caps)) return numbers;
    return numbered("/dev/nvidia-caps-imex-channels/channel", majors.imex);
}

bool injected_by_engine(const HookOrders& orders, const spec::Spec& spec) {
    if (!orders.from_cdi_file() || !spec.linux) return false;
    const auto& devices = spec.linux->devices;
    return std::any_of(devices.begin(), devices.end(), [](const spec::Device& device) {
        return device.path == "/dev/nvidiactl" || device.path == "/dev/dxg";
    });
}

void repair_numbers(spec::Spec& spec, const Host& host) {
    if (!spec.linux) return;
    auto& devices = spec.linux->devices;
    const bool any = std::any_of(devices.begin(), devices.end(),
                                 [](const spec::Device& device) { return device.path.starts_with("/dev/nvidia"); });
    if (!any) return;
    const auto majors = read_majors(host);
    for (auto& device : devices) {
        const auto now = kernel_numbers(device.path, majors);
        if (!now || (now->first == device.major && now->second == device.minor)) continue;
        log::warning("{}: the config says {}:{}, the kernel {}:{}, which is used", device.path, device.major,
                     device.minor, now->first, now->second);
        if (spec.linux->resources)
            for (auto& rule : spec.linux->resources->devices)
                if (rule.allow && rule.type == "c" && rule.major == device.major && rule.minor == device.minor) {
                    rule.major = now->first;
                    rule.minor = now->second;
                }
        device.major = now->first;
        device.minor = now->second;
    }
}

}  // namespace gpurun::gpu
