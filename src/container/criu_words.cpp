#include "container/criu_words.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::container {
namespace {

using spec::NamespaceType;

constexpr const char* oldest = "31500";  // CRIU 3.15: status-ready, external pid namespaces, cgroup v2's freezer.

void add(std::vector<std::string>& words, std::initializer_list<std::string> more) {
    words.insert(words.end(), more.begin(), more.end());
}

// CRIU's own configuration files come before the options given here, this one after them.
std::string config_file(const spec::Spec& spec) {
    const auto annotation = spec.annotations.find("org.criu.config");
    if (annotation != spec.annotations.end()) return annotation->second;
    constexpr const char* own = "/etc/criu/gpurun.conf";
    return sys::exists(own) ? own : "/etc/criu/runc.conf";
}

std::vector<std::string> common_words(const CriuOptions& options, const spec::Spec& spec, const std::string& program,
                                      const char* verb, const char* log_file) {
    std::vector<std::string> words;
    add(words, {"program", program, "needs", oldest, verb, "images", options.image_path});
    if (!options.work_path.empty()) add(words, {"work", options.work_path});
    add(words, {"log-file", log_file, "manage-cgroups", options.cgroups_mode});
    if (const std::string file = config_file(spec); !file.empty()) add(words, {"config-file", file});
    if (options.tcp_established) add(words, {"tcp-established"});
    if (options.ext_unix_sk) add(words, {"ext-unix-sk"});
    if (options.shell_job) add(words, {"shell-job"});
    if (options.file_locks) add(words, {"file-locks"});
    if (options.auto_dedup) add(words, {"auto-dedup"});
    if (options.empty_network) add(words, {"empty-network"});
    if (options.lazy_pages) add(words, {"needs-lazy-pages", "lazy-pages"});
    if (!options.network_lock.empty()) add(words, {"network-lock", options.network_lock});
    if (options.network_lock == "nftables" || options.network_lock == "iptables")
        add(words, {"needs", "31700", "--network-lock"});
    if (options.network_lock == "skip") add(words, {"needs", "31900", "--network-lock skip"});
    return words;
}

bool is_outer_file(const std::string& descriptor) { return descriptor.starts_with("file["); }

bool is_cgroup(const sys::MountEntry& entry) { return entry.type == "cgroup" || entry.type == "cgroup2"; }

// CRIU makes a mount from another one of the same file system that shows all of it.
bool has_source_inside(const sys::MountEntry& entry, const std::vector<sys::MountEntry>& mounts) {
    return std::any_of(mounts.begin(), mounts.end(), [&entry](const sys::MountEntry& other) {
        return &other != &entry && other.device == entry.device && other.root != entry.root &&
               sys::is_below_or_at(entry.root, other.root);
    });
}

bool is_hosts(const sys::MountEntry& entry, const std::vector<sys::MountEntry>& host_mounts) {
    return std::any_of(host_mounts.begin(), host_mounts.end(), [&entry](const sys::MountEntry& other) {
        return other.device == entry.device && other.root == entry.root;
    });
}

/// Decides which mounts CRIU must leave to whoever restores.
class MountSorter {
 public:
    MountSorter(const spec::Spec& spec, const DumpFacts& facts) : facts_(facts) {
        own_cgroups_ = spec::find_namespace(*spec.linux, NamespaceType::cgroup) != nullptr;
        masked_.insert(spec.linux->masked_paths.begin(), spec.linux->masked_paths.end());
        for (const auto& entry : facts.mounts)
            if (facts.config_binds.contains(entry.id)) bind_points_.push_back(entry.point);
    }

    /// What the mount is called in the images; empty: CRIU restores it by itself.
    std::string external_name(const sys::MountEntry& entry) const {
        if (entry.point == "/") return {};
        if (facts_.config_binds.contains(entry.id)) return entry.point;
        if (is_cgroup(entry)) return own_cgroups_ ? std::string() : entry.point;
        if (below_a_bind(entry.point) && is_hosts(entry, facts_.host_mounts)) return entry.point;
        if (entry.root == "/" || has_source_inside(entry, facts_.mounts)) return {};
        return masked_.contains(entry.point) ? "/dev/null" : entry.point;
    }

 private:
    bool below_a_bind(const std::string& point) const {
        return std::any_of(bind_points_.begin(), bind_points_.end(),
                           [&point](const std::string& bind) { return sys::is_below_or_at(point, bind); });
    }

