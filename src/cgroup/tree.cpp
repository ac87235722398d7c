#include "cgroup/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <gpurun/error.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/scope.h"
#include "base/text.h"
#include "cgroup/translate.h"
#include "sys/file.h"
#include "sys/process.h"

namespace gpurun::cgroup {
namespace {

constexpr int remove_attempts = 10;  // 1, 2, 4 … ms: about a second.

constexpr std::string_view how_to_delegate =
    "root can delegate controllers by writing \"[Service]\" and \"Delegate=cpu cpuset io memory pids\" to "
    "/etc/systemd/system/user@.service.d/delegate.conf and running \"systemctl daemon-reload\", then "
    "--systemd-cgroup has them";

constexpr std::string_view v1_delegates_nothing =
    "systemd delegates controllers to users on cgroup v2 alone, which \"systemd.unified_cgroup_hierarchy=1\" on the "
    "kernel's command line gives this machine";

std::vector<std::string> children(const std::string& path) {
    std::vector<std::string> names;
    DIR* stream = ::opendir(path.c_str());
    if (stream == nullptr) return names;
    const ScopeExit close([&] { ::closedir(stream); });
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

void add_processes(const std::string& path, std::vector<int>& pids) {
    auto text = sys::try_read_file(path + "/cgroup.procs");
    // A threaded cgroup of v2 lists no processes (EOPNOTSUPP); they are in the domain above it.
    if (!text) return;
    for (const auto line : split(*text, '\n')) {
        const auto pid = parse_number<int>(line);
        if (pid && *pid > 0) pids.push_back(*pid);
    }
}

std::string usage_note(const PlacedWrite& placed) {
    for (const char* file : {"/memory.usage_in_bytes", "/memory.current"})
        if (const auto usage = sys::try_read_file(placed.directory + file))
            return format(" (current usage: {})", trim(*usage));
    return {};
}

// A hierarchy of v1 has no list of its controllers.
bool has_controller(const std::string& directory, std::string_view name) {
    const auto list = sys::try_read_file(directory + "/cgroup.controllers");
    if (!list) return true;
    const auto names = words(*list);
    return std::find(names.begin(), names.end(), name) != names.end();
}

[[noreturn]] void fail_without_file(const PlacedWrite& placed) {
    const std::string controller = placed.file.substr(0, placed.file.find('.'));
    std::string why;
    if (has_controller(placed.directory, controller))
        why = format("no such file or directory, this kernel's controller {} does not know it", controller);
    else
        why = format("the requested cgroup controller `{}` is not available there{}{}", controller,
                     is_host_root() ? "" : "; ", is_host_root() ? std::string_view() : how_to_delegate);
    throw Error(format("cannot set {} to {}: {} has no such file, {}", placed.file, placed.write->value,
                       placed.directory, why));
}

[[noreturn]] void fail(const PlacedWrite& placed, int failure) {
    const Write& write = *placed.write;
    if (failure == ENOENT && sys::exists(placed.directory)) fail_without_file(placed);
    if (failure == EBUSY && write.controller == "memory")
        throw Error(failure, format("unable to set memory limit to {}{}", write.value, usage_note(placed)));
    throw Error(failure, format("write \"{}\" to {}/{}", write.value, placed.directory, placed.file));
}

void require_floor(const PlacedWrite& placed) {
    if (placed.write->floor.empty()) return;
    const auto text = sys::try_read_file(placed.directory + "/" + placed.write->floor);
    const auto usage = text ? parse_number<std::uint64_t>(trim(*text)) : std::nullopt;
    const auto limit = parse_number<std::uint64_t>(placed.write->value);
    if (usage && limit && *limit < *usage)
        throw Error(format("unable to set memory limit to {} (current usage: {}); checkBeforeUpdate forbids it", *limit,
                           *usage));
}

int try_write(const PlacedWrite& placed) {
    return sys::try_write_file_at(sys::FdRef(AT_FDCWD), format("{}/{}", placed.directory, placed.file),
                                  placed.write->value);
}

}  // namespace

bool is_host_root() { return ::geteuid() == 0 && sys::in_initial_user_namespace(); }

bool make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    if (errno != ENOENT) throw Error(errno, "mkdir " + path);
    const std::string parent(parent_of(path));
    if (parent.empty()) throw Error(ENOENT, "mkdir " + path);
    make_directory(parent);
    if (::mkdir(path.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    throw Error(errno, "mkdir " + path);
}

void require_empty(const std::string& path) {
    std::vector<int> pids;
    collect_processes(path, pids);
    if (!pids.empty())
        throw Error(EBUSY, format("container's cgroup is not empty: {} process(es) found in {}", pids.size(), path));
}

void remove_tree(const std::string& path) {
    for (int attempt = 0; attempt <= remove_attempts; ++attempt) {
        if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
        if (errno != EBUSY && errno != ENOTEMPTY) throw Error(errno, "rmdir " + path);
        if (attempt == 0)
            for (const auto& child : children(path)) remove_tree(path + "/" + child);
        else
            pause_for(1 << (attempt - 1));
    }
    std::vector<int> pids;
    collect_processes(path, pids);
    throw Error(EBUSY, format("rmdir {} ({} process(es) in it)", path, pids.size()));
}

void collect_processes(const std::string& path, std::vector<int>& pids) {
    add_processes(path, pids);
    for (const auto& child : children(path)) collect_processes(path + "/" + child, pids);
}

void signal_processes(const std::vector<int>& pids, int signal) {
    for (const int pid : pids)
        if (::kill(pid, signal) != 0 && errno != ESRCH)
            throw Error(errno, format("kill {} with signal {}", pid, signal));
}

void signal_frozen(Manager& manager, int signal) {
    constexpr int rounds = 10;
    const bool was_frozen = manager.is_frozen();
    for (int round = 0; round < rounds; ++round) {
        // Without a freezer (rootless v1) forks are chased in rounds instead.
        try {
            manager.freeze(Freeze::frozen);
        } catch (const Error&) {
        }
        const ScopeExit thaw([&] {
            if (was_frozen && signal != SIGKILL) return;
            try {
                manager.freeze(Freeze::thawed);
            } catch (const Error&) {
            }
        });
        const auto pids = manager.processes();
        if (pids.empty()) return;
        signal_processes(pids, signal);
        if (signal != SIGKILL) return;
        if (round > 0) pause_for(round);
    }
}

void carry_out(const std::vector<PlacedWrite>& writes) {
    struct Refused {
        const PlacedWrite* placed;
        int failure;
    };
    std::vector<Refused> refused;
    bool skip = false;
    for (const auto& placed : writes) require_floor(placed);
    for (const auto& placed : writes) {
        const Write& write = *placed.write;
        if (std::exchange(skip, false)) {
            skip = write.or_next;
            continue;
        }
        if (placed.directory.empty()) {
            if (write.optional) continue;
            throw Error(format("cannot set {}: the cgroup controller {} is not mounted on this machine", write.file,
                               write.controller));
        }
        const int failure = try_write(placed);
        if (failure == ENOENT && (write.optional || write.or_next)) continue;
        if (failure == EINVAL)
            refused.push_back({&placed, failure});
        else if (failure != 0)
            fail(placed, failure);
        skip = write.or_next;
    }
    while (!refused.empty()) {
        const auto before = refused.size();
        std::erase_if(refused, [](Refused& one) {
            one.failure = try_write(*one.placed);
            return one.failure == 0;
        });
        if (refused.size() == before) fail(*refused.front().placed, refused.front().failure);
    }
}

void pause_for(int milliseconds) noexcept { ::poll(nullptr, 0, milliseconds); }

std::string below_directory(const std::string& directory, std::string_view sub_path) {
    for (const auto part : split(sub_path, '/'))
        if (part == "..")
            throw Error(
                format("bad sub cgroup path \"{}\": it must lie below the container's, without \"..\"", sub_path));
    const std::string clean = clean_path(sub_path);
    return clean == "/" ? directory : directory + clean;
}

std::string limits_asked(Layout layout, const spec::Resources& resources) {
    std::vector<std::string> controllers;
    for (const auto& write : translate(layout, resources))
        if (!write.optional && std::find(controllers.begin(), controllers.end(), write.controller) == controllers.end())
            controllers.push_back(write.controller);
    return join(controllers, ", ");
}

void require_unneeded(const Error& error, const Location& location, const spec::Resources& resources) {
    const bool no_right = error.code == EACCES || error.code == EPERM || error.code == EROFS;
    if (!no_right || is_host_root()) throw error;
    const std::string limits = limits_asked(location.layout, resources);
    if (!limits.empty())
        throw Error(error.code,
                    format("limits were asked for ({}), but this user has no delegated cgroup; {}: {}", limits,
                           location.layout == Layout::v2 ? how_to_delegate : v1_delegates_nothing, error.message));
    if (location.explicit_path) throw with_context("linux.cgroupsPath", error);
}

}  // namespace gpurun::cgroup
