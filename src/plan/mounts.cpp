#include "plan/mounts.h"

#include <gpurun/error.h>
#include <sys/mount.h>

#include <algorithm>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::plan {
namespace {

// config-linux.md#default-devices
constexpr struct {
    const char* path;
    std::int64_t major, minor;
} default_devices[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5},   {"/dev/full", 1, 7},
                       {"/dev/tty", 5, 0},  {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}};

// runtime-linux.md#dev-symbolic-links
constexpr struct {
    const char *path, *target;
} default_links[] = {{"/dev/fd", "/proc/self/fd"},
                     {"/dev/stdin", "/proc/self/fd/0"},
                     {"/dev/stdout", "/proc/self/fd/1"},
                     {"/dev/stderr", "/proc/self/fd/2"},
                     {"/dev/ptmx", "pts/ptmx"}};

bool takes_label(const std::string& type) {
    return type != "proc" && type != "sysfs" && type != "mqueue" && type != "cgroup" && type != "cgroup2";
}

bool is_readonly(const spec::MountOptions& options) { return (options.flags & MS_RDONLY) != 0; }

// Content comes after the mount: devices into /dev, mount points into the tmpfs of v1 cgroups.
bool is_filled_later(const spec::Mount& mount, const spec::MountOptions& options) {
    return options.bind == spec::Bind::none && is_readonly(options) && mount.type == "tmpfs";
}

bool is_cgroup(const spec::Mount& mount) { return mount.type == "cgroup" || mount.type == "cgroup2"; }

// sysfs and network file systems keep the network namespace they are mounted in; these know none.
constexpr std::string_view without_network[] = {"proc", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"};

bool may_show_network(const spec::Mount& mount) {
    return spec::parse_mount_options(mount).bind == spec::Bind::none &&
           std::find(std::begin(without_network), std::end(without_network), mount.type) == std::end(without_network);
}

// crun's "@": the host side of the mapping is an id of the container.
std::vector<spec::IdMapping> resolve(const std::vector<spec::OptionMapping>& wanted,
                                     const std::vector<spec::IdMapping>& container) {
    std::vector<spec::IdMapping> mappings;
    for (auto [mapping, is_relative] : wanted) {
        for (const auto& known : container)
            if (is_relative && mapping.host_id >= known.container_id &&
                mapping.host_id - known.container_id < known.size) {
                mapping.host_id = known.host_id + (mapping.host_id - known.container_id);
                break;
            }
        mappings.push_back(mapping);
    }
    return mappings;
}

void set_mappings(step::Mount& made, const spec::Linux& linux) {
    if (!made.options.id_map_mappings.empty()) {
        const auto [uids, gids] = spec::parse_id_map(made.options.id_map_mappings);
        made.uids = resolve(uids, linux.uid_mappings);
        made.gids = resolve(gids, linux.gid_mappings);
        return;
    }
    const bool own = !made.mount.uid_mappings.empty();
    made.uids = own ? made.mount.uid_mappings : linux.uid_mappings;
    made.gids = own ? made.mount.gid_mappings : linux.gid_mappings;
}

// mount(8): which of SELinux's mount options carries the label; crun's annotation.
constexpr std::string_view context_types[] = {"context", "fscontext", "defcontext", "rootcontext"};

std::string label_option(const spec::Spec& spec) {
    if (spec.linux->mount_label.empty()) return {};
    std::string type = "context";
    if (const auto wanted = spec.annotations.find("run.oci.mount_context_type"); wanted != spec.annotations.end())
        type = wanted->second;
    if (std::find(std::begin(context_types), std::end(context_types), type) == std::end(context_types))
        throw Error(
            format("annotation run.oci.mount_context_type: expected context, fscontext, defcontext or "
                   "rootcontext, got \"{}\"",
                   type));
    return format("{}=\"{}\"", type, spec.linux->mount_label);
}

void add_mount(std::vector<Step>& lane, const spec::Mount& mount, const spec::Spec& spec, const Host& host) {
    const auto options = spec::parse_mount_options(mount);
    const auto& linux = *spec.linux;
    if (is_cgroup(mount) && options.bind == spec::Bind::none) {
        lane.push_back(
            step::MountCgroup{.target = mount.destination,
                              .options = options,
                              .own_namespace = spec::find_namespace(linux, spec::NamespaceType::cgroup) != nullptr});
        return;
    }
    step::Mount made{.mount = mount, .options = options};
    if (host.lsm == security::Lsm::selinux && options.bind == spec::Bind::none) {
        if (takes_label(mount.type)) made.label = label_option(spec);
        if (mount.type == "mqueue") made.root_label = linux.mount_label;
    }
    made.late_readonly = is_filled_later(mount, options);
    if (options.id_map != spec::IdMap::none || !mount.uid_mappings.empty()) {
        set_mappings(made, linux);
        made.mapped_by_host = spec::find_namespace(linux, spec::NamespaceType::user) != nullptr;
    }
    // Root of a user namespace may bind, too: an engine without root, whose container has a namespace of its own below.
    const bool may_bind = !host.rootless || !host.privileged_namespace;
    made.opened_by_host = !made.mapped_by_host && may_bind && options.bind != spec::Bind::none && !options.remount &&
                          !options.source_nofollow && !options.copy_symlink &&
                          spec::find_namespace(linux, spec::NamespaceType::user) != nullptr;
    lane.push_back(std::move(made));
}

void add_devices(std::vector<Step>& lane, const spec::Spec& spec, const Host& host) {
    const bool bind = host.rootless || !host.privileged_namespace ||
                      (spec.linux && spec::find_namespace(*spec.linux, spec::NamespaceType::user) != nullptr);
    const auto configured = [&](const std::string& path) {
        for (const auto& device : spec.linux->devices)
            if (clean_path(device.path) == path) return true;
        return false;
    };
    for (const auto& [path, major, minor] : default_devices)
        if (!configured(path))
            lane.push_back(step::MakeDevice{
                .device = {.type = "c", .path = path, .major = major, .minor = minor, .file_mode = 0666},
                .bind = bind});
    for (const auto& device : spec.linux->devices)
        lane.push_back(step::MakeDevice{.device = device, .bind = bind && device.type != "p"});
    for (const auto& [path, target] : default_links) lane.push_back(step::MakeLink{path, target});
}

}  // namespace

