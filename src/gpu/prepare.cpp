#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/affinity.h"
#include "gpu/cdi_registry.h"
#include "gpu/edits.h"
#include "gpu/explain.h"
#include "gpu/hooks_edits.h"
#include "gpu/modules.h"
#include "gpu/native.h"
#include "gpu/nodes.h"
#include "gpu/nvml.h"
#include "gpu/requirement.h"
#include "gpu/tegra.h"
#include "gpu/wsl.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

// A node as the host has it; nothing when it is not there or no character device.
std::optional<ExtraNode> host_node(const Host& host, const std::string& path) {
    const sys::Fd file = sys::try_open_at(host.root, path, O_PATH | O_NOFOLLOW, Resolve::in_root);
    if (!file) return std::nullopt;
    const auto facts = sys::stat_fd(file);
    if (!S_ISCHR(facts.st_mode)) return std::nullopt;
    return ExtraNode{.path = path,
                     .major = major(facts.st_rdev),
                     .minor = minor(facts.st_rdev),
                     .mode = facts.st_mode & 0777,
                     .uid = facts.st_uid,
                     .gid = facts.st_gid};
}

// "128" of "renderD128", "0" of "card0".
unsigned trailing_number(std::string_view name) {
    const auto digits = name.find_last_not_of("0123456789") + 1;
    return parse_number<unsigned>(name.substr(digits)).value_or(0);
}

// A render node alone suffices for work without a screen; a card node lets its user set modes.
std::vector<DrmNode> find_drm(const Host& host, const Discovery& found, CapabilitySet capabilities) {
    std::vector<DrmNode> nodes;
    const bool cards = capabilities.intersects({Capability::graphics, Capability::display});
    if (!cards && !capabilities.has(Capability::video)) return nodes;
    const unsigned drm = found.inventory.majors.drm != 0 ? found.inventory.majors.drm : 226;
    for (const auto& gpu : found.selection.gpus) {
        if (!gpu.mig.empty()) continue;
        for (const auto& name : drm_nodes(host, gpu.bus_id)) {
            if (!cards && name.starts_with("card")) continue;
            const std::string path = "/dev/dri/" + name;
            const ExtraNode unknown{.path = path, .major = drm, .minor = trailing_number(name)};
            nodes.push_back({.node = host_node(host, path).value_or(unknown), .bus_id = gpu.bus_id});
        }
    }
    return nodes;
}

struct FeatureNodes {
    std::string_view name;
    bool Features::*wanted;
    std::string_view folder;
    std::string_view prefix;  ///< Of the nodes' names in the folder.
};

constexpr FeatureNodes feature_nodes[] = {
    {"gds", &Features::gds, "/dev", "nvidia-fs"},
    {"mofed", &Features::mofed, "/dev/infiniband", "uverbs"},
    {"mofed", &Features::mofed, "/dev/infiniband", "rdma_cm"},
    {"gdrcopy", &Features::gdrcopy, "/dev", "gdrdrv"},
    {"nvswitch", &Features::nvswitch, "/dev", "nvidia-nvswitch"},
};

void find_features(const Host& host, const Features& wanted, Discovery& found) {
    for (const auto& row : feature_nodes) {
        if (!(wanted.*row.wanted)) continue;
        auto names = sys::list_directory(host.root, std::string(row.folder), Resolve::in_root);
        std::sort(names.begin(), names.end());
        bool any = false;
        for (const auto& name : names) {
            if (!name.starts_with(row.prefix)) continue;
            if (auto node = host_node(host, format("{}/{}", row.folder, name))) {
                found.extra.push_back(std::move(*node));
                any = true;
            }
        }
        if (!any) log::warning("gpu: {} is asked for, but the host has no {}/{}*", row.name, row.folder, row.prefix);
        if (any && row.wanted == &Features::gds) found.udev = true;
    }
}

void find_mig_management(const Host& host, const Request& request, Discovery& found) {
    const auto take = [&](bool wanted, const char* path) {
        if (!wanted) return;
        const auto node = read_capability(host, path);
        if (!node)
            throw Error(format("/proc/driver/nvidia/capabilities/{} is missing: this driver or GPU has no MIG", path));
        found.mig_management.push_back(*node);
    };
    take(request.mig_config, "mig/config");
    take(request.mig_monitor, "mig/monitor");
}

// As NVIDIA's tools, of which one setting decides for both, gpurun loads modules and makes the host's nodes.
bool may_change_host(const Settings& settings, const Options& options) {
    return settings.load_modules && !options.dry && options.trail == nullptr;
}

