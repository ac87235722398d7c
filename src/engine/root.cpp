#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "engine/container_side.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/mount_table.h"

namespace gpurun::engine {
namespace {

// pivot_root refuses a root that is shared or whose parent mount is. The bind that becomes the root is a copy of the
// mount that the directory lies on and lies upon it: that may be the directory itself (an engine's overlay) or above.
void make_parent_private(const std::string& root) {
    for (std::string path = root;; path = std::string(parent_of(path))) {
        const char* mount_point = path.empty() ? "/" : path.c_str();
        if (::mount(nullptr, mount_point, nullptr, MS_PRIVATE, nullptr) == 0) return;
        if (errno != EINVAL || path.empty()) throw Error(errno, format("make the mount of {} private", root));
    }
}

// CVE-2025-31133: what masks files must really be the null device. Opened here, before pivot_root: a bind's source must
// lie in this mount namespace.
sys::Fd open_null() {
    sys::Fd null = sys::open("/dev/null", O_PATH | O_NOFOLLOW);
    const auto facts = sys::stat_fd(null);
    if (!S_ISCHR(facts.st_mode) || facts.st_rdev != makedev(1, 3))
        throw Error("the host's /dev/null is not device 1:3");
    return null;
}

void bind_onto(sys::FdRef source, sys::FdRef target) {
    if (::mount(sys::proc_fd_path(source).c_str(), sys::proc_fd_path(target).c_str(), nullptr, MS_BIND, nullptr) != 0)
        throw Error(errno, "bind");
}

void mask_directory(ContainerSide& side, sys::FdRef target, const std::string& label) {
    if (side.masked_directory) return bind_onto(side.masked_directory, target);
    const std::string data =
        label.empty() ? "nr_blocks=1,nr_inodes=1" : format("nr_blocks=1,nr_inodes=1,context=\"{}\"", label);
    if (::mount("tmpfs", sys::proc_fd_path(target).c_str(), "tmpfs", MS_RDONLY, data.c_str()) != 0)
        throw Error(errno, "mount tmpfs");
}

// A root that is only moved lies upon the old one, which stays in the mount namespace: an event on it must not reach
// the host, and its procfs and sysfs, which no mask covers, would let a user namespace mount bare ones (runc does so).
void close_old_root(const ContainerSide& side) {
    const std::string& root = side.root_path;
    const auto table = sys::parse_mount_entries(sys::read_file_at(side.proc, "self/mountinfo", sys::Resolve::beneath));
    for (const auto& mount : table)
        if (!sys::is_below_or_at(mount.point, root)) ::mount(nullptr, mount.point.c_str(), nullptr, MS_SLAVE, nullptr);
    for (auto mount = table.rbegin(); mount != table.rend(); ++mount) {
        if ((mount->type != "proc" && mount->type != "sysfs") || sys::is_below_or_at(mount->point, root)) continue;
        if (::umount2(mount->point.c_str(), MNT_DETACH) == 0 || errno == ENOENT) continue;
        // Locked in a user namespace.
        if (::mount("tmpfs", mount->point.c_str(), "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1") != 0 &&
            errno != ENOENT)
            throw Error(errno, "cover " + mount->point);
    }
}

}  // namespace

void prepare_root(ContainerSide& side, const plan::step::PrepareRoot& step) {
    if (!step.shares_mounts) sys::set_propagation("/", step.propagation);
    side.host_is_peer = (step.propagation & MS_SHARED) != 0 || (step.propagation & MS_REC) == 0;
    if (!step.shares_mounts && (step.propagation & MS_SHARED) != 0) make_parent_private(step.path);
    if (::mount(step.path.c_str(), step.path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        throw Error(errno, "bind " + step.path);
    // In the caller's mount namespace what is mounted here must not spread, and goes with this mount when the container
    // is deleted.
    if (step.shares_mounts) sys::set_propagation(step.path, MS_PRIVATE | MS_REC);
    side.root_path = step.path;
    side.root = sys::open(step.path, O_PATH | O_DIRECTORY);
}

void change_root(ContainerSide& side, const plan::step::ChangeRoot& step) {
    if (::fchdir(side.root.get()) != 0) throw Error(errno, "fchdir");
    if (step.how != plan::step::RootChange::pivot) {
        if (step.how == plan::step::RootChange::move) {
            close_old_root(side);
            if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) throw Error(errno, "move root");
        }
        if (::chroot(".") != 0) throw Error(errno, "chroot");
        if (::chdir("/") != 0) throw Error(errno, "chdir /");
        return;
    }
    const sys::Fd old_root = side.host_is_peer ? sys::open("/", O_PATH | O_DIRECTORY) : sys::Fd();
    // The old root ends up over the new one at ".".
    if (::syscall(SYS_pivot_root, ".", ".") != 0) throw Error(errno, "pivot_root");
    if (old_root) {
        // Slave, so that unmounting it unmounts nothing on the host. Only it: below the new root are volumes that stay
        // shared.
        if (::fchdir(old_root.get()) != 0) throw Error(errno, "fchdir");
        if (::mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr) != 0)
            throw Error(errno, "make the old root slave");
    }
    if (::umount2(".", MNT_DETACH) != 0) throw Error(errno, "unmount the old root");
    if (::chdir("/") != 0) throw Error(errno, "chdir /");
}

void set_root_propagation(const plan::step::SetRootPropagation& step) { sys::set_propagation("/", step.propagation); }

void make_readonly(ContainerSide& side, const plan::step::MakeReadonly& step) {
    const sys::Fd target = sys::try_open_at(side.root, step.path, O_PATH, sys::Resolve::in_root);
    if (!target) {
        if (!step.required && (errno == ENOENT || errno == ENOTDIR)) return;
        throw Error(errno, "open " + step.path);
    }
    const sys::MountAttributes attributes{.set = MOUNT_ATTR_RDONLY};
    if (step.required) return sys::set_mount_attributes(target, attributes, false);
    // A path that is no mount of its own becomes one first.
    sys::attach_tree(sys::clone_tree(target, true, attributes), target);
}

void mask(ContainerSide& side, const plan::step::Mask& step) {
    const sys::Fd null = open_null();
    for (const auto& path : step.paths) {
        const sys::Fd target = sys::try_open_at(side.root, path, O_PATH, sys::Resolve::in_root);
        if (!target) {
            if (errno == ENOENT || errno == ENOTDIR) continue;
            throw Error(errno, "mask " + path);
        }
        try {
            if (!S_ISDIR(sys::stat_fd(target).st_mode)) {
                bind_onto(null, target);
                continue;
            }
            mask_directory(side, target, step.label);
            if (!side.masked_directory)
                side.masked_directory = sys::open_at(side.root, path, O_PATH | O_DIRECTORY, sys::Resolve::in_root);
        } catch (const Error& error) {
            throw with_context("mask " + path, error);
        }
    }
}

}  // namespace gpurun::engine