bool fills_dev(const spec::Spec& spec) {
    for (const auto& mount : spec.mounts)
        if (clean_path(mount.destination) == "/dev" && spec::parse_mount_options(mount).bind != spec::Bind::none)
            return false;
    return true;
}

void add_root_and_mounts(std::vector<Step>& lane, const spec::Spec& spec, const Host& host, const Options& options,
                         bool network_ahead) {
    std::string root = spec.root->path;
    if (!root.starts_with('/')) root = options.bundle + "/" + root;
    const unsigned long propagation = spec::propagation_flags(spec.linux->rootfs_propagation);
    lane.push_back(
        step::PrepareRoot{.path = clean_path(root),
                          .propagation = propagation != 0 ? propagation : MS_SLAVE | MS_REC,
                          .shares_mounts = spec::find_namespace(*spec.linux, spec::NamespaceType::mount) == nullptr});
    for (const auto& mount : spec.mounts) {
        spec::Mount absolute = mount;
        absolute.destination = clean_path(mount.destination);
        if (spec::parse_mount_options(mount).bind != spec::Bind::none && !absolute.source.starts_with('/'))
            absolute.source = options.bundle + "/" + absolute.source;
        if (network_ahead && may_show_network(absolute)) {
            lane.push_back(step::EnterNetwork{});
            network_ahead = false;
        }
        add_mount(lane, absolute, spec, host);
    }
    if (fills_dev(spec)) add_devices(lane, spec, host);
    if (network_ahead) lane.push_back(step::EnterNetwork{});
    if (spec.process && clean_path(spec.process->cwd) != "/")
        lane.push_back(step::MakeDirectory{clean_path(spec.process->cwd)});
}

void seal_root(std::vector<Step>& lane, const spec::Spec& spec, const Host& host) {
    const auto& linux = *spec.linux;
    for (const auto& [name, value] : linux.sysctl) lane.push_back(step::SetSysctl{name, value});
    for (const auto& mount : spec.mounts)
        if (is_filled_later(mount, spec::parse_mount_options(mount)))
            lane.push_back(step::MakeReadonly{.path = clean_path(mount.destination), .required = true});
    if (spec.root->readonly) lane.push_back(step::MakeReadonly{.path = "/", .required = true});
    for (const auto& path : linux.readonly_paths) lane.push_back(step::MakeReadonly{.path = clean_path(path)});
    if (!linux.masked_paths.empty())
        lane.push_back(step::Mask{.paths = linux.masked_paths,
                                  .label = host.lsm == security::Lsm::selinux ? linux.mount_label : std::string()});
}

}  // namespace gpurun::plan
