#include "cli/protect.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

extern char** environ;

namespace gpurun::cli {
namespace {

constexpr int all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

bool cannot_be_written(sys::FdRef self) {
    if ((::fcntl(self.get(), F_GET_SEALS) & all_seals) == all_seals && errno != EINVAL) return true;
    struct statvfs mount {};
    if (::fstatvfs(self.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) return true;
    struct statx facts {};
    return ::syscall(SYS_statx, self.get(), "", AT_EMPTY_PATH, 0, &facts) == 0 &&
           (facts.stx_attributes & STATX_ATTR_VERITY) != 0;
}

sys::Fd sealed_copy(sys::FdRef self) {
    sys::Fd copy(static_cast<int>(::syscall(SYS_memfd_create, "gpurun", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
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

}  // namespace

void protect_binary(char** argv) {
    const sys::Fd self = sys::open("/proc/self/exe", O_RDONLY);
    errno = 0;
    if (cannot_be_written(self)) return;
    const sys::Fd copy = sealed_copy(self);
    ::syscall(SYS_execveat, copy.get(), "", argv, environ, AT_EMPTY_PATH);
    throw Error(errno, "execute the runtime's protected copy");
}

}  // namespace gpurun::cli
