#include <algorithm>

#include "spec/invalid.h"
#include "spec/seccomp_names.h"

namespace gpurun::spec {
namespace {

template <std::size_t Size>
void require_known(const std::string_view (&names)[Size], const std::string& name, const std::string& at) {
    if (std::find(std::begin(names), std::end(names), name) != std::end(names)) return;
    std::string known;
    for (const auto& each : names) known.append(known.empty() ? "" : ", ").append(each);
    throw Invalid(at, format("expected one of {}, got \"{}\"", known, name));
}

/// Only these two actions hand a number to the caller or tracer; config-linux.md#seccomp wants an error for the others.
bool takes_errno(std::string_view action) { return action == "SCMP_ACT_ERRNO" || action == "SCMP_ACT_TRACE"; }

void check_errno(const std::string& action, const std::optional<std::uint32_t>& value, const std::string& at) {
    constexpr std::uint32_t highest = 0xffff;  // SECCOMP_RET_DATA
    if (!value) return;
    if (!takes_errno(action)) throw Invalid(at, format("expected nothing, as {} has no errno, got {}", action, *value));
    if (*value > highest) throw Invalid(at, format("expected at most {}, got {}", highest, *value));
}

void check_rule(const SeccompSyscall& rule, const std::string& at) {
    constexpr std::uint32_t last_argument = 5;
    if (rule.names.empty()) throw Invalid(at + ".names", "expected at least one system call, got none");
    require_known(seccomp_actions, rule.action, at + ".action");
    check_errno(rule.action, rule.errno_ret, at + ".errnoRet");
    // The runtime itself hands the listener over after loading the filter, which needs write.
    if (rule.action == "SCMP_ACT_NOTIFY" &&
        std::find(rule.names.begin(), rule.names.end(), "write") != rule.names.end())
        throw Invalid(at, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    for (std::size_t place = 0; place < rule.args.size(); ++place) {
        const SeccompArgument& argument = rule.args[place];
        const std::string here = format("{}.args[{}]", at, place);
        if (argument.index > last_argument)
            throw Invalid(here + ".index", format("expected 0 to {}, got {}", last_argument, argument.index));
        require_known(seccomp_operators, argument.op, here + ".op");
    }
}

}  // namespace

void check_seccomp(const Seccomp& seccomp, const std::string& at) {
    require_known(seccomp_actions, seccomp.default_action, at + ".defaultAction");
    if (seccomp.default_action == "SCMP_ACT_NOTIFY")
        throw Invalid(at + ".defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action");
    check_errno(seccomp.default_action, seccomp.default_errno_ret, at + ".defaultErrnoRet");
    for (std::size_t place = 0; place < seccomp.architectures.size(); ++place)
        require_known(seccomp_architectures, seccomp.architectures[place], format("{}.architectures[{}]", at, place));
    if (seccomp.flags)
        for (std::size_t place = 0; place < seccomp.flags->size(); ++place)
            require_known(seccomp_flags, (*seccomp.flags)[place], format("{}.flags[{}]", at, place));
    if (seccomp.listener_path.empty() && !seccomp.listener_metadata.empty())
        throw Invalid(at + ".listenerMetadata", "expected nothing without listenerPath");
    for (std::size_t place = 0; place < seccomp.syscalls.size(); ++place)
        check_rule(seccomp.syscalls[place], format("{}.syscalls[{}]", at, place));
}

}  // namespace gpurun::spec
