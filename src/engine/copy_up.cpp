#include "engine/copy_up.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace gpurun::engine {
namespace {

void copy_content(sys::FdRef from, sys::FdRef to) {
    for (;;) {
        const auto copied = ::sendfile(to.get(), from.get(), nullptr, 1u << 20);
        if (copied < 0) throw Error(errno, "copy");
        if (copied == 0) return;
    }
}

void copy_attributes(sys::FdRef from, sys::FdRef to) {
    char names[4096];
    const auto length = ::flistxattr(from.get(), names, sizeof names);
    for (ssize_t at = 0; at < length;) {
        const std::string name = names + at;
        char value[4096];
        const auto size = ::fgetxattr(from.get(), name.c_str(), value, sizeof value);
        // tmpfs takes trusted., security. and, newer, user. attributes; what it refuses cannot be kept.
        if (size >= 0) ::fsetxattr(to.get(), name.c_str(), value, static_cast<std::size_t>(size), 0);
        at += static_cast<ssize_t>(name.size()) + 1;
    }
}

void copy_facts(sys::FdRef directory, const std::string& name, const struct stat& facts) {
    if (::fchownat(directory.get(), name.c_str(), facts.st_uid, facts.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw Error(errno, "chown " + name);
    if (!S_ISLNK(facts.st_mode) && ::fchmodat(directory.get(), name.c_str(), facts.st_mode & 07777, 0) != 0)
        throw Error(errno, "chmod " + name);
    const timespec times[2] = {facts.st_atim, facts.st_mtim};
    ::utimensat(directory.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void copy_directory(sys::FdRef from, sys::FdRef to, int depth);

void copy_entry(sys::FdRef from, sys::FdRef to, const std::string& name, int depth) {
    const auto facts = sys::try_stat(from, name, AT_SYMLINK_NOFOLLOW);
    if (!facts) return;
    if (S_ISLNK(facts->st_mode)) {
        const auto link = sys::try_read_link(from, name).value_or("");
        if (::symlinkat(link.c_str(), to.get(), name.c_str()) != 0) throw Error(errno, "symlink " + name);
    } else if (S_ISDIR(facts->st_mode)) {
        if (::mkdirat(to.get(), name.c_str(), 0700) != 0) throw Error(errno, "mkdir " + name);
        const sys::Fd source = sys::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        const sys::Fd copy = sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        copy_directory(source, copy, depth + 1);
        copy_attributes(source, copy);
    } else if (S_ISREG(facts->st_mode)) {
        const sys::Fd source = sys::open_at(from, name, O_RDONLY | O_NOFOLLOW);
        const sys::Fd copy =
            sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, sys::Resolve::anywhere, 0600);
        copy_content(source, copy);
        copy_attributes(source, copy);
    } else if (::mknodat(to.get(), name.c_str(), facts->st_mode, facts->st_rdev) != 0) {
        throw Error(errno, "mknod " + name);
    }
    copy_facts(to, name, *facts);
}

void copy_directory(sys::FdRef from, sys::FdRef to, int depth) {
    constexpr int deepest = 128;
    if (depth > deepest) throw Error(ELOOP, "copy");
    for (const auto& name : sys::list_directory(from, ".")) copy_entry(from, to, name, depth);
}

}  // namespace

void copy_up(const plan::step::Mount& step, sys::FdRef target, std::uint64_t flags, const std::string& data) {
    // Writable while it is filled.
    const sys::Fd mount =
        sys::new_mount(step.mount.type, step.mount.source, flags & ~static_cast<std::uint64_t>(MS_RDONLY), data);
    const sys::Fd from = sys::open(sys::proc_fd_path(target), O_RDONLY | O_DIRECTORY);
    copy_directory(from, mount, 0);
    if ((flags & MS_RDONLY) != 0) sys::set_mount_attributes(mount, {.set = 1 /* MOUNT_ATTR_RDONLY */}, false);
    sys::attach_tree(mount, target);
}

}  // namespace gpurun::engine
