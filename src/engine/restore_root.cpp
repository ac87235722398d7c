#include "engine/restore_root.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "engine/cgroup_mounts.h"
#include "engine/container_side.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/mount_table.h"

namespace gpurun::engine {
namespace {

using namespace plan;

void bind_root(const std::string& path) {
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        throw Error(errno, "bind " + path);
}

/// Goes through the steps that mount, in a throw-away copy of the container's tree: so every place is found as create
/// finds it, links and nested mounts included, and what is made inside a tmpfs leaves no trace.
struct Rehearsal {
    std::string path;  // Of the root, on the host.
    ContainerSide side;
    std::vector<std::string> words;
    std::vector<gpu::Cover> covers;
    std::vector<std::pair<std::string, std::string>> binds;  // Recursive ones: place on the host, source.

    void supply(const std::string& place, const std::string& source) {
        words.insert(words.end(), {"mount", place, source});
    }

    // Where a descriptor below the root is, as the container names it.
    std::string place_of(sys::FdRef target) const {
        const std::string there = sys::try_read_link(sys::FdRef(AT_FDCWD), sys::proc_fd_path(target)).value_or("");
        if (!sys::is_below_or_at(there, path)) throw Error(format("{} lies outside the container's root", there));
        return there.size() == path.size() ? "/" : there.substr(path.size());
    }

    void operator()(const step::PrepareRoot& s) {
        bind_root(s.path);
        side.root = sys::open(s.path, O_PATH | O_DIRECTORY);
        path = sys::try_read_link(sys::FdRef(AT_FDCWD), sys::proc_fd_path(side.root)).value_or(s.path);
    }

    void operator()(const step::Mount& s) {
        if (s.options.remount) return;
        if (s.options.bind != spec::Bind::none) return bind(s);
        const sys::Fd target = directory_at(side.root, s.mount.destination);
        sys::mount_filesystem("tmpfs", "tmpfs", target, 0, "mode=755");
    }

    void bind(const step::Mount& s) {
        const sys::Fd source = sys::open(s.mount.source, O_PATH);
        const bool directory = S_ISDIR(sys::stat_fd(source).st_mode);
        const sys::Fd target =
            directory ? directory_at(side.root, s.mount.destination) : file_at(side.root, s.mount.destination);
        const std::string place = place_of(target);
        supply(place, s.mount.source);
        const bool recursive = s.options.bind == spec::Bind::recursive;
        sys::attach_tree(sys::clone_tree(source, recursive), target);
        if (recursive) binds.emplace_back(path + place, clean_path(s.mount.source));
    }

    void operator()(const step::MountCgroup& s) {
        const sys::Fd target = directory_at(side.root, s.target);
        const std::string place = place_of(target);
        if (!s.own_namespace && side.cgroup != nullptr) {
            for (const auto& directory : side.cgroup->directories) {
                if (side.cgroup->layout == cgroup::Layout::v2) {
                    supply(place, directory.path);
                    break;
                }
                if (!directory.controllers.empty()) supply(place + "/" + v1_mount_name(directory), directory.path);
            }
        }
        sys::mount_filesystem("tmpfs", "tmpfs", target, 0, "mode=755");
    }

    void operator()(const step::MakeDevice& s) {
        if (s.bind) supply(clean_path(s.device.path), s.device.path);
    }

    void operator()(const step::Mask& s) {
        if (!s.paths.empty()) supply("/dev/null", "/dev/null");
    }

    void operator()(const step::EditRootfs& s) {
        edit_rootfs(side, s);
        covers = s.edits.covers;
    }

    template <typename Other>
    void operator()(const Other&) {}

    // What covers files of /proc is in no file system that CRIU could find.
    void supply_covers(const std::string& scratch) {
        if (covers.empty()) return;
        const sys::Fd directory = sys::open(scratch, O_PATH | O_DIRECTORY);
        sys::mount_filesystem("tmpfs", "tmpfs", directory, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
        const sys::Fd mounted = sys::open(scratch, O_PATH | O_DIRECTORY);
        for (std::size_t i = 0; i < covers.size(); ++i) {
            const std::string name = std::to_string(i);
            sys::replace_file_at(mounted, name, covers[i].content, covers[i].mode);
            supply(clean_path(covers[i].path), scratch + "/" + name);
        }
    }

    // What is mounted below the source of a recursive bind is the host's as well.
    void supply_nested() {
        const auto entries = sys::parse_mount_entries(sys::read_file("/proc/self/mountinfo"));
        for (const auto& [place, source] : binds)
            for (const auto& entry : entries)
                if (entry.point.size() > place.size() && sys::is_below_or_at(entry.point, place))
                    supply(entry.point.substr(path.size()), source + entry.point.substr(place.size()));
    }
};

}  // namespace

std::vector<std::string> make_restore_root(const Plan& plan, const cgroup::Location* cgroup,
                                           const std::string& scratch) {
    if (::unshare(CLONE_NEWNS) != 0) throw Error(errno, "unshare the mount namespace");
    sys::set_propagation("/", MS_PRIVATE | MS_REC);
    Rehearsal rehearsal;
    rehearsal.side.cgroup = cgroup;
    for (const Step& step : plan.container) try {
            std::visit(rehearsal, step);
        } catch (const Error& error) {
            throw with_context(context_of(step), error);
        }
    rehearsal.supply_nested();
    rehearsal.side.root.reset();
    if (::umount2(rehearsal.path.c_str(), MNT_DETACH) != 0) throw Error(errno, "unmount " + rehearsal.path);
    // CRIU wants the root to be a mount, with nothing of this over it.
    bind_root(rehearsal.path);
    rehearsal.supply_covers(scratch);
    return rehearsal.words;
}

}  // namespace gpurun::engine
