#pragma once

#include <gpurun/spec.h>

#include "sys/fd.h"

/// Who a process is. The calls are raw system calls: a C library's setuid speaks to all threads it believes to exist,
/// and after a raw clone of a process with threads it believes wrongly.
namespace gpurun::security {

/// Makes standard input, output and error belong to \a uid, so that the user can reopen /dev/stdout; /dev/null and what
/// can't be changed (read-only, not mapped) are left. Before set_user.
void give_standard_streams(std::uint32_t uid) noexcept;

enum class Groups {
    set,   ///< To the user's additional ones, none else.
    keep,  ///< The caller's.
};

/// Supplementary groups, gid, uid, in this order. Permitted capabilities are kept over the change of uid
/// (PR_SET_KEEPCAPS), the effective ones are gone unless uid stays 0: `apply` comes next. \a proc: a private procfs,
/// asked only when setgroups is refused: a user namespace that denies setgroups(2) is fine as long as no additional
/// groups are wanted. Throws Error naming the id. Runs in the container, in the container's user namespace;
/// config.md#posix-platform-user.
void set_user(const spec::User& user, Groups groups, sys::FdRef proc);

/// Ends what set_user began: the next change of uid drops capabilities again.
void forget_kept_capabilities() noexcept;

/// PR_SET_NO_NEW_PRIVS: execve never gains privileges from here on; cannot be undone.
void set_no_new_privileges();

}  // namespace gpurun::security
