#include <gpurun/error.h>
#include <gpurun/plan.h>
#include <linux/mount.h>
#include <sched.h>

#include <algorithm>

#include "base/text.h"
#include "plan/mounts.h"
#include "plan/process.h"

namespace gpurun::plan {
namespace {

using spec::NamespaceType;

/// Namespaces of the config, sorted by how the container process gets into them.
struct Namespaces {
    std::uint64_t cloned = 0;    // new, by clone3
    std::uint64_t unshared = 0;  // new, by unshare in the container process
    std::vector<spec::Namespace> by_path;
    std::vector<NamespaceType> joined;
    bool joins_user = false, joins_pid = false;
    bool network_ahead = false;  // made by the host's lane beside the process
    bool has(NamespaceType type) const {
        return (cloned & spec::clone_flag(type)) != 0 || (unshared & spec::clone_flag(type)) != 0;
    }
};

Namespaces sort_namespaces(const spec::Linux& linux) {
    Namespaces sorted;
    for (const auto& ns : linux.namespaces) {
        if (!ns.path.empty()) {
            sorted.by_path.push_back(ns);
            if (ns.type == NamespaceType::user)
                sorted.joins_user = true;
            else if (ns.type == NamespaceType::pid)
                sorted.joins_pid = true;
            else
                sorted.joined.push_back(ns.type);
            continue;
        }
        // The cgroup namespace's root is the cgroup of its maker: only after the child entered. Time offsets must
        // precede the first task.
        const bool later = ns.type == NamespaceType::cgroup || ns.type == NamespaceType::time;
        (later ? sorted.unshared : sorted.cloned) |= spec::clone_flag(ns.type);
    }
    // One that belongs to a user namespace is made in it.
    if ((sorted.cloned & CLONE_NEWNET) != 0 && (sorted.cloned & CLONE_NEWUSER) == 0 && !sorted.joins_user) {
        sorted.cloned &= ~static_cast<std::uint64_t>(CLONE_NEWNET);
        sorted.network_ahead = true;
    }
    return sorted;
}

spec::Resources resources_of(const spec::Spec& spec) { return spec.linux->resources.value_or(spec::Resources{}); }

void add_limits(std::vector<Step>& lane, const spec::Spec& spec, const Host& host, bool last) {
    auto writes = cgroup::translate(host.cgroup.layout, resources_of(spec));
    std::erase_if(writes, [last](const cgroup::Write& write) { return cgroup::comes_last(write) != last; });
    if (!writes.empty()) lane.push_back(step::LimitCgroup{std::move(writes)});
}

void add_cgroup(std::vector<Step>& lane, const spec::Spec& spec, const Host& host) {
    const auto resources = resources_of(spec);
    lane.push_back(step::CreateCgroup{.path = host.cgroup.path, .resources = resources});
    lane.push_back(step::LimitDevices{cgroup::device_rules(resources.devices)});
    add_limits(lane, spec, host, false);
}

bool idles(const spec::Spec& spec) {
    if (!spec.linux->resources) return false;
    const auto& cpu = spec.linux->resources->cpu;
    const auto& unified = spec.linux->resources->unified;
    const auto idle = unified.find("cpu.idle");
    return (cpu && cpu->idle == 1) || (idle != unified.end() && idle->second == "1");
}

std::optional<std::uint32_t> id_on_host(const std::vector<spec::IdMapping>& mappings, std::uint32_t id) {
    for (const auto& mapping : mappings)
        if (id >= mapping.container_id && id - mapping.container_id < mapping.size)
            return mapping.host_id + (id - mapping.container_id);
    return std::nullopt;
}

// The container's user as the host knows him; nothing where that takes another's user namespace, or is root anyway.
std::optional<std::uint32_t> user_on_host(const spec::Spec& spec) {
    const std::uint32_t uid = spec.process ? spec.process->user.uid : 0;
    const auto* user = spec::find_namespace(*spec.linux, NamespaceType::user);
    if (user == nullptr) return uid == 0 ? std::nullopt : std::optional(uid);
    return user->path.empty() ? id_on_host(spec.linux->uid_mappings, uid) : std::nullopt;
}

// Those whose owner the container knows.
std::vector<spec::Device> devices_made_by_host(const spec::Spec& spec, const Host& host) {
    const auto* user = spec::find_namespace(*spec.linux, NamespaceType::user);
    if (user == nullptr || !user->path.empty() || host.rootless || !host.privileged_namespace || !fills_dev(spec))
        return {};
    std::vector<spec::Device> devices;
    for (spec::Device device : spec.linux->devices) {
        const auto uid = id_on_host(spec.linux->uid_mappings, device.uid.value_or(0));
        const auto gid = id_on_host(spec.linux->gid_mappings, device.gid.value_or(0));
        if (device.type == "p" || !uid || !gid) continue;
        device.uid = uid;
        device.gid = gid;
        devices.push_back(std::move(device));
    }
    return devices;
}

// config-linux.md#cgroup-ownership: on cgroup2, with a new cgroup namespace and a mount that can be written.
bool owns_cgroup(const Host& host, const Namespaces& namespaces, const std::vector<Step>& container) {
    if (host.cgroup.layout != cgroup::Layout::v2 || !namespaces.has(NamespaceType::cgroup)) return false;
    return std::any_of(container.begin(), container.end(), [](const Step& step) {
        const auto* mount = std::get_if<step::MountCgroup>(&step);
        return mount != nullptr && clean_path(mount->target) == "/sys/fs/cgroup" &&
               (mount->options.attr_set & MOUNT_ATTR_RDONLY) == 0;
    });
}

bool has_runtime_hooks(const spec::Spec& spec) {
    return spec.hooks && (!spec.hooks->prestart.empty() || !spec.hooks->create_runtime.empty());
}

bool waits_for_host(const spec::Spec& spec) { return has_runtime_hooks(spec) || !spec.linux->net_devices.empty(); }

// Where no `start` comes first, the program could be executed before the host process has set these.
bool awaits_placing(const spec::Spec& spec, const Options& options) {
    return options.run && ((spec.process && spec.process->oom_score_adj) || spec.linux->intel_rdt);
}

std::vector<step::Mount> mounts_made_by_host(const std::vector<Step>& container) {
    std::vector<step::Mount> mounts;
    for (const auto& step : container)
        if (const auto* mount = std::get_if<step::Mount>(&step);
            mount != nullptr && (mount->mapped_by_host || mount->opened_by_host))
            mounts.push_back(*mount);
    return mounts;
}

std::vector<Step> host_lane(const spec::Spec& spec, const Host& host, const Options& options,
                            const Namespaces& namespaces, const std::vector<Step>& container) {
    std::vector<Step> lane;
    lane.reserve(16);
    const auto& linux = *spec.linux;
    if (namespaces.network_ahead) lane.push_back(step::MakeNetwork{});
    if (!namespaces.by_path.empty()) lane.push_back(step::OpenNamespaces{namespaces.by_path});
    if (options.has_cgroup) {
        add_cgroup(lane, spec, host);
        const auto owner = user_on_host(spec);
        if (owner && owns_cgroup(host, namespaces, container)) lane.push_back(step::OwnCgroup{*owner});
    }
    if (auto mapped = mounts_made_by_host(container); !mapped.empty())
        lane.push_back(step::MapMounts{std::move(mapped)});
    if (auto devices = devices_made_by_host(spec, host); !devices.empty())
        lane.push_back(step::PrepareDevices{std::move(devices)});
    const auto score = spec.process ? oom_score_of(*spec.process, host) : std::nullopt;
    const bool scored_by_launcher = host.rootless && namespaces.joins_user;
    lane.push_back(step::Clone{.namespaces = namespaces.cloned,
                               .joins_user = namespaces.joins_user,
                               .joins_pid = namespaces.joins_pid,
                               .into_cgroup = options.has_cgroup,
                               .oom_score = scored_by_launcher ? score : std::nullopt});
    // Before the ids are mapped: once the process changes its user its /proc entry is root's.
    if (score && !scored_by_launcher) lane.push_back(*score);
    if (namespaces.network_ahead) lane.push_back(step::HandOverNetwork{});
    if ((namespaces.cloned & CLONE_NEWUSER) != 0) {
        lane.push_back(step::MapIds{.uids = linux.uid_mappings, .gids = linux.gid_mappings, .rootless = host.rootless});
        lane.push_back(step::Pass{Barrier::id_maps});
    }
    if (linux.intel_rdt) lane.push_back(step::JoinResctrl{*linux.intel_rdt});
    if (waits_for_host(spec)) {
        lane.push_back(step::Await{Barrier::prepared});
        if (!linux.net_devices.empty()) lane.push_back(step::MoveNetDevices{linux.net_devices});
        if (spec.hooks && !spec.hooks->prestart.empty())
            lane.push_back(step::RunHooks{HookKind::prestart, spec.hooks->prestart, spec::Status::created});
        if (spec.hooks && !spec.hooks->create_runtime.empty())
            lane.push_back(step::RunHooks{HookKind::create_runtime, spec.hooks->create_runtime, spec::Status::created});
        lane.push_back(step::Pass{Barrier::hooked});
    }
    const bool idle = options.has_cgroup && idles(spec);
    if (awaits_placing(spec, options) && !idle) lane.push_back(step::Pass{Barrier::placed});
    lane.push_back(step::Await{Barrier::ready});
    if (idle) {
        add_limits(lane, spec, host, true);
        if (options.run) lane.push_back(step::Pass{Barrier::placed});
    }
    if (!options.pidfd_socket.empty()) lane.push_back(step::SendPidfd{options.pidfd_socket});
    if (!options.pid_file.empty()) lane.push_back(step::WritePidFile{options.pid_file});
    return lane;
}

void add_namespaces(std::vector<Step>& lane, const spec::Spec& spec, const Host& host, const Options& options,
                    const Namespaces& namespaces) {
    if ((namespaces.cloned & CLONE_NEWUSER) != 0) lane.push_back(step::Await{Barrier::id_maps});
    if (options.has_cgroup) lane.push_back(step::EnterCgroup{});
    // The caller's affinity is not the container's: what its cpuset allows is.
    lane.push_back(step::SetCpuAffinity{});
    if (!namespaces.joined.empty()) lane.push_back(step::JoinNamespaces{namespaces.joined});
    if (namespaces.unshared != 0) lane.push_back(step::Unshare{namespaces.unshared});
    if (!spec.linux->time_offsets.empty()) lane.push_back(step::SetTimeOffsets{spec.linux->time_offsets});
    if ((namespaces.cloned & CLONE_NEWUSER) != 0 || namespaces.joins_user) lane.push_back(root_of(spec));
    if (namespaces.has(NamespaceType::network)) lane.push_back(step::RaiseLoopback{});
    if (!options.no_new_keyring)
        lane.push_back(step::JoinKeyring{
            .name = "_ses." + options.id,
            .label = spec.process && host.lsm == security::Lsm::selinux ? spec.process->selinux_label : ""});
}

std::vector<Step> container_lane(const spec::Spec& spec, const Host& host, const Options& options,
                                 const Namespaces& namespaces, const gpu::RootfsEdits& edits) {
    std::vector<Step> lane;
    lane.reserve(64 + spec.mounts.size() + spec.linux->devices.size());
    add_namespaces(lane, spec, host, options, namespaces);
    add_root_and_mounts(lane, spec, host, options, namespaces.network_ahead);
    const bool terminal = spec.process && spec.process->terminal;
    if (terminal) lane.push_back(step::OpenTerminal{.size = spec.process->console_size, .console = fills_dev(spec)});
    if (!edits.empty()) lane.push_back(step::EditRootfs{.edits = edits, .read_only = spec.root->readonly});
    if (waits_for_host(spec)) {
        lane.push_back(step::Pass{Barrier::prepared});
        lane.push_back(step::Await{Barrier::hooked});
    }
    if (spec.hooks && !spec.hooks->create_container.empty())
        lane.push_back(step::RunHooks{HookKind::create_container, spec.hooks->create_container, spec::Status::created});
    seal_root(lane, spec, host);
    const bool shares_mounts = spec::find_namespace(*spec.linux, NamespaceType::mount) == nullptr;
    lane.push_back(step::ChangeRoot{shares_mounts      ? step::RootChange::chroot
                                    : options.no_pivot ? step::RootChange::move
                                                       : step::RootChange::pivot});
    if (const auto propagation = spec::propagation_flags(spec.linux->rootfs_propagation);
        propagation != 0 && !shares_mounts)
        lane.push_back(step::SetRootPropagation{propagation});
    if (!spec.hostname.empty()) lane.push_back(step::SetHostname{spec.hostname});
    if (!spec.domainname.empty()) lane.push_back(step::SetDomainname{spec.domainname});
    if (terminal) lane.push_back(step::TakeTerminal{});
    const bool idle = options.has_cgroup && idles(spec);
    if (awaits_placing(spec, options) && !idle) lane.push_back(step::Await{Barrier::placed});
    if (spec.process) add_process(lane, spec, *spec.process, host, options.preserved_fds);
    lane.push_back(step::Pass{Barrier::ready});
    if (options.run && idle) lane.push_back(step::Await{Barrier::placed});
    if (!options.run) lane.push_back(step::Await{Barrier::start});
    if (spec.process) add_seccomp(lane, spec, *spec.process, options.filter);
    if (spec.hooks && !spec.hooks->start_container.empty())
        lane.push_back(step::RunHooks{HookKind::start_container, spec.hooks->start_container, spec::Status::created});
    if (spec.process) lane.push_back(step::Exec{spec.process->args});
    return lane;
}

}  // namespace

bool makes_network(const spec::Linux& linux) { return sort_namespaces(linux).network_ahead; }

Plan build_create(const spec::Spec& spec, const Host& host, const Options& options, const gpu::RootfsEdits& edits) {
    const auto namespaces = sort_namespaces(*spec.linux);
    auto container = container_lane(spec, host, options, namespaces, edits);
    auto host_steps = host_lane(spec, host, options, namespaces, container);
    return Plan{.host = std::move(host_steps), .container = std::move(container)};
}

}  // namespace gpurun::plan
