#include <gpurun/error.h>

#include <algorithm>
#include <compare>
#include <set>

#include "base/text.h"
#include "gpu/cdi_file.h"
#include "gpu/cdi_names.h"

namespace gpurun::gpu::cdi {
namespace {

struct Version {
    int major, minor, patch;
    constexpr auto operator<=>(const Version&) const = default;
};

struct KnownVersion {
    std::string_view text;
    Version version;
};

constexpr KnownVersion versions[] = {
    {"0.1.0", {0, 1, 0}}, {"0.2.0", {0, 2, 0}}, {"0.3.0", {0, 3, 0}}, {"0.4.0", {0, 4, 0}}, {"0.5.0", {0, 5, 0}},
    {"0.6.0", {0, 6, 0}}, {"0.7.0", {0, 7, 0}}, {"0.8.0", {0, 8, 0}}, {"1.0.0", {1, 0, 0}}, {"1.1.0", {1, 1, 0}}};
static_assert(std::rbegin(versions)->text == newest_version);

const KnownVersion* find_version(std::string_view text) {
    if (text.starts_with('v')) text.remove_prefix(1);
    for (const auto& row : versions)
        if (row.text == text) return &row;
    return nullptr;
}

/// What a version of the format brought: whether a file uses it, and the words for it.
struct Feature {
    std::string_view since;
    std::string_view what;
    bool (*is_used)(const File& file);
};

template <typename Predicate>
bool any_edits(const File& file, Predicate predicate) {
    return predicate(file.container_edits) ||
           std::any_of(file.devices.begin(), file.devices.end(),
                       [&](const Device& device) { return predicate(device.container_edits); });
}

// Newest first: the first that is used tells the minimum.
constexpr Feature features[] = {
    {"1.1.0", "netDevices",
     [](const File& file) { return any_edits(file, [](const auto& edits) { return !edits.net_devices.empty(); }); }},
    {"1.1.0", "intelRdt.schemata and intelRdt.enableMonitoring",
     [](const File& file) {
         return any_edits(file, [](const auto& edits) {
             return edits.intel_rdt && (!edits.intel_rdt->schemata.empty() || edits.intel_rdt->enable_monitoring);
         });
     }},
    {"0.7.0", "intelRdt",
     [](const File& file) { return any_edits(file, [](const auto& edits) { return edits.intel_rdt.has_value(); }); }},
    {"0.7.0", "additionalGids",
     [](const File& file) {
         return any_edits(file, [](const auto& edits) { return !edits.additional_gids.empty(); });
     }},
    {"0.6.0", "annotations",
     [](const File& file) {
         return !file.annotations.empty() ||
                std::any_of(file.devices.begin(), file.devices.end(),
                            [](const Device& device) { return !device.annotations.empty(); });
     }},
    {"0.6.0", "a dot in the class",
     [](const File& file) { return file.kind.find('.', file.kind.find('/')) != std::string::npos; }},
    {"0.5.0", "a device name that begins with a digit",
     [](const File& file) {
         return std::any_of(file.devices.begin(), file.devices.end(), [](const Device& device) {
             return !device.name.empty() && device.name[0] >= '0' && device.name[0] <= '9';
         });
     }},
    {"0.5.0", "deviceNodes[].hostPath",
     [](const File& file) {
         return any_edits(file, [](const auto& edits) {
             return std::any_of(edits.device_nodes.begin(), edits.device_nodes.end(),
                                [](const auto& node) { return !node.host_path.empty(); });
         });
     }},
    {"0.4.0", "mounts[].type",
     [](const File& file) {
         return any_edits(file, [](const auto& edits) {
             return std::any_of(edits.mounts.begin(), edits.mounts.end(),
                                [](const auto& mount) { return !mount.type.empty(); });
         });
     }},
};

[[noreturn]] void refuse(std::string_view path, std::string_view problem) {
    throw Error(format("{}: {}", path, problem));
}

void demand(const std::string& value, std::string_view path) {
    if (value.empty()) refuse(path, "must not be empty");
}

// -1 would be every number in a cgroup's rule.
void demand_number(const std::optional<std::int64_t>& number, const std::string& path) {
    if (number && *number < 0) refuse(path, format("expected a device number, got {}", *number));
}

void validate_node(const DeviceNode& node, const std::string& path) {
    demand(node.path, path + ".path");
    demand_number(node.major, path + ".major");
    demand_number(node.minor, path + ".minor");
    static constexpr std::string_view types[] = {"", "b", "c", "u", "p"};
    if (std::find(std::begin(types), std::end(types), node.type) == std::end(types))
        refuse(path + ".type", format("expected b, c, u or p, got \"{}\"", node.type));
    if (node.permissions != "none" && node.permissions.find_first_not_of("rwm") != std::string::npos)
        refuse(path + ".permissions", format("expected letters of \"rwm\" or \"none\", got \"{}\"", node.permissions));
}

void validate_hook(const Hook& hook, const std::string& path) {
    static constexpr std::string_view stages[] = {"prestart",       "createRuntime", "createContainer",
                                                  "startContainer", "poststart",     "poststop"};
    if (std::find(std::begin(stages), std::end(stages), hook.hook_name) == std::end(stages))
        refuse(
            path + ".hookName",
            format(
                "expected prestart, createRuntime, createContainer, startContainer, poststart or poststop, got \"{}\"",
                hook.hook_name));
    demand(hook.path, path + ".path");
    for (std::size_t index = 0; index < hook.env.size(); ++index)
        if (hook.env[index].find('=') == std::string::npos)
            refuse(format("{}.env[{}]", path, index), format("expected NAME=VALUE, got \"{}\"", hook.env[index]));
}

void validate_net_devices(const std::vector<NetDevice>& devices, const std::string& path) {
    std::set<std::string_view> hosts, names;
    for (std::size_t index = 0; index < devices.size(); ++index) {
        const auto& [host, name] = devices[index];
        const std::string host_path = format("{}[{}].hostInterfaceName", path, index);
        const std::string name_path = format("{}[{}].name", path, index);
        demand(host, host_path);
        demand(name, name_path);
        if (!hosts.insert(host).second) refuse(host_path, format("\"{}\" is there twice", host));
        if (!names.insert(name).second) refuse(name_path, format("\"{}\" is there twice", name));
    }
}

// It names a directory of the resctrl file system; "/" is that itself.
void validate_class(const std::string& name, const std::string& path) {
    if (name == "/") return;
    if (name.size() >= 4096 || name.find_first_of("/\n") != std::string::npos || name == "." || name == "..")
        refuse(path, format("expected a directory's name, got \"{}\"", name));
}

void validate_edits(const ContainerEdits& edits, const std::string& path) {
    for (std::size_t index = 0; index < edits.env.size(); ++index)
        if (edits.env[index].find('=') == std::string::npos || edits.env[index].starts_with('='))
            refuse(format("{}.env[{}]", path, index), format("expected NAME=VALUE, got \"{}\"", edits.env[index]));
    for (std::size_t index = 0; index < edits.device_nodes.size(); ++index)
        validate_node(edits.device_nodes[index], format("{}.deviceNodes[{}]", path, index));
    for (std::size_t index = 0; index < edits.mounts.size(); ++index) {
        demand(edits.mounts[index].host_path, format("{}.mounts[{}].hostPath", path, index));
        demand(edits.mounts[index].container_path, format("{}.mounts[{}].containerPath", path, index));
    }
    for (std::size_t index = 0; index < edits.hooks.size(); ++index)
        validate_hook(edits.hooks[index], format("{}.hooks[{}]", path, index));
    validate_net_devices(edits.net_devices, path + ".netDevices");
    if (edits.intel_rdt) validate_class(edits.intel_rdt->clos_id, path + ".intelRdt.closID");
}

// A name of 63 letters, digits, "-", "_" and ".", and before a slash the domain that it belongs to.
bool is_annotation_key(std::string_view key) {
    const auto slash = key.find('/');
    const auto domain = slash == std::string_view::npos ? std::string_view("a") : key.substr(0, slash);
    const auto name = slash == std::string_view::npos ? key : key.substr(slash + 1);
    // Device names have the same form, but for colons.
    return name.size() <= 63 && is_device_name(name) && name.find(':') == std::string_view::npos &&
           domain.size() <= 253 && is_device_name(domain) && domain.find_first_of(":_") == std::string_view::npos;
}

void validate_annotations(const std::map<std::string, std::string>& annotations, const std::string& path) {
    constexpr std::size_t largest = 256u << 10;
    std::size_t size = 0;
    for (const auto& [key, value] : annotations) {
        if (!is_annotation_key(key)) refuse(format("{}[{}]", path, key), "expected a key such as vendor.com/name");
        size += key.size() + value.size();
    }
    if (size > largest) refuse(path, format("expected at most {} bytes, got {}", largest, size));
}

void validate_version(const File& file) {
    const auto* version = find_version(file.cdi_version);
    if (version == nullptr)
        refuse("cdiVersion", format("unknown version \"{}\", known are 0.1.0 to {}", file.cdi_version, newest_version));
    for (const auto& feature : features) {
        if (version->version >= find_version(feature.since)->version) break;
        if (feature.is_used(file))
            refuse("cdiVersion",
                   format("{} has no {}, which needs {} or later", file.cdi_version, feature.what, feature.since));
    }
}

}  // namespace

std::string_view minimum_version(const File& file) {
    for (const auto& feature : features)
        if (feature.is_used(file)) return feature.since;
    return "0.3.0";
}

std::string newer_version(std::string_view left, std::string_view right) {
    return std::string(find_version(left)->version < find_version(right)->version ? right : left);
}

void validate(const File& file) {
    validate_version(file);
    if (!is_kind(file.kind)) refuse("kind", format("expected vendor/class, got \"{}\"", file.kind));
    validate_annotations(file.annotations, "annotations");
    validate_edits(file.container_edits, "containerEdits");
    if (file.devices.empty()) refuse("devices", "expected at least one device");
    std::set<std::string_view> names;
    for (std::size_t index = 0; index < file.devices.size(); ++index) {
        const Device& device = file.devices[index];
        const std::string path = format("devices[{}]", index);
        if (!is_device_name(device.name))
            refuse(path + ".name", format("expected letters, digits and inner _ - . : , got \"{}\"", device.name));
        if (!names.insert(device.name).second) refuse(path + ".name", format("\"{}\" is there twice", device.name));
        validate_annotations(device.annotations, path + ".annotations");
        if (device.container_edits.empty()) refuse(path + ".containerEdits", "must not be empty");
        validate_edits(device.container_edits, path + ".containerEdits");
    }
}

}  // namespace gpurun::gpu::cdi
