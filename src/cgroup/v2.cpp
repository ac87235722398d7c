#include "cgroup/v2.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "cgroup/bpf.h"
#include "cgroup/parse.h"
#include "cgroup/tree.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

// What Linux before 4.14, which has no list, lets be delegated.
constexpr const char* delegated_files = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

bool is_cgroup2(const std::string& path) {
    struct statfs facts {};
    return ::statfs(path.c_str(), &facts) == 0 && static_cast<long>(facts.f_type) == CGROUP2_SUPER_MAGIC;
}

// The ancestors of \a path in its mount, top first.
std::vector<std::string> ancestors(const std::string& path) {
    std::vector<std::string> list;
    for (auto parent = parent_of(path); !parent.empty() && is_cgroup2(std::string(parent)); parent = parent_of(parent))
        list.emplace_back(parent);
    std::reverse(list.begin(), list.end());
    return list;
}

std::string read_controllers(const std::string& path) {
    return sys::try_read_file(path + "/cgroup.controllers").value_or("");
}

void enable_in(const std::string& directory, const std::vector<std::string_view>& controllers) {
    const std::string file = directory + "/cgroup.subtree_control";
    std::string all;
    for (const auto controller : controllers) all += format("+{} ", controller);
    const auto write = [&file](std::string_view text) {
        return sys::try_write_file_at(sys::FdRef(AT_FDCWD), file, text);
    };
    int failure = write(all);
    for (int attempt = 0; failure == EBUSY && attempt < 3; ++attempt) {
        pause_for(1);
        failure = write(all);
    }
    if (failure == 0) return;
    // One that can't be had (cpu with realtime processes about, a domain controller below a threaded cgroup) spoils the
    // whole write.
    for (const auto controller : controllers) static_cast<void>(write(format("+{}", controller)));
}

}  // namespace

void enable_controllers(const std::string& path) {
    const auto above = ancestors(path);
    if (above.empty()) return;
    const std::string available = read_controllers(above.front());
    if (read_controllers(path) == available) return;
    for (const auto& directory : above) {
        const std::string here = read_controllers(directory);
        const std::string enabled = sys::try_read_file(directory + "/cgroup.subtree_control").value_or("");
        const auto already = words(enabled);
        auto missing = words(here);
        std::erase_if(missing, [&](std::string_view name) {
            return std::find(already.begin(), already.end(), name) != already.end();
        });
        if (!missing.empty()) enable_in(directory, missing);
    }
    // Below a threaded cgroup a new one is invalid until it is threaded too.
    if (trim(sys::try_read_file(path + "/cgroup.type").value_or("")) == "domain invalid")
        sys::write_file(path + "/cgroup.type", "threaded");
}

void set_frozen(const std::string& path, Freeze state) {
    constexpr int patience = 10000, slice = 100;  // Milliseconds.
    const bool frozen = state == Freeze::frozen;
    sys::write_file(path + "/cgroup.freeze", frozen ? "1" : "0");
    const std::string file = path + "/cgroup.events";
    const std::string_view wanted = frozen ? "1" : "0";
    for (int waited = 0; waited <= patience; waited += slice) {
        const sys::Fd events = sys::open(file, O_RDONLY);
        if (flat_value(sys::read_all(events, file), "frozen") == wanted) return;
        pollfd change{.fd = events.get(), .events = POLLPRI, .revents = 0};
        ::poll(&change, 1, slice);
    }
    if (!frozen) throw Error("cannot resume: the container's processes did not thaw within 10 seconds");
    static_cast<void>(sys::try_write_file_at(sys::FdRef(AT_FDCWD), path + "/cgroup.freeze", "0"));
    throw Error("cannot pause: the container's processes did not freeze within 10 seconds; it is running again");
}

bool reads_frozen(const std::string& path) {
    const auto frozen = sys::try_read_file(path + "/cgroup.freeze");
    return frozen && trim(*frozen) == "1";
}

std::string directory_beside(const std::string& path, const std::string& own_path, int pid) {
    const auto memberships = parse_memberships(sys::read_file(format("/proc/{}/cgroup", pid)));
    for (const auto& membership : memberships) {
        if (!membership.controllers.empty()) continue;
        const std::string& where = membership.own_path;
        if (where == own_path || where.starts_with(own_path + "/")) return path + where.substr(own_path.size());
        // Where the container's own cgroup is gone there is nothing left to stay below.
        if (path.ends_with(own_path) && !sys::exists(path))
            return path.substr(0, path.size() - own_path.size()) + where;
        throw Error(format("the container's process {} is in cgroup {}, which is not below the container's {}", pid,
                           where, own_path));
    }
    throw Error(format("process {} is in no cgroup of version 2", pid));
}

