#include "gpu/native.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/container_view.h"
#include "gpu/edits.h"
#include "gpu/native_files.h"

namespace gpurun::gpu {
namespace {

constexpr unsigned assigned_major = 195;  // For /dev/nvidia*; also when /proc/devices can't be read.
constexpr unsigned control_minor = 255, modeset_minor = 254;

// Collects nodes, each once, with the groups that open them.
class Nodes {
 public:
    Nodes(Edits& edits, const Host& host, const Settings& settings) : edits_(edits), host_(host), settings_(settings) {}

    template <typename... Arguments>
    void add(const ExtraNode& node, fmt::format_string<Arguments...> why, Arguments&&... arguments) {
        because(edits_, node.path, why, std::forward<Arguments>(arguments)...);
        enter(node);
    }
    template <typename... Arguments>
    void leave_out(std::string_view path, fmt::format_string<Arguments...> why, Arguments&&... arguments) {
        left_out(edits_, path, why, std::forward<Arguments>(arguments)...);
    }

 private:
    void enter(const ExtraNode& node) {
        const auto& devices = edits_.devices;
        if (std::any_of(devices.begin(), devices.end(), [&](const Device& device) { return device.path == node.path; }))
            return;
        Device device{.path = node.path,
                      .host_path = host_.source(node.path),
                      .major = node.major,
                      .minor = node.minor,
                      .file_mode = node.mode};
        if (node.uid != 0) device.uid = node.uid;
        if (node.gid != 0) device.gid = node.gid;
        edits_.devices.push_back(std::move(device));
        const bool open_to_all = (node.mode & 06) == 06;
        const bool open_to_group = (node.mode & 060) != 0;
        auto& groups = edits_.additional_gids;
        if (settings_.additional_gids && node.gid != 0 && !open_to_all && open_to_group &&
            std::find(groups.begin(), groups.end(), node.gid) == groups.end()) {
            groups.push_back(node.gid);
            because(edits_, std::to_string(node.gid), "opens {}", node.path);
        }
    }

    Edits& edits_;
    const Host& host_;
    const Settings& settings_;
};

void add_instances(Nodes& nodes, const Majors& majors, const Gpu& gpu) {
    for (const auto& instance : gpu.mig) {
        nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", instance.gpu_minor),
                   .major = majors.caps,
                   .minor = instance.gpu_minor,
                   .mode = instance.gpu_mode},
                  "opens GPU instance {} of GPU {}", instance.gpu_instance, gpu.index);
        nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", instance.compute_minor),
                   .major = majors.caps,
                   .minor = instance.compute_minor,
                   .mode = instance.compute_mode},
                  "opens compute instance {} of GPU instance {} of GPU {}", instance.compute_instance,
                  instance.gpu_instance, gpu.index);
    }
}

void add_mig_management(Nodes& nodes, const Discovery& found, const Request& request) {
    if (!request.mig_config && !request.mig_monitor) return;
    for (const auto& node : found.mig_management)
        nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", node.minor),
                   .major = found.inventory.majors.caps,
                   .minor = node.minor,
                   .mode = node.mode},
                  "{} is all", request.mig_config ? "NVIDIA_MIG_CONFIG_DEVICES" : "NVIDIA_MIG_MONITOR_DEVICES");
    for (const auto& gpu : found.inventory.gpus) add_instances(nodes, found.inventory.majors, gpu);
}

void add_devices(Nodes& nodes, const Discovery& found, const Request& request) {
    const auto& majors = found.inventory.majors;
    const auto& parameters = found.inventory.parameters;
    const unsigned major = majors.nvidia != 0 ? majors.nvidia : assigned_major;
    const auto node = [&](std::string path, unsigned node_major, unsigned minor) {
        return ExtraNode{.path = std::move(path),
                         .major = node_major,
                         .minor = minor,
                         .mode = parameters.mode,
                         .uid = parameters.uid,
                         .gid = parameters.gid};
    };
    if (request.driver) {
        nodes.add(node("/dev/nvidiactl", major, control_minor), "every program that uses the driver opens it first");
        if (majors.uvm != 0) {
            nodes.add(node("/dev/nvidia-uvm", majors.uvm, 0), "CUDA's memory; the module nvidia-uvm is loaded");
            nodes.add(node("/dev/nvidia-uvm-tools", majors.uvm, 1), "comes with /dev/nvidia-uvm, for profilers");
        } else {
            nodes.leave_out("/dev/nvidia-uvm", "the kernel module nvidia-uvm is not loaded");
            log::warning(
                "gpu: the kernel module nvidia-uvm is not loaded: CUDA will not work in the container (load it with "
                "`modprobe nvidia-uvm`)");
        }
        if (request.capabilities.has(Capability::display))
            nodes.add(node("/dev/nvidia-modeset", major, modeset_minor), "the capability display is asked for");
        else
            nodes.leave_out("/dev/nvidia-modeset", "the capability display is not asked for");
    }
    for (const auto& gpu : found.selection.gpus) {
        nodes.add(node(format("/dev/nvidia{}", gpu.minor), major, gpu.minor), "GPU {} ({}), chosen by {}", gpu.index,
                  gpu.model, request.origin);
        add_instances(nodes, majors, gpu);
    }
    add_mig_management(nodes, found, request);
    if (!request.imex_channels.empty() && majors.imex == 0)
        throw Error(
            "IMEX channels are asked for, but the loaded driver has none: /proc/devices does not list "
            "nvidia-caps-imex-channels");
    for (const auto channel : request.imex_channels)
        nodes.add(node(format("/dev/nvidia-caps-imex-channels/channel{}", channel), majors.imex, channel),
                  "IMEX channel {} is asked for", channel);
    for (const auto& drm : found.drm)
        nodes.add(drm.node, "graphics node of the GPU at {}, for {}", drm.bus_id, to_text(request.capabilities));
    for (const auto& extra : found.extra) nodes.add(extra, "a feature that the environment enables");
}