    const DumpFacts& facts_;
    bool own_cgroups_ = false;
    std::set<std::string> masked_;
    std::vector<std::string> bind_points_;
};

void add_mounts(std::vector<std::string>& words, const spec::Spec& spec, const DumpFacts& facts) {
    const MountSorter sorter(spec, facts);
    for (const auto& entry : facts.mounts) {
        const auto options = split(entry.options, ',');
        if (std::find(options.begin(), options.end(), "idmapped") != options.end())
            throw Error(format("the mount at {} is idmapped, which CRIU can't restore", entry.point));
        if (std::string name = sorter.external_name(entry); !name.empty()) add(words, {"mount", entry.point, name});
    }
}

void add_namespaces(std::vector<std::string>& words, const spec::Spec& spec) {
    for (const auto& ns : spec.linux->namespaces) {
        if (ns.path.empty()) continue;
        switch (ns.type) {
            case NamespaceType::network:
            case NamespaceType::pid: add(words, {"inherit-namespace", ns.path, external_namespace_key(ns.type)}); break;
            case NamespaceType::ipc:
            case NamespaceType::uts:
            case NamespaceType::user:
            case NamespaceType::time:
                if (ns.type == NamespaceType::time) add(words, {"needs", "31601", "joining a time namespace"});
                add(words, {"join-namespace", spec::proc_name(ns.type), ns.path});
                break;
            case NamespaceType::mount:
            case NamespaceType::cgroup:
                throw Error(format("linux.namespaces: CRIU can't restore a container into the {} namespace {}",
                                   spec::spec_name(ns.type), ns.path));
        }
    }
}

}  // namespace

std::string external_namespace_key(NamespaceType type) {
    return type == NamespaceType::pid ? "extRootPidNS" : "extRootNetNS";
}

engine::CriuRequest dump_request(const CheckpointOptions& options, const spec::Spec& spec, const DumpFacts& facts,
                                 const std::string& program) {
    auto words = common_words(options.criu, spec, program, "checkpoint", "dump.log");
    add(words, {"pid", std::to_string(facts.pid), "root", facts.rootfs});
    if (options.leave_running) add(words, {"leave-running"});
    if (options.tcp_skip_in_flight) add(words, {"tcp-skip-in-flight"});
    if (options.link_remap) add(words, {"link-remap"});
    if (!facts.freeze_cgroup.empty()) add(words, {"freeze-cgroup", facts.freeze_cgroup});
    if (options.page_server_port != 0)
        add(words, {"page-server", options.page_server_address, std::to_string(options.page_server_port)});
    if (!options.parent_path.empty()) add(words, {"parent-images", options.parent_path});
    if (options.pre_dump || !options.parent_path.empty()) add(words, {"needs-memory-tracking", "track-memory"});
    for (const auto& external : facts.external) add(words, {"external", external});
    for (const auto& descriptor : facts.descriptors)
        if (is_outer_file(descriptor)) add(words, {"external", descriptor});
    if (!options.pre_dump) add_mounts(words, spec, facts);
    return {.verb = options.pre_dump ? "pre-dump" : "dump", .words = std::move(words)};
}

engine::CriuRequest restore_request(const RestoreOptions& options, const spec::Spec& spec, const std::string& rootfs,
                                    const std::vector<std::string>& descriptors, const std::string& program) {
    auto words = common_words(options.criu, spec, program, "restore", "restore.log");
    add(words, {"root", rootfs, "restore-sibling", "evasive-devices", "cgroup-roots"});
    if (options.tcp_close) add(words, {"tcp-close"});
    if (spec.process && spec.process->no_new_privileges) add(words, {"no-new-privileges"});
    if (!options.lsm_profile.empty())
        add(words, {"needs", "31600", "--lsm-profile", "lsm-profile", options.lsm_profile});
    if (!options.lsm_mount_context.empty())
        add(words, {"needs", "31600", "--lsm-mount-context", "lsm-mount-context", options.lsm_mount_context});
    add_namespaces(words, spec);
    for (std::size_t i = 0; i < descriptors.size() && i < 3; ++i)
        if (descriptors[i].starts_with("pipe:") || is_outer_file(descriptors[i]))
            add(words, {"inherit-fd", std::to_string(i), descriptors[i]});
    return {.verb = "restore", .words = std::move(words)};
}

}  // namespace gpurun::container
