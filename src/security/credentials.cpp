#include "security/credentials.h"

#include <gpurun/error.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::security {
namespace {

// 32-bit architectures have 16-bit ids under the plain names.
#ifdef SYS_setresuid32
constexpr long setgroups_call = SYS_setgroups32, setresgid_call = SYS_setresgid32, setresuid_call = SYS_setresuid32;
#else
constexpr long setgroups_call = SYS_setgroups, setresgid_call = SYS_setresgid, setresuid_call = SYS_setresuid;
#endif

bool setgroups_denied(sys::FdRef proc) {
    const auto setting = sys::try_read_file_at(proc, "self/setgroups", sys::Resolve::beneath, 16);
    return setting && setting->starts_with("deny");
}

void set_groups(const std::vector<std::uint32_t>& groups, sys::FdRef proc) {
    if (::syscall(setgroups_call, groups.size(), groups.data()) == 0) return;
    const int failure = errno;
    if (failure == EPERM && groups.empty() && setgroups_denied(proc)) return;
    std::string list;
    for (const auto group : groups) list += format("{}{}", list.empty() ? "" : ",", group);
    throw Error(failure, format("set additional groups [{}]", list));
}

// The errno of an id that the user namespace does not map says nothing to most readers.
[[noreturn]] void refuse_id(const char* what, std::uint32_t id) {
    const int failure = errno;
    throw Error(failure,
                format("set {} {}{}", what, id, failure == EINVAL ? " (not mapped in the user namespace)" : ""));
}

}  // namespace

void give_standard_streams(std::uint32_t uid) noexcept {
    const dev_t null_device = makedev(1, 3);
    for (int stream = 0; stream <= 2; ++stream) {
        struct stat facts {};
        if (::fstat(stream, &facts) != 0 || facts.st_uid == uid) continue;
        if (S_ISCHR(facts.st_mode) && facts.st_rdev == null_device) continue;
        // The group stays: a terminal belongs to group tty.
        static_cast<void>(::fchown(stream, uid, static_cast<gid_t>(-1)));
    }
}

void set_user(const spec::User& user, Groups groups, sys::FdRef proc) {
    if (groups == Groups::set) set_groups(user.additional_gids, proc);
    if (::syscall(setresgid_call, user.gid, user.gid, user.gid) != 0) refuse_id("gid", user.gid);
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw Error(errno, "prctl(PR_SET_KEEPCAPS)");
    if (::syscall(setresuid_call, user.uid, user.uid, user.uid) != 0) refuse_id("uid", user.uid);
}

void forget_kept_capabilities() noexcept { ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0); }

void set_no_new_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw Error(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
}

}  // namespace gpurun::security