void add_drm_links(Edits& edits, const Discovery& found) {
    for (const auto& drm : found.drm) {
        const auto name = base_name(drm.node.path);
        edits.rootfs.links.push_back(
            {format("/dev/dri/by-path/pci-{}-{}", drm.bus_id, name.starts_with("card") ? "card" : "render"),
             format("../{}", name)});
        because(edits, edits.rootfs.links.back().path, "programs look for {} by its GPU's bus id", drm.node.path);
    }
}

bool has_procfs(const spec::Spec& spec) {
    return std::any_of(spec.mounts.begin(), spec.mounts.end(),
                       [](const spec::Mount& mount) { return clean_path(mount.destination) == "/proc"; });
}

bool prefers_compat(const Discovery& found, const Settings& settings) {
    if (!settings.cuda_compat || !found.image.compat) return false;
    std::vector<std::string> models;
    for (const auto& gpu : found.selection.gpus) models.push_back(gpu.model);
    return choose_cuda_compat(*found.image.compat, found.inventory.version, models);
}

// What names our own directories to loader and shell where the usual ones could not be used.
void announce_own_folder(Edits& edits, const Discovery& found, const Places& places, const spec::Spec& spec) {
    const auto extend = [&](std::string_view name, const std::string& folder, std::string_view fallback) {
        const auto old = spec.process ? environment_value(spec.process->env, name) : std::nullopt;
        const auto value = old ? *old : fallback;
        because(edits, name, "{} is a directory of its own, which nobody searches otherwise", folder);
        edits.env.push_back(value.empty() ? format("{}={}", name, folder) : format("{}={}:{}", name, value, folder));
    };
    extend("PATH", places.programs, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (found.image.read_only && !found.image.has_loader_cache) extend("LD_LIBRARY_PATH", places.libraries, "");
}

}  // namespace

Edits device_edits(const Discovery& found, const Request& request, const Settings& settings, const Host& host) {
    Edits edits;
    if (request.explain) edits.reasons.emplace();
    Nodes nodes(edits, host, settings);
    add_devices(nodes, found, request);
    add_drm_links(edits, found);
    return edits;
}

Edits native_edits(const Discovery& found, const Request& request, const Settings& settings, const Host& host,
                   const spec::Spec& spec) {
    Edits edits = device_edits(found, request, settings, host);
    if (!request.driver) return edits;
    const bool graphics = library_capabilities(request.capabilities).has(Capability::graphics);
    const Places places = choose_places(spec, found.image);
    add_libraries(edits, found, places, host, graphics, prefers_compat(found, settings));
    add_files(edits, found, places, host, spec);
    if (places.own_folder) announce_own_folder(edits, found, places, spec);
    if (graphics && !found.image.read_only) {
        std::vector<unsigned> minors;
        for (const auto& gpu : found.selection.gpus) minors.push_back(gpu.minor);
        edits.rootfs.files.push_back(application_profile(minors));
        because(edits, edits.rootfs.files.back().path, "tells EGL which GPUs are there: graphics is asked for");
    }
    if (settings.hide_procfs && has_procfs(spec)) {
        if (auto cover = parameters_cover(found.inventory.parameters)) {
            because(edits, cover->path, "keeps libraries from making nodes of other GPUs (ModifyDeviceFiles)");
            edits.rootfs.covers.push_back(std::move(*cover));
        }
        if (!found.selection.whole || !found.inventory.excluded.empty())
            for (auto& mount : only_these_gpus(found.selection.gpus, host)) {
                because(edits, mount.destination, "only the chosen GPUs are shown in procfs (hide-procfs)");
                edits.mounts.push_back(std::move(mount));
            }
    }
    return edits;
}

}  // namespace gpurun::gpu
