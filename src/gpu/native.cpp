#include "gpu/native.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/edits.h"
#include "gpu/native_files.h"

namespace gpurun::gpu {
namespace {

constexpr unsigned assigned_major = 195;  // For /dev/nvidia*; also when /proc/devices can't be read.
constexpr unsigned control_minor = 255, modeset_minor = 254;
constexpr std::string_view procfs = "/proc/driver/nvidia";

// Collects nodes, each once, with the groups that open them.
class Nodes {
 public:
    Nodes(Edits& edits, const Host& host, const Settings& settings) : edits_(edits), host_(host), settings_(settings) {}

    void add(const ExtraNode& node) {
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
            std::find(groups.begin(), groups.end(), node.gid) == groups.end())
            groups.push_back(node.gid);
    }

 private:
    Edits& edits_;
    const Host& host_;
    const Settings& settings_;
};

void add_instances(Nodes& nodes, const Majors& majors, const std::vector<MigInstance>& instances) {
    for (const auto& instance : instances) {
        nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", instance.gpu_minor),
                   .major = majors.caps,
                   .minor = instance.gpu_minor,
                   .mode = instance.gpu_mode});
        nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", instance.compute_minor),
                   .major = majors.caps,
                   .minor = instance.compute_minor,
                   .mode = instance.compute_mode});
    }
}

void add_devices(Nodes& nodes, const Discovery& found, const Request& request) {
    const auto& majors = found.inventory.majors;
    const auto& parameters = found.inventory.parameters;
    const unsigned major = majors.nvidia != 0 ? majors.nvidia : assigned_major;
    const auto add = [&](std::string path, unsigned node_major, unsigned minor) {
        nodes.add({.path = std::move(path),
                   .major = node_major,
                   .minor = minor,
                   .mode = parameters.mode,
                   .uid = parameters.uid,
                   .gid = parameters.gid});
    };
    if (request.driver) {
        add("/dev/nvidiactl", major, control_minor);
        if (majors.uvm != 0) {
            add("/dev/nvidia-uvm", majors.uvm, 0);
            add("/dev/nvidia-uvm-tools", majors.uvm, 1);
        } else {
            log::warning(
                "gpu: the kernel module nvidia-uvm is not loaded: CUDA will not work in the container (load it with "
                "`modprobe nvidia-uvm`)");
        }
        if (request.capabilities.has(Capability::display)) add("/dev/nvidia-modeset", major, modeset_minor);
    }
    for (const auto& gpu : found.selection.gpus) {
        add(format("/dev/nvidia{}", gpu.minor), major, gpu.minor);
        add_instances(nodes, majors, gpu.mig);
    }
    if (request.mig_config || request.mig_monitor) {
        for (const auto& node : found.mig_management)
            nodes.add({.path = format("/dev/nvidia-caps/nvidia-cap{}", node.minor),
                       .major = majors.caps,
                       .minor = node.minor,
                       .mode = node.mode});
        for (const auto& gpu : found.inventory.gpus) add_instances(nodes, majors, gpu.mig);
    }
    for (const auto channel : request.imex_channels)
        add(format("/dev/nvidia-caps-imex-channels/channel{}", channel), majors.imex, channel);
    for (const auto& drm : found.drm) nodes.add(drm.node);
    for (const auto& node : found.extra) nodes.add(node);
}

void add_drm_links(Edits& edits, const Discovery& found) {
    for (const auto& drm : found.drm) {
        const auto name = base_name(drm.node.path);
        edits.rootfs.links.push_back(
            {format("/dev/dri/by-path/pci-{}-{}", drm.bus_id, name.starts_with("card") ? "card" : "render"),
             format("../{}", name)});
    }
}

// Tells EGL which GPUs are there, a bit per device minor; else it tries those whose nodes are missing.
void add_application_profile(Edits& edits, const Selection& selection) {
    std::uint64_t mask = 0;
    for (const auto& gpu : selection.gpus)
        if (gpu.minor < 64) mask |= std::uint64_t{1} << gpu.minor;
    edits.rootfs.files.push_back(
        {.path = "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf",
         .content = format("{{\"profiles\": [{{\"name\": \"_container_\", \"settings\": [\"EGLVisibleDGPUDevices\", "
                           "{:#x}]}}], \"rules\": [{{\"pattern\": [], \"profile\": \"_container_\"}}]}}\n",
                           mask),
         .mode = 0444});
}

// Without this, libraries in the container would make nodes for every GPU of the machine, as the driver asks them to.
void add_parameters_cover(Edits& edits, const DriverParameters& parameters) {
    if (!parameters.modify_device_files) return;
    std::string text = parameters.text;
    const auto key = text.find("ModifyDeviceFiles:");
    const auto value = text.find_first_of("0123456789", key);
    const auto end = text.find('\n', key);
    text.replace(value, std::min(end, text.size()) - value, "0");
    edits.rootfs.covers.push_back({.path = format("{}/params", procfs), .content = std::move(text)});
}

// The kernel lists every GPU in every container: an empty directory over the list, with the chosen ones bound into it.
void hide_other_gpus(Edits& edits, const Discovery& found, const Host& host) {
    if (found.selection.whole && found.inventory.excluded.empty()) return;
    const std::string folder = format("{}/gpus", procfs);
    edits.mounts.push_back({.destination = folder,
                            .type = "tmpfs",
                            .source = "tmpfs",
                            .options = {"nosuid", "nodev", "noexec", "mode=0555", "size=4k"}});
    for (const auto& gpu : found.selection.gpus) {
        const std::string path = format("{}/{}", folder, gpu.bus_id);
        edits.mounts.push_back({.destination = path,
                                .type = "bind",
                                .source = host.source(path),
                                .options = {"bind", "ro", "nosuid", "nodev", "noexec", "rprivate"}});
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
        edits.env.push_back(value.empty() ? format("{}={}", name, folder) : format("{}={}:{}", name, value, folder));
    };
    extend("PATH", places.programs, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (found.image.read_only && !found.image.has_loader_cache) extend("LD_LIBRARY_PATH", places.libraries, "");
}

}  // namespace

Edits native_edits(const Discovery& found, const Request& request, const Settings& settings, const Host& host,
                   const spec::Spec& spec) {
    Edits edits;
    Nodes nodes(edits, host, settings);
    add_devices(nodes, found, request);
    add_drm_links(edits, found);
    if (!request.driver) return edits;
    const bool graphics = library_capabilities(request.capabilities).has(Capability::graphics);
    const Places places = choose_places(spec, found.image);
    add_libraries(edits, found, places, host, graphics, prefers_compat(found, settings));
    add_files(edits, found, places, host, spec);
    if (places.own_folder) announce_own_folder(edits, found, places, spec);
    if (graphics && !found.image.read_only) add_application_profile(edits, found.selection);
    if (settings.hide_procfs && has_procfs(spec)) {
        add_parameters_cover(edits, found.inventory.parameters);
        hide_other_gpus(edits, found, host);
    }
    return edits;
}

}  // namespace gpurun::gpu
