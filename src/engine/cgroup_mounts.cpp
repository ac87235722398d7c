#include "engine/cgroup_mounts.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace gpurun::engine {
namespace {

// A bind of the container's own directory instead of a new cgroup mount: inside the cgroup namespace they look alike,
// and mounting a fresh cgroup2 waits for an RCU grace period (8 ms) on Linux 6.18.
sys::Fd clone_directory(const std::string& source, const spec::MountOptions& options) {
    return sys::clone_tree(source, false,
                           {.set = options.attr_set, .clear = options.attr_clear, .propagation = MS_PRIVATE});
}

// One directory per hierarchy on a tmpfs, and a link for each controller that shares one.
void mount_v1(ContainerSide& side, sys::FdRef target, const plan::step::MountCgroup& step) {
    sys::mount_filesystem("tmpfs", "tmpfs", target, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
    const sys::Fd mounted = sys::open_at(side.root, step.target, O_PATH | O_DIRECTORY, sys::Resolve::in_root);
    for (const auto& directory : side.cgroup->directories) {
        if (directory.controllers.empty()) continue;
        const std::string name = v1_mount_name(directory);
        if (::mkdirat(mounted.get(), name.c_str(), 0755) != 0) throw Error(errno, "mkdir " + name);
        sys::attach_tree(clone_directory(directory.path, step.options), mounted, name);
        if (directory.controllers.size() > 1)
            for (const auto& controller : directory.controllers)
                if (::symlinkat(name.c_str(), mounted.get(), controller.c_str()) != 0)
                    throw Error(errno, "symlink " + controller);
    }
    sys::set_mount_attributes(mounted, {.set = step.options.attr_set}, false);
}

}  // namespace

std::string v1_mount_name(const cgroup::Directory& directory) {
    std::vector<std::string> names = directory.controllers;
    if (names.size() == 1 && names[0].starts_with("name=")) return names[0].substr(5);
    return join(names, ",");
}

void mount_cgroup(ContainerSide& side, const plan::step::MountCgroup& step) {
    const sys::Fd target = directory_at(side.root, step.target);
    if (side.cgroup == nullptr || side.cgroup->directories.empty()) {
        // No cgroup of its own (rootless without delegation): the host's must not be reachable either (CVE-2023-25809).
        log::debug("the container has no cgroup: {} is empty", step.target);
        return sys::mount_filesystem("tmpfs", "tmpfs", target, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
                                     "mode=755,nr_inodes=2");
    }
    if (side.cgroup->layout != cgroup::Layout::v2) return mount_v1(side, target, step);
    sys::attach_tree(clone_directory(side.cgroup->directories.front().path, step.options), target);
    if (step.options.propagation.empty()) return;
    const sys::Fd mount = sys::open_at(side.root, step.target, O_PATH | O_DIRECTORY, sys::Resolve::in_root);
    for (const auto flags : step.options.propagation)
        sys::set_mount_attributes(mount, {.propagation = flags & ~static_cast<std::uint64_t>(MS_REC)},
                                  (flags & MS_REC) != 0);
}

}  // namespace gpurun::engine
