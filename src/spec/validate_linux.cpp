#include <gpurun/mount_options.h>

#include <algorithm>

#include "spec/invalid.h"
#include "sys/process_attributes.h"

namespace gpurun::spec {
namespace {

void check_namespaces(const Linux& linux) {
    for (std::size_t place = 0; place < linux.namespaces.size(); ++place) {
        const Namespace& entry = linux.namespaces[place];
        const std::string at = format("linux.namespaces[{}]", place);
        if (!entry.path.empty()) require_absolute(entry.path, at + ".path");
        if (find_namespace(linux, entry.type) != &entry)
            throw Invalid(at, format("duplicate namespace \"{}\"", spec_name(entry.type)));
    }
}

void check_user_namespace(const Linux& linux) {
    const Namespace* user = find_namespace(linux, NamespaceType::user);
    const bool has_uids = !linux.uid_mappings.empty(), has_gids = !linux.gid_mappings.empty();
    if (!user && (has_uids || has_gids))
        throw Invalid(has_uids ? "linux.uidMappings" : "linux.gidMappings",
                      "user namespace mappings specified, but user namespace isn't enabled in the config");
    if (has_uids != has_gids) throw Invalid("linux", "expected uidMappings and gidMappings together, got one of them");
    check_mappings(linux.uid_mappings, "linux.uidMappings");
    check_mappings(linux.gid_mappings, "linux.gidMappings");
}

void check_time_offsets(const Linux& linux) {
    constexpr std::uint32_t second = 1'000'000'000;
    if (linux.time_offsets.empty()) return;
    const Namespace* time = find_namespace(linux, NamespaceType::time);
    if (!time)
        throw Invalid("linux.timeOffsets",
                      "time namespace offsets specified, but time namespace isn't enabled in the config");
    if (!time->path.empty())
        throw Invalid("linux.timeOffsets",
                      "offsets can only be set for a new time namespace, not for one that is joined");
    for (const auto& [clock, offset] : linux.time_offsets) {
        const std::string at = format("linux.timeOffsets[{}]", clock);
        if (clock != "monotonic" && clock != "boottime") throw Invalid(at, "expected the clock monotonic or boottime");
        if (offset.nanosecs >= second)
            throw Invalid(at + ".nanosecs", format("expected less than {}, got {}", second, offset.nanosecs));
    }
}

/// What personality(2) knows and config-linux.md#personality names.
constexpr Name<unsigned> personality_domains[] = {{"LINUX", 0}, {"LINUX32", 8}};

constexpr std::string_view device_types[] = {"b", "c", "u", "p"};

void check_devices(const std::vector<Device>& devices) {
    for (std::size_t place = 0; place < devices.size(); ++place) {
        const Device& device = devices[place];
        const std::string at = format("linux.devices[{}]", place);
        require_absolute(device.path, at + ".path");
        if (std::find(std::begin(device_types), std::end(device_types), device.type) == std::end(device_types))
            throw Invalid(at + ".type", format("expected one of b, c, u, p, got \"{}\"", device.type));
        // A fifo has no numbers; whatever is written there is ignored.
        if (device.type != "p" && (device.major < 0 || device.minor < 0))
            throw Invalid(at, format("expected device numbers from 0, got {}:{}", device.major, device.minor));
    }
}

/// What the kernel accepts (dev_valid_name), but for "%", which only a template may hold.
bool is_interface_name(std::string_view name, bool is_template) {
    constexpr std::size_t longest = 15;
    if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
    if (name.find_first_of("/: \t\n\v\f\r") != std::string_view::npos) return false;
    const auto percent = name.find('%');
    if (percent == std::string_view::npos) return true;
    return is_template && name.substr(percent).starts_with("%d") &&
           name.find('%', percent + 1) == std::string_view::npos;
}

void check_net_devices(const Linux& linux) {
    if (linux.net_devices.empty()) return;
    if (!find_namespace(linux, NamespaceType::network))
        throw Invalid("linux.netDevices", "unable to move network devices without a NET namespace");
    for (const auto& [name, device] : linux.net_devices) {
        if (!is_interface_name(name, false))
            throw Invalid("linux.netDevices", format("invalid network device name \"{}\"", name));
        if (!device.name.empty() && !is_interface_name(device.name, true))
            throw Invalid(format("linux.netDevices[{}].name", name),
                          format("invalid network device name \"{}\"", device.name));
    }
}

/// config-linux.md#intelrdt: closID is one directory name or "/", schemata are lines of a kernel file.
void check_intel_rdt(const IntelRdt& rdt) {
    const auto& id = rdt.clos_id;
    if (id == "." || id == ".." || (id != "/" && id.find('/') != std::string::npos))
        throw Invalid("linux.intelRdt.closID", format("expected a directory name or \"/\", got \"{}\"", id));
    require_one_line(id, "linux.intelRdt.closID");
    require_one_line(rdt.mem_bw_schema, "linux.intelRdt.memBwSchema");
    for (std::size_t place = 0; place < rdt.schemata.size(); ++place)
        require_one_line(rdt.schemata[place], format("linux.intelRdt.schemata[{}]", place));
}

/// An empty policy is as good as none. What the kernel can judge better (nodes that do not go with the mode, flags that
/// exclude each other) is left to set_mempolicy(2).
void check_memory_policy(const MemoryPolicy& policy) {
    const std::string at = "linux.memoryPolicy";
    if (policy.mode.empty() && policy.nodes.empty() && policy.flags.empty()) return;
    if (!value_of(sys::memory_policy_modes, policy.mode))
        throw Invalid(at + ".mode", format("invalid memory policy mode \"{}\"", policy.mode));
    for (std::size_t place = 0; place < policy.flags.size(); ++place)
        if (!value_of(sys::memory_policy_flags, policy.flags[place]))
            throw Invalid(format("{}.flags[{}]", at, place),
                          format("invalid memory policy flag \"{}\"", policy.flags[place]));
    if (!policy.nodes.empty() && !is_number_list(policy.nodes))
        throw Invalid(at + ".nodes",
                      format("invalid memory policy nodes \"{}\", expected a list such as \"0-3,7\"", policy.nodes));
}

/// Without a mount namespace of its own the container would cover paths of its host.
void check_covered_paths(const Linux& linux) {
    if ((!linux.masked_paths.empty() || !linux.readonly_paths.empty()) && !find_namespace(linux, NamespaceType::mount))
        throw Invalid(linux.masked_paths.empty() ? "linux.readonlyPaths" : "linux.maskedPaths",
                      "unable to restrict sys entries without a private MNT namespace");
}

void check_paths(const std::vector<std::string>& paths, std::string_view at) {
    for (std::size_t place = 0; place < paths.size(); ++place)
        require_absolute(paths[place], format("{}[{}]", at, place));
}

}  // namespace

void check_mappings(const std::vector<IdMapping>& mappings, const std::string& at) {
    constexpr std::size_t most = 340;  // UID_GID_MAP_MAX_EXTENTS since Linux 4.15.
    const auto overlap = [](std::uint64_t one, std::uint64_t one_size, std::uint64_t other, std::uint64_t other_size) {
        return one < other + other_size && other < one + one_size;
    };
    if (mappings.size() > most)
        throw Invalid(at, format("expected at most {} mappings, got {}", most, mappings.size()));
    for (std::size_t place = 0; place < mappings.size(); ++place) {
        const auto& [container, host, size] = mappings[place];
        const std::string here = format("{}[{}]", at, place);
        if (size == 0) throw Invalid(here + ".size", "expected at least 1, got 0");
        if (std::uint64_t{container} + size > std::uint64_t{1} << 32 || std::uint64_t{host} + size > std::uint64_t{1}
                                                                                                         << 32)
            throw Invalid(here, format("expected ids below 4294967296, got {} + {}", std::max(container, host), size));
        for (std::size_t before = 0; before < place; ++before) {
            const auto& other = mappings[before];
            if (overlap(container, size, other.container_id, other.size) ||
                overlap(host, size, other.host_id, other.size))
                throw Invalid(here, format("overlaps with {}[{}]", at, before));
        }
    }
}

void check_linux(const Linux& linux) {
    check_namespaces(linux);
    check_user_namespace(linux);
    check_time_offsets(linux);
    check_devices(linux.devices);
    check_net_devices(linux);
    require_one_line(linux.cgroups_path, "linux.cgroupsPath");
    if (linux.resources) check_resources(*linux.resources, "linux.resources");
    if (linux.intel_rdt) check_intel_rdt(*linux.intel_rdt);
    if (linux.memory_policy) check_memory_policy(*linux.memory_policy);
    check_sysctl(linux);
    if (linux.seccomp) check_seccomp(*linux.seccomp, "linux.seccomp");
    if (!linux.rootfs_propagation.empty() && propagation_flags(linux.rootfs_propagation) == 0)
        throw Invalid("linux.rootfsPropagation",
                      format("rootfsPropagation={} is not supported", linux.rootfs_propagation));
    check_covered_paths(linux);
    check_paths(linux.masked_paths, "linux.maskedPaths");
    check_paths(linux.readonly_paths, "linux.readonlyPaths");
    require_one_line(linux.mount_label, "linux.mountLabel");
    if (linux.personality && !value_of(personality_domains, linux.personality->domain))
        throw Invalid("linux.personality.domain", format("expected one of {}, got \"{}\"",
                                                         names_in(personality_domains), linux.personality->domain));
}

}  // namespace gpurun::spec
