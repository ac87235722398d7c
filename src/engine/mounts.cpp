#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "engine/copy_up.h"
#include "engine/id_maps.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace gpurun::engine {
namespace {

using plan::step::Mount;

// What lies on a procfs may be covered by a bind only where lxcfs and its like do so.
constexpr std::string_view proc_allowed[] = {"/proc/cpuinfo",
                                             "/proc/diskstats",
                                             "/proc/meminfo",
                                             "/proc/stat",
                                             "/proc/swaps",
                                             "/proc/uptime",
                                             "/proc/loadavg",
                                             "/proc/slabinfo",
                                             "/proc/net/dev",
                                             "/proc/sys/kernel/ns_last_pid",
                                             "/proc/sys/crypto/fips_enabled"};

bool needs_ordinary_directory(const std::string& type) { return type == "proc" || type == "sysfs"; }

void check_proc_target(const Mount& step, sys::FdRef target, const std::string& destination) {
    if (destination == "/proc" || !destination.starts_with("/proc/")) return;
    if (sys::filesystem_magic(target) != PROC_SUPER_MAGIC) return;
    for (const auto allowed : proc_allowed)
        if (destination == allowed) return;
    // What drivers show of their devices; a container is given a part of it at most.
    if (destination.starts_with("/proc/driver/")) return;
    if (step.options.bind != spec::Bind::none && step.mount.source == destination) return;
    throw Error(format("\"{}\" cannot be mounted because it is inside /proc", destination));
}

// A directory for a file system; proc and sysfs must not be lured elsewhere by links in the image (CVE-2019-19921).
sys::Fd directory_target(ContainerSide& side, const Mount& step, bool* made) {
    const auto& path = step.mount.destination;
    if (!needs_ordinary_directory(step.mount.type)) return directory_at(side.root, path, made);
    sys::Fd target = sys::try_open_at(side.root, path, O_PATH | O_DIRECTORY, sys::Resolve::no_symlinks);
    if (!target && errno == ENOENT) {
        sys::make_directories_in(side.root, path);
        target = sys::try_open_at(side.root, path, O_PATH | O_DIRECTORY, sys::Resolve::no_symlinks);
    }
    if (!target) throw Error(format("filesystem \"{}\" must be mounted on ordinary directory", step.mount.type));
    return target;
}

std::string data_of(const Mount& step, sys::FdRef target, bool made) {
    std::string data = join(step.options.data, ",");
    const auto add = [&data](const std::string& option) {
        if (!data.empty()) data += ',';
        data += option;
    };
    if (step.mount.type == "tmpfs" && !made) {
        bool has_mode = false;
        for (const auto& option : step.options.data) has_mode = has_mode || option.starts_with("mode=");
        if (!has_mode) add(format("mode={:o}", sys::stat_fd(target).st_mode & 07777));
    }
    if (!step.label.empty()) add(step.label);
    return data;
}

void apply_propagation(ContainerSide& side, const Mount& step, sys::FdRef mount) {
    for (const auto flags : step.options.propagation) {
        sys::set_propagation(mount, flags);
        side.has_shared_mount = side.has_shared_mount || (flags & MS_SHARED) != 0;
    }
}

// What a bind is unless it lands on a shared mount.
bool is_private(const ContainerSide& side, const spec::MountOptions& options) {
    for (const auto flags : options.propagation)
        if ((flags & MS_PRIVATE) == 0 || side.has_shared_mount) return false;
    return true;
}

// The mount that lies on the destination now.
sys::Fd mounted(ContainerSide& side, const Mount& step) {
    return sys::open_at(side.root, step.mount.destination, O_PATH | (step.options.target_nofollow ? O_NOFOLLOW : 0),
                        sys::Resolve::in_root);
}

void label_root(sys::FdRef mount, const std::string& label) {
    const std::string path = sys::proc_fd_path(mount);
    // ENOTSUP: the policy labels no single files there.
    if (::setxattr(path.c_str(), "security.selinux", label.c_str(), label.size() + 1, 0) != 0 && errno != ENOTSUP)
        throw Error(errno, "label " + label);
}

void finish(ContainerSide& side, const Mount& step) {
    const auto& options = step.options;
    const bool recursive = options.recursive_set != 0 || options.recursive_clear != 0;
    if (!recursive && options.propagation.empty() && step.root_label.empty()) return;
    const sys::Fd mount = mounted(side, step);
    if (!step.root_label.empty()) label_root(mount, step.root_label);
    if (recursive)
        sys::set_mount_attributes(mount, {.set = options.recursive_set, .clear = options.recursive_clear}, true);
    apply_propagation(side, step, mount);
}

// sysfs and proc can't be mounted where the namespaces they show aren't ours; the host's view, read-only, is what is
// left.
bool bind_instead(const Mount& step, sys::FdRef target, int failure) {
    if (failure != EPERM || step.mount.type != "sysfs") return false;
    log::debug("mounting a new sysfs is not permitted, binding /sys");
    const sys::Fd tree = sys::clone_tree("/sys", true);
    sys::try_set_mount_attributes(tree, {.set = step.options.attr_set, .clear = step.options.attr_clear}, true);
    sys::attach_tree(tree, target);
    return true;
}

// The detached mount that the host process has made for this step, if it had to.
sys::Fd mapped_by_host(ContainerSide& side, const Mount& step) {
    if (!step.mapped_by_host) return sys::Fd();
    return std::move(side.made_mounts->at(step.mount.destination));
}

void mount_new(ContainerSide& side, const Mount& step) {
    bool made = false;
    const sys::Fd target = directory_target(side, step, &made);
    check_proc_target(step, target, step.mount.destination);
    std::uint64_t flags = step.options.flags;
    if (step.late_readonly) flags &= ~static_cast<std::uint64_t>(MS_RDONLY);
    const std::string data = data_of(step, target, made);
    if (step.options.copy_up) {
        copy_up(step, target, flags, data);
    } else if (step.options.id_map != spec::IdMap::none) {
        sys::Fd mount = mapped_by_host(side, step);
        if (!mount) {
            mount = sys::new_mount(step.mount.type, step.mount.source, flags, data);
            map_mount_ids(sys::private_procfs(), mount, step, sys::FdRef());
        }
        sys::attach_tree(mount, target);
    } else {
        try {
            sys::mount_filesystem(step.mount.type, step.mount.source, target, flags, data);
        } catch (const Error& error) {
            if (!bind_instead(step, target, error.code)) throw;
        }
    }
    finish(side, step);
}

// In a user namespace flags of the source's mount are locked: they stay, unless the config clears them by name, which
// then fails.
std::uint64_t locked_attributes(sys::FdRef source, std::uint64_t cleared) {
    struct statfs facts {};
    if (::fstatfs(source.get(), &facts) != 0) return 0;
    constexpr struct {
        long statfs_flag;
        unsigned long mount_flag;
        std::uint64_t attribute;
    } flags[] = {{1, MS_RDONLY, MOUNT_ATTR_RDONLY},      {2, MS_NOSUID, MOUNT_ATTR_NOSUID},
                 {4, MS_NODEV, MOUNT_ATTR_NODEV},        {8, MS_NOEXEC, MOUNT_ATTR_NOEXEC},
                 {1024, MS_NOATIME, MOUNT_ATTR_NOATIME}, {2048, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}};
    std::uint64_t attributes = 0;
    for (const auto& flag : flags)
        if ((facts.f_flags & flag.statfs_flag) != 0 && (cleared & flag.mount_flag) == 0) attributes |= flag.attribute;
    return attributes;
}

void set_bind_attributes(const Mount& step, sys::FdRef tree) {
    sys::MountAttributes attributes{.set = step.options.attr_set, .clear = step.options.attr_clear};
    if (attributes.set == 0 && attributes.clear == 0) return;
    const int failure = sys::try_set_mount_attributes(tree, attributes, false);
    if (failure == 0) return;
    if (failure != EPERM && failure != EINVAL) throw Error(failure, "mount_setattr");
    attributes.set |= locked_attributes(tree, step.options.cleared_flags);
    attributes.clear &= ~attributes.set;
    // What changes an atime option has to clear them all.
    if ((attributes.set & MOUNT_ATTR__ATIME) != 0) attributes.clear |= MOUNT_ATTR__ATIME;
    sys::set_mount_attributes(tree, attributes, false);
}

void copy_symlink(ContainerSide& side, const Mount& step, const std::string& link) {
    const Place place = place_at(side.root, step.mount.destination);
    if (::symlinkat(link.c_str(), place.directory.get(), place.name.c_str()) == 0) return;
    if (errno == EEXIST && sys::try_read_link(place.directory, place.name) == link) return;
    throw Error(errno, "symlink " + step.mount.destination);
}

// A plain bind, which most are, gets all its attributes at once; empty where the kernel wants to keep some of the
// source's.
sys::Fd clone_plainly(const ContainerSide& side, const Mount& step, sys::FdRef source, bool is_directory) {
    const auto& options = step.options;
    const bool has_submounts = options.bind == spec::Bind::recursive && is_directory;
    if (has_submounts || !step.uids.empty() || options.id_map != spec::IdMap::none || options.recursive_set != 0 ||
        options.recursive_clear != 0 || !is_private(side, options))
        return sys::Fd();
    return sys::try_clone_tree(source, false,
                               {.set = options.attr_set, .clear = options.attr_clear, .propagation = MS_PRIVATE});
}

void bind(ContainerSide& side, const Mount& step) {
    const auto& options = step.options;
    const bool nofollow = options.source_nofollow || options.copy_symlink;
    sys::Fd tree = mapped_by_host(side, step);
    // Opened anew, since what was mounted before may have put another directory there. Where the container's root is
    // not let through (a volume below a directory of root's), the host process has opened it.
    const sys::Fd source = sys::try_open(step.mount.source, O_PATH | (nofollow ? O_NOFOLLOW : 0));
    const int failure = source ? 0 : errno;
    if (failure == EACCES && step.opened_by_host) tree = std::move(side.made_mounts->at(step.mount.destination));
    if (!source && !tree) throw Error(failure, "open " + step.mount.source);
    const auto facts = sys::stat_fd(source ? source : tree);
    if (options.copy_symlink && S_ISLNK(facts.st_mode)) {
        const auto link = sys::try_read_link(source, "");
        return copy_symlink(side, step, link.value_or(""));
    }
    if (!options.data.empty())
        log::warning("bind mount at {}: file system options {} mean nothing", step.mount.destination,
                     join(options.data, ","));
    sys::Fd target;
    if (options.target_nofollow)
        target = sys::try_open_at(side.root, step.mount.destination, O_PATH | O_NOFOLLOW, sys::Resolve::in_root);
    if (!target)
        target = S_ISDIR(facts.st_mode) ? directory_at(side.root, step.mount.destination)
                                        : file_at(side.root, step.mount.destination);
    if (S_ISDIR(facts.st_mode) != S_ISDIR(sys::stat_fd(target).st_mode))
        throw Error(ENOTDIR, "bind " + step.mount.source);
    check_proc_target(step, target, step.mount.destination);
    if (!tree)
        if (const sys::Fd plain = clone_plainly(side, step, source, S_ISDIR(facts.st_mode)))
            return sys::attach_tree(plain, target);
    if (!tree) {
        tree = sys::clone_tree(source, options.bind == spec::Bind::recursive);
        // The mapping's child is seen under its number in this pid namespace: only a procfs of it will do.
        if (!step.uids.empty() || options.id_map != spec::IdMap::none)
            map_mount_ids(sys::private_procfs(), tree, step, sys::FdRef());
    }
    set_bind_attributes(step, tree);
    if (options.recursive_set != 0 || options.recursive_clear != 0)
        sys::set_mount_attributes(tree, {.set = options.recursive_set, .clear = options.recursive_clear}, true);
    // A bind never is a peer of its source unless asked for: what is mounted in the container stays there.
    if (options.propagation.empty()) sys::try_set_mount_attributes(tree, {.propagation = MS_PRIVATE}, true);
    sys::attach_tree(tree, target);
    if (!options.propagation.empty()) apply_propagation(side, step, mounted(side, step));
}

void remount(ContainerSide& side, const Mount& step) {
    const sys::Fd target = mounted(side, step);
    const std::string data = join(step.options.data, ",");
    if (::mount(nullptr, sys::proc_fd_path(target).c_str(), nullptr, MS_REMOUNT | step.options.flags,
                data.empty() ? nullptr : data.c_str()) != 0)
        throw Error(errno, "remount");
    finish(side, step);
}

}  // namespace

void mount(ContainerSide& side, const Mount& step) {
    if (step.options.remount && step.options.bind == spec::Bind::none) return remount(side, step);
    if (step.options.bind != spec::Bind::none)
        bind(side, step);
    else
        mount_new(side, step);
    // Our descriptor is of what the mount has covered.
    if (step.mount.destination == "/") side.root = sys::open(side.root_path, O_PATH | O_DIRECTORY);
}

}  // namespace gpurun::engine
