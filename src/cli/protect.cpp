#include "cli/protect.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"
#include "sys/own_program.h"

extern char** environ;

namespace gpurun::cli {
namespace {

bool is_protected = false;

constexpr int all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

bool cannot_be_written(sys::FdRef self) {
    if ((::fcntl(self.get(), F_GET_SEALS) & all_seals) == all_seals && errno != EINVAL) return true;
    struct statvfs mount {};
    if (::fstatvfs(self.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) return true;
    struct statx facts {};
    return ::syscall(SYS_statx, self.get(), "", AT_EMPTY_PATH, 0, &facts) == 0 &&
           (facts.stx_attributes & STATX_ATTR_VERITY) != 0;
}

sys::Fd sealed_copy(sys::FdRef self, const std::string& name) {
    sys::Fd copy(static_cast<int>(::syscall(SYS_memfd_create, name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)));
    if (!copy) throw Error(errno, "memfd_create");
    auto left = static_cast<std::size_t>(sys::stat_fd(self).st_size);
    while (left > 0) {
        const auto sent = ::sendfile(copy.get(), self.get(), nullptr, left);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) throw Error(sent < 0 ? errno : EIO, "copy the runtime's binary");
        left -= static_cast<std::size_t>(sent);
    }
    ::fchmod(copy.get(), 0500);
    if (::fcntl(copy.get(), F_ADD_SEALS, all_seals) != 0) throw Error(errno, "seal the runtime's binary");
    return copy;
}

// The same file by a read-only mount that nothing leads to. Executing it closes this descriptor, which takes the mount
// out of its namespace for good: nobody can make it writable any more (mount_setattr, remount and open_tree all refuse
// a mount without a namespace). Costs nothing in memory and shares the host's page cache; needs CAP_SYS_ADMIN and
// Linux 5.12.
sys::Fd read_only_mount(sys::FdRef self) {
    sys::Fd mount(static_cast<int>(
        ::syscall(SYS_open_tree, self.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
    if (!mount) return mount;
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
        return sys::Fd();
    return mount;
}

}  // namespace

void try_protect_binary(char** argv) noexcept {
    const sys::Fd self = sys::try_open("/proc/self/exe", O_RDONLY);
    errno = 0;
    is_protected = self && cannot_be_written(self);
    if (!self || is_protected) return;
    const sys::Fd mount = read_only_mount(self);
    if (!mount) return;
    char* const called = argv[0];
    std::string program = sys::try_read_link(sys::FdRef(AT_FDCWD), "/proc/self/exe").value_or("");
    if (!program.empty()) argv[0] = program.data();  // by which own_program() finds it again
    ::syscall(SYS_execveat, mount.get(), "", argv, environ, AT_EMPTY_PATH);
    argv[0] = called;
}

void protect_binary(char** argv) {
    if (!is_protected) try_protect_binary(argv);
    if (is_protected) return;
    const sys::Fd self = sys::open("/proc/self/exe", O_RDONLY);
    const std::string program = sys::try_read_link(sys::FdRef(AT_FDCWD), "/proc/self/exe").value_or("");
    const sys::Fd copy = sealed_copy(self, sys::copy_name(program));
    ::syscall(SYS_execveat, copy.get(), "", argv, environ, AT_EMPTY_PATH);
    throw Error(errno, "execute the runtime's protected copy");
}

}  // namespace gpurun::cli
