#include "gpu/cdi_generate.h"

#include <fcntl.h>

#include <algorithm>
#include <span>

#include "base/text.h"
#include "gpu/hooks_recognise.h"
#include "gpu/native_files.h"
#include "sys/file.h"

namespace gpurun::gpu::cdi {
namespace {

constexpr unsigned control_minor = 255;

DeviceNode node_of(std::string path, unsigned major, unsigned minor, std::uint32_t mode) {
    return {.path = std::move(path),
            .host_path = {},
            .type = "c",
            .major = major,
            .minor = minor,
            .file_mode = mode,
            .permissions = "rw",
            .uid = {},
            .gid = {}};
}

Mount bind_of(std::string source, std::string destination, std::span<const char* const> options) {
    return {.host_path = std::move(source),
            .container_path = std::move(destination),
            .type = {},
            .options = {options.begin(), options.end()}};
}

constexpr const char* file_options[] = {"ro", "nosuid", "nodev", "rbind", "rprivate"};
constexpr const char* socket_options[] = {"nosuid", "nodev", "noexec", "rbind", "rprivate"};

std::string place_of(const Library& library) { return library.vdpau ? library.folder + "/vdpau" : library.folder; }

std::vector<std::string> link_words(const DriverFiles& files) {
    std::vector<std::string> words{"create-symlinks"};
    const auto link = [&](const std::string& target, const std::string& path) {
        words.push_back("--link");
        words.push_back(target + "::" + path);
    };
    for (const auto& library : files.libraries) {
        const std::string folder = place_of(library);
        if (library.soname != library.file) link(library.file, format("{}/{}", folder, library.soname));
        if (wants_plain_name(library)) link(library.soname, format("{}/{}.so", folder, library.stem));
    }
    if (const auto* glx = files.find("libGLX_nvidia")) link(glx->file, glx->folder + "/libGLX_indirect.so.0");
    if (const auto* allocator = files.find("libnvidia-allocator"))
        link("../" + allocator->soname, allocator->folder + "/gbm/nvidia-drm_gbm.so");
    return words;
}

void add_hooks(ContainerEdits& edits, const Discovery& found, const GenerateOptions& options) {
    auto links = link_words(found.files);
    if (links.size() > 1) edits.hooks.push_back(hook_of(options, std::move(links)));
    edits.hooks.push_back(hook_of(options, {"enable-cuda-compat", "--host-driver-version=" + found.inventory.version}));
    std::vector<std::string> cache{"update-ldcache"};
    std::vector<std::string> folders;
    for (const auto& library : found.files.libraries)
        if (std::find(folders.begin(), folders.end(), place_of(library)) == folders.end())
            folders.push_back(place_of(library));
    for (const auto& folder : folders) cache.insert(cache.end(), {"--folder", folder});
    edits.hooks.push_back(hook_of(options, std::move(cache)));
    edits.hooks.push_back(hook_of(options, {"disable-device-node-modification"}));
    edits.hooks.push_back(hook_of(options, {"update-application-profile"}));
}

void add_mounts(ContainerEdits& edits, const DriverFiles& files, const Host& host) {
    auto& mounts = edits.mounts;
    for (const auto& config : files.configs)
        mounts.push_back(bind_of(config.host_path, config.container_path, file_options));
    for (const auto& program : files.programs)
        mounts.push_back(bind_of(host.driver_prefix + program.host_path, program.host_path, file_options));
    for (const auto& library : files.libraries) {
        const std::string path = format("{}/{}", place_of(library), library.file);
        mounts.push_back(bind_of(host.driver_prefix + path, path, file_options));
    }
    for (const auto& module : files.modules)
        mounts.push_back(bind_of(host.driver_prefix + module.host_path, module.container_path, file_options));
    for (const auto& ipc : files.ipc) mounts.push_back(bind_of(ipc.host_path, ipc.container_path, socket_options));
}

ContainerEdits common_edits(const Discovery& found, const Host& host, const GenerateOptions& options) {
    ContainerEdits edits;
    if (const auto* cuda = found.files.find("libcuda")) edits.env.push_back("NVIDIA_CTK_LIBCUDA_DIR=" + cuda->folder);
    edits.env.push_back("NVIDIA_VISIBLE_DEVICES=void");
    const auto& majors = found.inventory.majors;
    const auto& parameters = found.inventory.parameters;
    if (majors.uvm != 0) {
        edits.device_nodes.push_back(node_of("/dev/nvidia-uvm", majors.uvm, 0, parameters.mode));
        edits.device_nodes.push_back(node_of("/dev/nvidia-uvm-tools", majors.uvm, 1, parameters.mode));
    }
    edits.device_nodes.push_back(node_of("/dev/nvidiactl", majors.nvidia, control_minor, parameters.mode));
    if ((parameters.mode & 06) != 06 && parameters.gid != 0) edits.additional_gids.push_back(parameters.gid);
    add_hooks(edits, found, options);
    add_mounts(edits, found.files, host);
    return edits;
}

DeviceNode gpu_node(const Inventory& inventory, const Gpu& gpu) {
    return node_of(format("/dev/nvidia{}", gpu.minor), inventory.majors.nvidia, gpu.minor, inventory.parameters.mode);
}

void add_drm(ContainerEdits& edits, const Discovery& found, const Gpu& gpu, const GenerateOptions& options) {
    std::vector<std::string> links{"create-symlinks"};
    for (const auto& drm : found.drm) {
        if (drm.bus_id != gpu.bus_id) continue;
        const auto name = base_name(drm.node.path);
        edits.device_nodes.push_back(node_of(drm.node.path, static_cast<unsigned>(drm.node.major),
                                             static_cast<unsigned>(drm.node.minor), drm.node.mode));
        links.push_back("--link");
        links.push_back(format("../{}::/dev/dri/by-path/pci-{}-{}", name, gpu.bus_id,
                               name.starts_with("card") ? "card" : "render"));
    }
    if (links.size() > 1) edits.hooks.push_back(hook_of(options, std::move(links)));
}

ContainerEdits gpu_edits(const Discovery& found, const Gpu& gpu, const GenerateOptions& options) {
    ContainerEdits edits;
    edits.device_nodes.push_back(gpu_node(found.inventory, gpu));
    add_drm(edits, found, gpu, options);
    return edits;
}

void add_instance(ContainerEdits& edits, const Inventory& inventory, const MigInstance& instance) {
    const auto add = [&](unsigned minor, std::uint32_t mode) {
        const std::string path = format("/dev/nvidia-caps/nvidia-cap{}", minor);
        const bool is_there = std::any_of(edits.device_nodes.begin(), edits.device_nodes.end(),
                                          [&](const DeviceNode& node) { return node.path == path; });
        if (!is_there) edits.device_nodes.push_back(node_of(path, inventory.majors.caps, minor, mode));
    };
    add(instance.gpu_minor, instance.gpu_mode);
    add(instance.compute_minor, instance.compute_mode);
}

/// A device without its names.
struct Unnamed {
    const Gpu* gpu;
    std::optional<std::size_t> instance;
};

std::vector<Unnamed> devices_of(const Inventory& inventory) {
    std::vector<Unnamed> devices;
    for (const auto& gpu : inventory.gpus) {
        devices.push_back({&gpu, std::nullopt});
        for (std::size_t index = 0; index < gpu.mig.size(); ++index) devices.push_back({&gpu, index});
    }
    return devices;
}

// A MIG instance's UUID is known to NVML only, so it goes by index.
std::vector<std::string> names_of(const Unnamed& device, const std::vector<Naming>& namings) {
    std::vector<std::string> names;
    for (const auto naming : namings) {
        const unsigned gpu = device.gpu->index;
        switch (naming) {
            case Naming::index:
                names.push_back(device.instance ? format("{}:{}", gpu, *device.instance) : std::to_string(gpu));
                break;
            case Naming::type_index:
                names.push_back(device.instance ? format("mig{}:{}", gpu, *device.instance) : format("gpu{}", gpu));
                break;
            case Naming::uuid:
                if (!device.instance && !device.gpu->uuid.empty()) names.push_back(device.gpu->uuid);
                break;
        }
    }
    return names;
}

template <typename EditsOf>
File make_file(const Inventory& inventory, const GenerateOptions& options, EditsOf edits_of) {
    File file{.cdi_version = {}, .kind = options.kind, .annotations = {}, .devices = {}, .container_edits = {}};
    for (const auto& device : devices_of(inventory))
        for (auto& name : names_of(device, options.names))
            file.devices.push_back({.name = name, .annotations = {}, .container_edits = edits_of(&device, name)});
    if (options.all)
        file.devices.push_back({.name = "all", .annotations = {}, .container_edits = edits_of(nullptr, "all")});
    return file;
}

// A GPU with MIG enabled shows nothing to CUDA without its instances, so it brings them all.
ContainerEdits edits_with_instances(const Discovery& found, const Unnamed& device, const GenerateOptions& options) {
    ContainerEdits edits = gpu_edits(found, *device.gpu, options);
    for (std::size_t index = 0; index < device.gpu->mig.size(); ++index)
        if (!device.instance || *device.instance == index) add_instance(edits, found.inventory, device.gpu->mig[index]);
    return edits;
}

// The form that other generators write: the files in the firmware's directory, one by one.
std::vector<BoundFile> each_firmware(const Host& host, const std::vector<BoundFile>& modules) {
    std::vector<BoundFile> files;
    for (const auto& module : modules) {
        const sys::Fd folder =
            sys::try_open_at(host.driver_root, module.host_path, O_PATH | O_DIRECTORY, sys::Resolve::in_root);
        if (!folder) {
            files.push_back(module);
            continue;
        }
        auto names = sys::list_directory(folder, ".");
        std::sort(names.begin(), names.end());
        for (const auto& name : names)
            if (name.starts_with("gsp") && name.ends_with(".bin"))
                files.push_back(
                    {format("{}/{}", module.host_path, name), format("{}/{}", module.container_path, name)});
    }
    return files;
}

void append(ContainerEdits& edits, ContainerEdits more) {
    edits.device_nodes.insert(edits.device_nodes.end(), more.device_nodes.begin(), more.device_nodes.end());
    edits.hooks.insert(edits.hooks.end(), more.hooks.begin(), more.hooks.end());
}

}  // namespace

Hook hook_of(const GenerateOptions& options, std::vector<std::string> words) {
    words.insert(words.begin(), std::string(base_name(options.hook_program)));
    // runc gives a hook without an environment that of the container's process, LD_PRELOAD included (CVE-2025-23266).
    return {.hook_name = "createContainer",
            .path = options.hook_program,
            .args = std::move(words),
            .env = {"NVIDIA_CTK_DEBUG=false"},
            .timeout = std::nullopt};
}

Discovery discover_all(const Survey& survey) {
    Request request;
    request.all = request.driver = true;
    request.capabilities = CapabilitySet::all();
    Discovery found = discover(survey.host, *survey.inventory, request, survey.settings, sys::FdRef());
    found.files.modules = each_firmware(survey.host, found.files.modules);
    return found;
}

File full_file(const Discovery& found, const Host& host, const GenerateOptions& options) {
    File file = make_file(found.inventory, options, [&](const Unnamed* device, const std::string&) {
        if (device != nullptr) return edits_with_instances(found, *device, options);
        ContainerEdits all;
        for (const auto& gpu : found.inventory.gpus)
            append(all, edits_with_instances(found, {&gpu, std::nullopt}, options));
        return all;
    });
    file.container_edits = common_edits(found, host, options);
    file.cdi_version = minimum_version(file);
    return file;
}

File thin_file(const Inventory& inventory, const GenerateOptions& options) {
    File file = make_file(inventory, options, [&](const Unnamed*, const std::string& name) {
        return marker_edits("nvidia.com/gpu=" + name, options);
    });
    file.cdi_version = minimum_version(file);
    return file;
}

}  // namespace gpurun::gpu::cdi