std::optional<Inventory> find_inventory(const Host& host, const Request& request, const Settings& settings,
                                        const Options& options) {
    auto inventory = read_inventory(host);
    if (!may_change_host(settings, options)) return inventory;
    if (load_modules(host, inventory ? &*inventory : nullptr, request.capabilities)) inventory = read_inventory(host);
    return inventory;
}

std::string no_driver(const Request& request) {
    return format(
        "no NVIDIA kernel driver is loaded, but {} asks for a GPU: load it with `modprobe nvidia` (`gpurun gpu doctor` "
        "checks the rest)",
        request.origin);
}

sys::Fd open_root(const spec::Spec& spec, const Options& options) {
    if (!spec.root || spec.root->path.empty()) return {};
    const std::string& path = spec.root->path;
    return sys::try_open(path.starts_with('/') || options.bundle.empty() ? path : format("{}/{}", options.bundle, path),
                         O_PATH | O_DIRECTORY);
}

// Containers in user namespaces get the host's nodes. One of NVIDIA's that is missing is made where that is possible.
bool has_node(const Device& device, const Settings& settings, const Options& options) {
    if (sys::exists(device.host_path)) return true;
    const Host host = open_host(options.host_root, settings.driver_root);
    const std::string path = device.host_path.substr(host.prefix.size());
    if (options.rootless || !settings.load_modules || !path.starts_with("/dev/nvidia")) return false;
    if (!may_change_host(settings, options)) return true;  // It would be made.
    try {
        make_node(host, {.path = path,
                         .major = static_cast<unsigned>(device.major),
                         .minor = static_cast<unsigned>(device.minor),
                         .mode = device.file_mode.value_or(0666),
                         .uid = device.uid.value_or(0),
                         .gid = device.gid.value_or(0)});
        return true;
    } catch (const Error& error) {
        log::warning("gpu: {}", error.text());
        return false;
    }
}

// Those that work can't do without must be on the host.
void check_bound_nodes(Edits& edits, const Settings& settings, const Options& options) {
    std::erase_if(edits.devices, [&](const Device& device) {
        if (has_node(device, settings, options)) return false;
        const auto name = base_name(device.path);
        if (name == "nvidiactl" || parse_number<unsigned>(name.substr(std::min<std::size_t>(6, name.size()))))
            throw Error(
                format("{} is missing on the host and can't be made without root: run `sudo gpurun gpu create-nodes`",
                       device.host_path));
        log::warning(
            "gpu: {} is missing on the host and can't be made without root: run `sudo gpurun gpu create-nodes`",
            device.host_path);
        return true;
    });
}

}  // namespace

Discovery discover(const Host& host, Inventory inventory, const Request& request, const Settings& settings,
                   sys::FdRef root) {
    Discovery found;
    found.inventory = std::move(inventory);
    HelperNvml nvml(host, found.inventory);
    found.selection = select(found.inventory, request, nvml);
    std::vector<std::string> models;
    for (const auto& gpu : found.selection.gpus) models.push_back(gpu.model);
    check_requirements(request.requirements, found.inventory.version, models);
    const auto wanted = library_capabilities(request.capabilities);
    if (request.driver) {
        found.files = find_driver_files(host, found.inventory.version, wanted, settings.library_paths);
        found.image = probe_image(root, settings.cuda_compat && wanted.has(Capability::compute));
    }
    found.drm = find_drm(host, found, request.capabilities);
    find_features(host, request.features, found);
    find_mig_management(host, request, found);
    return found;
}

