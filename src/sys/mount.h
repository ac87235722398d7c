#pragma once

#include <cstdint>
#include <string>

#include "sys/fd.h"

/// Mounts by descriptor: sources and targets are opened by the caller (below a root, for container paths), so no path
/// is resolved twice.
namespace gpurun::sys {

/// A new superblock of \a type mounted on \a target (an O_PATH descriptor). \a flags: MS_*; \a data: the file system's
/// own options, at most a page for mount(2), longer ones through fsconfig. Throws Error("mount TYPE").
void mount_filesystem(const std::string& type, const std::string& source, FdRef target, unsigned long flags,
                      const std::string& data);

/// The same, detached.
Fd new_mount(const std::string& type, const std::string& source, std::uint64_t flags, const std::string& data);

/// A detached copy of the mount tree at \a source. \a recursive: with what is mounted below.
Fd clone_tree(FdRef source, bool recursive);
Fd clone_tree(const std::string& path, bool recursive);

/// Attributes for mount_setattr(2): MOUNT_ATTR_*; \a propagation: MS_SHARED … or 0; \a user_namespace for
/// MOUNT_ATTR_IDMAP.
struct MountAttributes {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;
    FdRef user_namespace{};
};

/// A detached copy that has \a attributes from the start, where the kernel can (open_tree_attr, Linux 6.15).
Fd clone_tree(FdRef source, bool recursive, const MountAttributes& attributes);
Fd clone_tree(const std::string& path, bool recursive, const MountAttributes& attributes);
/// Empty with errno set when the attributes are refused.
Fd try_clone_tree(FdRef source, bool recursive, const MountAttributes& attributes);

void set_mount_attributes(FdRef mount, const MountAttributes& attributes, bool recursive);
/// Returns 0 or the errno.
int try_set_mount_attributes(FdRef mount, const MountAttributes& attributes, bool recursive) noexcept;

/// Attaches a detached tree on \a target, or on \a name in the directory \a target.
void attach_tree(FdRef tree, FdRef target);
void attach_tree(FdRef tree, FdRef target, const std::string& name);

/// The id of the mount that \a file lies on, the first number in its line of mountinfo. Throws Error.
int mount_id(FdRef file);

/// mount(2) with MS_SHARED/PRIVATE/SLAVE/UNBINDABLE, optionally MS_REC, on a path.
void set_propagation(const std::string& path, unsigned long flags);
/// The same for the mount that \a mount is the root of, which may be attached nowhere.
void set_propagation(FdRef mount, unsigned long flags);

/// A detached procfs of this pid namespace showing only processes (subset=pid is not set: sysctl and sys are needed),
/// or a private clone of /proc where a new one can't be mounted. The handle through which every write to /proc goes
/// (CVE-2025-52881). Throws when neither works.
Fd private_procfs();

}  // namespace gpurun::sys
