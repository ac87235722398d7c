#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/edits.h"
#include "gpu/native.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

constexpr std::string_view listed_gpus = "/proc/driver/nvidia/gpus";

bool has_device(const spec::Spec& config, std::string_view path) {
    const auto& devices = config.linux->devices;
    return std::any_of(devices.begin(), devices.end(), [&](const auto& device) { return device.path == path; }) ||
           std::any_of(config.mounts.begin(), config.mounts.end(),
                       [&](const spec::Mount& mount) { return mount.destination == path; });
}

// The nodes of the GPUs that \a names mean, and the GPUs.
struct Named {
    Selection selection;
    Edits edits;
};

Named nodes_of(const std::vector<std::string>& names, const spec::Spec& config, const Options& options,
               const Settings& settings, bool with_control) {
    Options asked = options;
    asked.devices = names;
    asked.only_devices = true;
    auto request = parse_request(config, asked, settings);
    if (!request || !request->cdi_names.empty())
        throw Error(format("{}: expected GPUs of NVIDIA's driver by index, UUID or bus id", gpurun::join(names, ",")));
    request->origin = "update";
    // Only the GPUs: what else the environment asks for, the container got or was refused when it was made.
    request->requirements.clear();
    request->imex_channels.clear();
    request->features = {};
    request->driver = request->mig_config = request->mig_monitor = false;
    const Host host = open_host(options.host_root, settings.driver_root);
    auto inventory = read_inventory(host);
    if (!inventory) throw Error("no NVIDIA kernel driver is loaded: no GPU can be added or removed");
    const Discovery found = discover(host, std::move(*inventory), *request, settings, sys::FdRef());
    request->driver = with_control;
    Named named{.selection = found.selection, .edits = device_edits(found, *request, settings, host)};
    for (const auto& gpu : found.selection.gpus)
        named.edits.mounts.push_back({.destination = format("{}/{}", listed_gpus, gpu.bus_id),
                                      .type = "bind",
                                      .source = host.source(format("{}/{}", listed_gpus, gpu.bus_id)),
                                      .options = {"bind", "ro", "nosuid", "nodev", "noexec", "rprivate"}});
    return named;
}

void plan_addition(Change& change, const spec::Spec& config, Named named, bool hides_others) {
    for (auto& device : named.edits.devices)
        if (!has_device(config, device.path)) change.added.push_back(std::move(device));
    if (change.added.empty()) return;
    if (hides_others)
        for (auto& mount : named.edits.mounts)
            if (!has_device(config, mount.destination)) change.shown.push_back(std::move(mount));
    for (const auto group : named.edits.additional_gids) {
        if (!config.process) continue;
        const auto& has = config.process->user.additional_gids;
        if (std::find(has.begin(), has.end(), group) == has.end()) change.missing_gids.push_back(group);
    }
}

void plan_removal(Change& change, const spec::Spec& config, Named named) {
    for (const auto& gpu : named.selection.gpus)
        if (const auto path = format("/dev/nvidia{}", gpu.minor); !has_device(config, path))
            throw Error(format("GPU {} ({}, {}) is not in the container", gpu.index, gpu.bus_id, path));
    for (auto& device : named.edits.devices)
        if (has_device(config, device.path)) change.removed.push_back(std::move(device));
    for (const auto& mount : named.edits.mounts)
        if (has_device(config, mount.destination)) change.hidden.push_back(mount.destination);
}

bool names_device(const spec::DeviceRule& rule, const Device& device) {
    return rule.type == device.type && rule.major == device.major && rule.minor == device.minor;
}

// Whether the last rule that says something about reading or writing the device allows it.
bool still_allowed(const std::vector<spec::DeviceRule>& rules, const Device& device) {
    const auto covers = [](const std::optional<std::int64_t>& number, std::int64_t value) {
        return !number || *number < 0 || *number == value;
    };
    const auto last = std::find_if(rules.rbegin(), rules.rend(), [&](const spec::DeviceRule& rule) {
        const bool type = rule.type.empty() || rule.type == "a" || rule.type == device.type;
        const bool access = rule.access.empty() || rule.access.find_first_of("rw") != std::string::npos;
        return type && access && covers(rule.major, device.major) && covers(rule.minor, device.minor);
    });
    return last != rules.rend() && last->allow;
}

void forget(const Device& device, spec::Spec& config) {
    std::erase_if(config.linux->devices, [&](const spec::Device& old) { return old.path == device.path; });
    std::erase_if(config.mounts, [&](const spec::Mount& old) { return old.destination == device.path; });
    if (!config.linux->resources) config.linux->resources.emplace();
    auto& rules = config.linux->resources->devices;
    std::erase_if(rules, [&](const spec::DeviceRule& rule) { return rule.allow && names_device(rule, device); });
    // A privileged container's rules allow everything: this one device is taken out of that.
    if (still_allowed(rules, device))
        rules.push_back(
            {.allow = false, .type = device.type, .major = device.major, .minor = device.minor, .access = "rwm"});
}

}  // namespace

Change change_gpus(const spec::Spec& config, const std::vector<std::string>& add,
                   const std::vector<std::string>& remove, const Options& options) {
    Settings settings;
    {
        const sys::Fd root = sys::open(options.host_root, O_PATH | O_DIRECTORY);
        settings = read_settings(root, options.rootless);
    }
    settings.prefer_cdi_files = false;
    Change change;
    change.lacks_driver = !has_device(config, "/dev/nvidiactl");
    const bool hides_others = has_device(config, listed_gpus);
    if (!remove.empty()) plan_removal(change, config, nodes_of(remove, config, options, settings, false));
    if (!add.empty())
        plan_addition(change, config, nodes_of(add, config, options, settings, change.lacks_driver), hides_others);
    return change;
}

void apply_change(const Change& change, spec::Spec& config) {
    for (const auto& device : change.removed) forget(device, config);
    std::erase_if(config.mounts, [&](const spec::Mount& mount) {
        return std::find(change.hidden.begin(), change.hidden.end(), mount.destination) != change.hidden.end();
    });
    if (config.linux->resources)
        std::erase_if(config.linux->resources->devices, [&](const spec::DeviceRule& rule) {
            return !rule.allow && std::any_of(change.added.begin(), change.added.end(),
                                              [&](const Device& device) { return names_device(rule, device); });
        });
    apply({.devices = change.added, .mounts = change.shown}, config, {.nodes = node_style(config, false)});
}

}  // namespace gpurun::gpu