namespace {

Edits explained(Edits edits, const Request& request, std::string_view why) {
    if (request.explain) because_all(edits, why);
    return edits;
}

// The part of the request that needs NVIDIA's driver; nothing when it is not there and that is no error.
Edits live_edits(const spec::Spec& spec, const Request& request, const Settings& settings, const Options& options) {
    const Host host = open_host(options.host_root, settings.driver_root);
    auto inventory = find_inventory(host, request, settings, options);
    if (!inventory && is_wsl(host))
        return explained(wsl_edits(host, request), request, "WSL has one device for all GPUs and Windows' libraries");
    if (!inventory && is_tegra(host))
        return explained(tegra_edits(host, spec, request), request, "NVIDIA's CSV files of this Tegra list it");
    if (!inventory) {
        if (!request.implied && !settings.ignore_missing_driver) throw Error(no_driver(request));
        log::warning("gpu: {}; the container starts without", no_driver(request));
        return {};
    }
    const Discovery found = discover(host, std::move(*inventory), request, settings, open_root(spec, options));
    if (options.trail != nullptr) options.trail->discovery = found;
    Edits edits = native_edits(found, request, settings, host, spec);
    add_affinity(edits, spec, found.selection.gpus, host);
    return edits;
}

Edits file_edits(const spec::Spec& spec, const Request& request, const Settings& settings, const Options& options) {
    cdi::Context context{.host_root = options.host_root, .uid = {}, .gid = {}, .explain = options.trail != nullptr};
    if (spec.process && spec.process->user.uid != 0) context.uid = spec.process->user.uid;
    if (spec.process && spec.process->user.gid != 0) context.gid = spec.process->user.gid;
    return cdi::Registry(settings.cdi_directories, options.host_root).resolve(request.cdi_names, context);
}

// Applies the edits, remembering them for explain().
RootfsEdits apply_noted(Edits edits, spec::Spec& spec, Application how, const Options& options) {
    if (options.trail != nullptr) options.trail->edits.push_back(edits);
    return apply(std::move(edits), spec, how);
}

// The hooks that CDI files brought are NVIDIA's or our own as well as an engine's. The files' mounts are in \a spec by
// now.
void carry_out_brought_hooks(spec::Spec& spec, RootfsEdits& rootfs, Settings settings, const Options& options,
                             Application how) {
    if (!spec.hooks || !has_recognised_hooks(*spec.hooks)) return;
    const HookOrders orders = take_hooks(*spec.hooks);
    Edits edits = hook_edits(orders, spec, open_host(options.host_root, settings.driver_root), open_root(spec, options),
                             options.trail != nullptr);
    if (!orders.devices.empty()) {
        Options live = options;
        live.devices = orders.devices;
        live.only_devices = true;
        settings.prefer_cdi_files = false;
        auto request = parse_request(spec, live, settings);
        if (request) request->explain = options.trail != nullptr;
        if (request && request->needs_driver()) add(edits, live_edits(spec, *request, settings, options));
        if (how.nodes == NodeStyle::bind) check_bound_nodes(edits, settings, options);
    }
    add(rootfs, apply_noted(std::move(edits), spec, how, options));
}

}  // namespace

RootfsEdits prepare(spec::Spec& spec, const Options& options) {
    HookOrders orders;
    if (spec.hooks && has_recognised_hooks(*spec.hooks)) orders = take_hooks(*spec.hooks);
    if (orders.empty() && !may_request(spec, options)) return {};
    Options asked = options;
    asked.devices.insert(asked.devices.end(), orders.devices.begin(), orders.devices.end());
    // A marker decides alone, as the NVIDIA_VISIBLE_DEVICES=void of a full CDI file would: every CUDA image asks for
    // `all`.
    asked.only_devices |= !orders.devices.empty() || injected_by_engine(orders, spec);
    Settings settings;
    {
        const sys::Fd root = sys::open(options.host_root, O_PATH | O_DIRECTORY);
        settings = read_settings(root, options.rootless);
    }
    auto request = parse_request(spec, asked, settings);
    if (options.trail != nullptr) {
        if (request) request->explain = true;
        *options.trail = {.settings = settings,
                          .request = request,
                          .orders = orders,
                          .by_engine = injected_by_engine(orders, spec),
                          .discovery = {},
                          .edits = {}};
    }
    Edits edits;
    Application how{.nodes = node_style(spec, options.rootless)};
    if (!orders.empty()) {
        const Host host = open_host(options.host_root, settings.driver_root);
        edits = hook_edits(orders, spec, host, open_root(spec, options), options.trail != nullptr);
        repair_numbers(spec, host);
    }
    if (request && request->needs_driver()) add(edits, live_edits(spec, *request, settings, options));
    if (request && !request->cdi_names.empty()) {
        add(edits, file_edits(spec, *request, settings, options));
        how.order = MountOrder::by_depth;
    }
    if (how.nodes == NodeStyle::bind) check_bound_nodes(edits, settings, options);
    if (log::enabled(log::Level::debug))
        log::write(log::Level::debug, "gpu: edits\n" + print(edits, options.host_root));
    RootfsEdits rootfs = apply_noted(std::move(edits), spec, how, options);
    if (request && !request->cdi_names.empty()) carry_out_brought_hooks(spec, rootfs, settings, options, how);
    return rootfs;
}

}  // namespace gpurun::gpu
