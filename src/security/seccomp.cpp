#include <gpurun/error.h>
#include <gpurun/security.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/table.h"
#include "base/text.h"
#include "security/seccomp_code.h"
#include "security/seccomp_rules.h"
#include "security/syscalls.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace gpurun::security {
namespace {

constexpr Name<std::uint32_t> flag_table[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

constexpr std::size_t max_instructions = BPF_MAXINSNS;

std::uint32_t resolve_flags(const spec::Seccomp& profile, bool notifies) {
    // Speculation mitigations cost every process of the container; runc and crun turn them off where the config says
    // nothing.
    if (!profile.flags)
        return notifies ? SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER
                        : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    std::uint32_t flags = 0;
    for (const auto& name : *profile.flags) {
        const auto flag = value_of(flag_table, name);
        if (!flag) throw Error(format("linux.seccomp.flags: \"{}\" is not known", name));
        flags |= *flag;
    }
    if (!notifies) return flags & ~static_cast<std::uint32_t>(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    // The kernel can't return a thread id and a listener at once.
    if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

}  // namespace

Filter compile(const spec::Seccomp& profile) {
    const ProfileRules rules = resolve_profile(profile);
    if (rules.notifies && profile.listener_path.empty())
        throw Error("linux.seccomp.listenerPath: needed because a rule has SCMP_ACT_NOTIFY");
    if (!profile.listener_metadata.empty() && profile.listener_path.empty())
        throw Error("linux.seccomp.listenerMetadata: must not be set without listenerPath");
    Filter filter{
        .program = generate(rules), .flags = resolve_flags(profile, rules.notifies), .notifies = rules.notifies};
    if (filter.program.size() > max_instructions)
        throw Error(format("linux.seccomp: the profile needs {} instructions, the kernel takes {}",
                           filter.program.size(), max_instructions));
    return filter;
}

std::string to_bytes(const Filter& filter) {
    std::string bytes(reinterpret_cast<const char*>(&filter.flags), sizeof filter.flags);
    return bytes.append(reinterpret_cast<const char*>(filter.program.data()),
                        filter.program.size() * sizeof(sock_filter));
}

Filter from_bytes(std::string_view bytes) {
    Filter filter;
    if (bytes.size() <= sizeof filter.flags || (bytes.size() - sizeof filter.flags) % sizeof(sock_filter) != 0)
        throw Error(format("compiled seccomp filter: {} bytes, want 4 and 8 for each instruction", bytes.size()));
    std::memcpy(&filter.flags, bytes.data(), sizeof filter.flags);
    bytes.remove_prefix(sizeof filter.flags);
    filter.program.resize(bytes.size() / sizeof(sock_filter));
    std::memcpy(filter.program.data(), bytes.data(), bytes.size());
    filter.notifies = (filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
    return filter;
}

std::vector<std::string> unknown_calls(const spec::Seccomp& profile) {
    std::vector<std::string> names;
    for (const auto& rule : profile.syscalls)
        for (const auto& name : rule.names)
            if (find_syscall(name) < 0) names.push_back(name);
    return names;
}

sys::Fd load(const Filter& filter) {
    if (filter.program.empty()) return sys::Fd();
    // The kernel does not write to it.
    sock_fprog program{.len = static_cast<unsigned short>(filter.program.size()),
                       .filter = const_cast<sock_filter*>(filter.program.data())};
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program);
    if (result >= 0) return sys::Fd(filter.notifies ? static_cast<int>(result) : -1);
    const int failure = errno;
    // Sandboxes around us may know prctl only.
    const bool plain = (filter.flags & ~static_cast<std::uint32_t>(SECCOMP_FILTER_FLAG_SPEC_ALLOW)) == 0;
    if (failure == ENOSYS && plain && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        return sys::Fd();
    throw Error(failure, "load the seccomp filter");
}

std::vector<std::string> supported_seccomp_flags() {
    std::vector<std::string> names;
    for (const auto& row : flag_table) {
        // A null program gives EFAULT when the flags are fine, EINVAL when one is not known.
        const std::uint32_t companion =
            row.value == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, row.value | companion, nullptr) != 0 && errno == EFAULT)
            names.emplace_back(row.name);
    }
    return names;
}

}  // namespace gpurun::security