const std::string& V2Manager::path() const {
    if (!exists()) throw Error("the container has no cgroup of its own");
    return location_.directories.front().path;
}

void V2Manager::create(const spec::Resources& resources) {
    if (!exists()) throw Error("cgroup2 is not mounted on /sys/fs/cgroup; use --cgroup-manager disabled or mount it");
    Directory& directory = location_.directories.front();
    directory.created = false;
    ScopeExit undo([&] {
        if (!directory.created) return;
        try {
            remove_tree(directory.path);
        } catch (const Error&) {
        }
    });
    try {
        directory.created = new_devices_ = make_directory(directory.path);
        if (!directory.created && origin_ == Origin::own) {
            require_empty(directory.path);
            if (reads_frozen(directory.path))
                throw Error(EBUSY, "container's cgroup unexpectedly frozen: " + directory.path);
        }
        enable_controllers(directory.path);
    } catch (const Error& error) {
        require_unneeded(error, location_, resources);
        undo.dismiss();
        location_.directories.clear();
        return;
    }
    undo.dismiss();
}

void V2Manager::apply(const std::vector<Write>& writes) {
    if (writes.empty()) return;
    std::vector<PlacedWrite> placed;
    placed.reserve(writes.size());
    for (const auto& write : writes) placed.push_back({.write = &write, .directory = path(), .file = write.file});
    carry_out(placed);
}

void V2Manager::set_devices(const std::vector<spec::DeviceRule>& rules) {
    if (!exists()) return;
    set_device_program(sys::open(path(), O_RDONLY | O_DIRECTORY), reduce(rules),
                       new_devices_ ? Attached::nothing : Attached::unknown);
    new_devices_ = false;
}

void V2Manager::hand_over(std::uint32_t uid) {
    if (!exists()) return;
    const sys::Fd directory = sys::open(path(), O_RDONLY | O_DIRECTORY);
    const auto give = [&](const std::string& file) {
        const int flags = file.empty() ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
        return ::fchownat(directory.get(), file.c_str(), uid, static_cast<gid_t>(-1), flags) == 0 ? 0 : errno;
    };
    const int failure = give("");
    if (failure == EPERM && !is_host_root()) return log::debug("the cgroup stays its maker's: chown is not permitted");
    if (failure != 0) throw Error(failure, format("chown {} to {}", path(), uid));
    const auto files = sys::try_read_file("/sys/kernel/cgroup/delegate").value_or(delegated_files);
    for (const auto file : words(files))
        if (const int left = give(std::string(file)); left != 0 && left != ENOENT)
            throw Error(left, format("chown {}/{} to {}", path(), file, uid));
}

std::string V2Manager::path_of(const Spot& spot) const {
    if (spot.beside != 0) return directory_beside(path(), location_.path, spot.beside);
    return below_directory(path(), spot.below);
}

Entry V2Manager::entry(const Spot& spot) {
    Entry entry;
    if (exists() || !spot.below.empty()) entry.directory = sys::open(path_of(spot), O_RDONLY | O_DIRECTORY);
    return entry;
}

void V2Manager::attach(int pid, const Spot& spot) {
    if (!exists() && spot.below.empty()) return;
    const std::string file = path_of(spot) + "/cgroup.procs";
    const int failure = sys::try_write_file_at(sys::FdRef(AT_FDCWD), file, format("{}", pid));
    if (failure == EACCES && !is_host_root())
        throw Error(failure,
                    format("write \"{}\" to {}: a user may move processes only within what is delegated to him; "
                           "run this inside of it (systemd-run --user --scope) or with --systemd-cgroup",
                           pid, file));
    if (failure != 0) throw Error(failure, format("write \"{}\" to {}", pid, file));
}

void V2Manager::freeze(Freeze state) { set_frozen(path(), state); }

bool V2Manager::is_frozen() { return exists() && reads_frozen(path()); }

void V2Manager::kill(int signal) {
    if (!exists()) return;
    if (signal == SIGKILL) {
        const int failure = sys::try_write_file_at(sys::FdRef(AT_FDCWD), path() + "/cgroup.kill", "1");
        // ENOENT: Linux before 5.14, or the cgroup is gone; EOPNOTSUPP: threaded.
        if (failure == 0) {
            // A frozen cgroup dies of it too, but must not freeze what enters later.
            static_cast<void>(sys::try_write_file_at(sys::FdRef(AT_FDCWD), path() + "/cgroup.freeze", "0"));
            return;
        }
    }
    signal_frozen(*this, signal);
}

std::vector<int> V2Manager::processes() {
    std::vector<int> pids;
    if (exists()) collect_processes(path(), pids);
    return pids;
}

void V2Manager::remove() {
    if (exists() && (location_.directories.front().created || origin_ == Origin::unit)) remove_tree(path());
}

}  // namespace gpurun::cgroup
