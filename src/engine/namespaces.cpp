#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "engine/network.h"
#include "sys/file.h"
#include "sys/process.h"

namespace gpurun::engine {

using spec::NamespaceType;

void enter_cgroup(ContainerSide& side) {
    if (side.tasks == nullptr) return;
    // "0" means the writer; only a single-threaded process may, and then no RCU grace period is waited for.
    for (const sys::Fd& tasks : *side.tasks)
        if (::write(tasks.get(), "0", 1) != 1) throw Error(errno, "enter cgroup");
    side.tasks->clear();
}

void join_namespaces(ContainerSide& side, const plan::step::JoinNamespaces& step) {
    if (side.target) {
        std::uint64_t flags = 0;
        for (const auto type : step.types) flags |= spec::clone_flag(type);
        // A time namespace is entered with the others; the kernel orders the user namespace first by itself.
        if (flags != 0) sys::enter_namespace(side.target, static_cast<int>(flags), "of the container");
        return;
    }
    for (const auto type : step.types) {
        const auto found = side.namespaces->find(type);
        if (found == side.namespaces->end()) throw Error(format("namespace {} was not opened", spec::spec_name(type)));
        if (!found->second) continue;
        sys::enter_namespace(found->second, static_cast<int>(spec::clone_flag(type)), spec::spec_name(type));
    }
}

void enter_network(ContainerSide& side) { sys::enter_namespace(take_over(side.channel), CLONE_NEWNET, "network"); }

void unshare_namespaces(std::uint64_t namespaces) {
    if (::syscall(SYS_unshare, namespaces) != 0) throw Error(errno, "unshare");
}

void become_root(const plan::step::BecomeRoot& step) {
    // Raw calls: libc's would talk to threads that a clone by system call does not have. Unmapped ids leave us as we
    // are.
    if (::syscall(SYS_setgroups, 0, nullptr) != 0 && errno != EPERM) throw Error(errno, "setgroups");
    if (::syscall(SYS_setresgid, step.gid, step.gid, step.gid) != 0 && errno != EINVAL)
        throw Error(errno, format("setresgid {}", step.gid));
    // Where 0 is not mapped no user id is root's, and changing it takes no capability away.
    if (::syscall(SYS_setresuid, step.uid, step.uid, step.uid) != 0 && errno != EINVAL)
        throw Error(errno, format("setresuid {}", step.uid));
}

void set_time_offsets(ContainerSide& side, const plan::step::SetTimeOffsets& step) {
    std::string text;
    for (const auto& [clock, offset] : step.offsets) text += format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
    sys::write_file_at(side.proc, "self/timens_offsets", text);
    // unshare made it for children only; with the offsets in place this process can move there too.
    const sys::Fd own = sys::open_at(side.proc, "self/ns/time_for_children", O_RDONLY);
    sys::enter_namespace(own, 0, "time");
}

void raise_loopback() {
    if (const int failure = try_raise_loopback()) throw Error(failure, "raise lo");
}

void join_keyring(ContainerSide& side, const plan::step::JoinKeyring& step) {
    if (!step.label.empty()) security::set_selinux_key_label(side.proc, step.label);
    const long keyring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, step.name.c_str());
    if (keyring < 0) {
        // Kernels without keys, and sandboxes that forbid them, run containers all the same.
        if (errno == ENOSYS || errno == EPERM || errno == EDQUOT || errno == EACCES) {
            log::debug("no session keyring for the container: {}", errno_text(errno));
            return;
        }
        throw Error(errno, "join session keyring");
    }
    constexpr unsigned user_search = 0x00080000;
    const unsigned possessor_all = 0x3f000000;
    ::syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, possessor_all | user_search | 0x00010000);
    if (!step.label.empty()) security::set_selinux_key_label(side.proc, "");
}

}  // namespace gpurun::engine
