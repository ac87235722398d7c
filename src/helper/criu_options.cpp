#include "helper/criu_options.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sched.h>

#include <cerrno>
#include <fstream>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::helper {
namespace {

/// The values that follow an option's name.
using Values = const std::string*;

char* text_of(const std::string& value) { return const_cast<char*>(value.c_str()); }

int number_of(const std::string& value) {
    const auto number = parse_number<int>(value);
    if (!number) throw Error(format("criu: \"{}\" is not a number", value));
    return *number;
}

int open_directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) throw Error(errno, "open " + path);
    return fd;
}

template <auto Has, auto Member>
void flag(CriuCall& call, Values) {
    call.opts.*Has = 1;
    call.opts.*Member = 1;
}

template <auto Member>
void text(CriuCall& call, Values values) {
    call.opts.*Member = text_of(values[0]);
}

void images(CriuCall& call, Values values) {
    call.opts.images_dir_fd = open_directory(values[0]);
    if (call.log_directory.empty()) call.log_directory = values[0];
}

void work(CriuCall& call, Values values) {
    call.opts.has_work_dir_fd = 1;
    call.opts.work_dir_fd = open_directory(values[0]);
    call.log_directory = values[0];
}

void pid(CriuCall& call, Values values) {
    call.opts.has_pid = 1;
    call.opts.pid = number_of(values[0]);
}

void mount(CriuCall& call, Values values) {
    ExtMountMap map = EXT_MOUNT_MAP__INIT;
    map.key = text_of(values[0]);
    map.val = text_of(values[1]);
    call.mount_pointers.push_back(&call.mounts.emplace_back(map));
}

void inherit(CriuCall& call, int fd, const std::string& key) {
    InheritFd inherited = INHERIT_FD__INIT;
    inherited.fd = fd;
    inherited.key = text_of(key);
    call.inherited_pointers.push_back(&call.inherited.emplace_back(inherited));
}

void inherit_fd(CriuCall& call, Values values) { inherit(call, number_of(values[0]), values[1]); }

// Without O_CLOEXEC: CRIU inherits it under this number.
void inherit_namespace(CriuCall& call, Values values) {
    const int fd = ::open(values[0].c_str(), O_RDONLY);
    if (fd < 0) throw Error(errno, "namespace path " + values[0]);
    inherit(call, fd, values[1]);
}

void join_namespace(CriuCall& call, Values values) {
    JoinNamespace joined = JOIN_NAMESPACE__INIT;
    joined.ns = text_of(values[0]);
    joined.ns_file = text_of(values[1]);
    call.joined_pointers.push_back(&call.joined.emplace_back(joined));
}

void external(CriuCall& call, Values values) { call.external_pointers.push_back(text_of(values[0])); }

void page_server(CriuCall& call, Values values) {
    call.page_server.address = text_of(values[0]);
    call.page_server.has_port = 1;
    call.page_server.port = number_of(values[1]);
    call.opts.ps = &call.page_server;
}

void empty_network(CriuCall& call, Values) {
    call.opts.has_empty_ns = 1;
    call.opts.empty_ns = CLONE_NEWNET;
}

void manage_cgroups(CriuCall& call, Values values) {
    constexpr Name<CriuCgMode> modes[] = {{"ignore", CRIU_CG_MODE__IGNORE},
                                          {"soft", CRIU_CG_MODE__SOFT},
                                          {"full", CRIU_CG_MODE__FULL},
                                          {"strict", CRIU_CG_MODE__STRICT}};
    const auto mode = value_of(modes, values[0]);
    if (!mode) throw Error(format("criu: unknown cgroups mode {}", values[0]));
    call.opts.has_manage_cgroups = call.opts.has_manage_cgroups_mode = 1;
    call.opts.manage_cgroups = 1;
    call.opts.manage_cgroups_mode = *mode;
}

void network_lock(CriuCall& call, Values values) {
    // "skip" is CRIU 3.19's; the message of an older libcriu has no name for it.
    constexpr Name<int> methods[] = {{"iptables", 1}, {"nftables", 2}, {"skip", 3}};
    const auto method = value_of(methods, values[0]);
    if (!method) throw Error(format("criu: unknown network lock {}", values[0]));
    call.opts.has_network_lock = 1;
    call.opts.network_lock = static_cast<CriuNetworkLockMethod>(*method);
}

// This process is in the container's cgroup already: where CRIU shall put what it restores.
void cgroup_roots(CriuCall& call, Values) {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto parts = split(line, ':');
        if (parts.size() < 3) continue;
        const std::size_t path_at = parts[0].size() + parts[1].size() + 2;
        CgroupRoot root = CGROUP_ROOT__INIT;
        root.ctrl = text_of(call.texts.emplace_back(parts[1]));
        root.path = text_of(call.texts.emplace_back(line.substr(path_at)));
        call.cgroup_root_pointers.push_back(&call.cgroup_roots.emplace_back(root));
    }
}

void needs(CriuCall& call, Values values) { call.requirements.push_back({number_of(values[0]), values[1]}); }

void needs_memory_tracking(CriuCall& call, Values) {
    call.asks_features = true;
    call.features.has_mem_track = call.features.mem_track = 1;
}

void needs_lazy_pages(CriuCall& call, Values) {
    call.asks_features = true;
    call.features.has_lazy_pages = call.features.lazy_pages = 1;
}

void no_new_privileges(CriuCall& call, Values) { call.no_new_privileges = true; }

void program(CriuCall& call, Values values) { call.program = values[0]; }

struct Option {
    std::string_view name;
    std::size_t values;
    void (*set)(CriuCall& call, Values values);
};

constexpr Option options[] = {
    {"program", 1, program},
    {"images", 1, images},
    {"work", 1, work},
    {"parent-images", 1, text<&CriuOpts::parent_img>},
    {"log-file", 1, text<&CriuOpts::log_file>},
    {"config-file", 1, text<&CriuOpts::config_file>},
    {"root", 1, text<&CriuOpts::root>},
    {"freeze-cgroup", 1, text<&CriuOpts::freeze_cgroup>},
    {"lsm-profile", 1, text<&CriuOpts::lsm_profile>},
    {"lsm-mount-context", 1, text<&CriuOpts::lsm_mount_context>},
    {"pid", 1, pid},
    {"leave-running", 0, flag<&CriuOpts::has_leave_running, &CriuOpts::leave_running>},
    {"tcp-established", 0, flag<&CriuOpts::has_tcp_established, &CriuOpts::tcp_established>},
    {"tcp-skip-in-flight", 0, flag<&CriuOpts::has_tcp_skip_in_flight, &CriuOpts::tcp_skip_in_flight>},
    {"tcp-close", 0, flag<&CriuOpts::has_tcp_close, &CriuOpts::tcp_close>},
    {"ext-unix-sk", 0, flag<&CriuOpts::has_ext_unix_sk, &CriuOpts::ext_unix_sk>},
    {"shell-job", 0, flag<&CriuOpts::has_shell_job, &CriuOpts::shell_job>},
    {"file-locks", 0, flag<&CriuOpts::has_file_locks, &CriuOpts::file_locks>},
    {"link-remap", 0, flag<&CriuOpts::has_link_remap, &CriuOpts::link_remap>},
    {"auto-dedup", 0, flag<&CriuOpts::has_auto_dedup, &CriuOpts::auto_dedup>},
    {"lazy-pages", 0, flag<&CriuOpts::has_lazy_pages, &CriuOpts::lazy_pages>},
    {"track-memory", 0, flag<&CriuOpts::has_track_mem, &CriuOpts::track_mem>},
    {"evasive-devices", 0, flag<&CriuOpts::has_evasive_devices, &CriuOpts::evasive_devices>},
    {"no-new-privileges", 0, no_new_privileges},
    {"restore-sibling", 0, flag<&CriuOpts::has_rst_sibling, &CriuOpts::rst_sibling>},
    {"mount", 2, mount},
    {"external", 1, external},
    {"inherit-fd", 2, inherit_fd},
    {"inherit-namespace", 2, inherit_namespace},
    {"join-namespace", 2, join_namespace},
    {"page-server", 2, page_server},
    {"empty-network", 0, empty_network},
    {"manage-cgroups", 1, manage_cgroups},
    {"cgroup-roots", 0, cgroup_roots},
    {"network-lock", 1, network_lock},
    {"needs", 2, needs},
    {"needs-memory-tracking", 0, needs_memory_tracking},
    {"needs-lazy-pages", 0, needs_lazy_pages},
};

}  // namespace

void read_criu_options(const std::vector<std::string>& words, CriuCall& call) {
    for (std::size_t at = 0; at < words.size();) {
        const Option* found = nullptr;
        for (const auto& option : options)
            if (option.name == words[at]) found = &option;
        if (found == nullptr || words.size() - at - 1 < found->values)
            throw Error(format("criu: unknown option {}, or too few values for it", words[at]));
        found->set(call, words.data() + at + 1);
        at += 1 + found->values;
    }
    auto& opts = call.opts;
    constexpr int everything = 4;  // Debug: engines copy the log for those who look for the reason.
    opts.has_log_level = opts.has_notify_scripts = opts.has_orphan_pts_master = 1;
    opts.log_level = everything;
    opts.notify_scripts = opts.orphan_pts_master = 1;
    opts.ext_mnt = call.mount_pointers.data(), opts.n_ext_mnt = call.mount_pointers.size();
    opts.cg_root = call.cgroup_root_pointers.data(), opts.n_cg_root = call.cgroup_root_pointers.size();
    opts.inherit_fd = call.inherited_pointers.data(), opts.n_inherit_fd = call.inherited_pointers.size();
    opts.join_ns = call.joined_pointers.data(), opts.n_join_ns = call.joined_pointers.size();
    opts.external = call.external_pointers.data(), opts.n_external = call.external_pointers.size();
}

}  // namespace gpurun::helper
