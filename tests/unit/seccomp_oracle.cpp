#include "seccomp_oracle.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>

namespace gpurun::oracle {
namespace {

const std::map<std::string, std::uint32_t> actions = {
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
};

const std::map<std::string, scmp_compare> operators = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

const std::map<std::string, std::uint32_t> architecture_tokens = {
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},   {"SCMP_ARCH_X86", SCMP_ARCH_X86}, {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64}, {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
};

std::uint32_t action_of(const std::string& name, std::optional<std::uint32_t> value) {
    if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(value.value_or(EPERM));
    if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(value.value_or(EPERM));
    return actions.at(name);
}

struct Conflict {};

void check(int result, const std::string& what) {
    if (result == -EEXIST) throw Conflict();
    if (result < 0) throw std::runtime_error(what + ": " + std::strerror(-result));
}

void add_entry(scmp_filter_ctx context, const spec::SeccompSyscall& entry, std::uint32_t default_action) {
    const std::uint32_t action = action_of(entry.action, entry.errno_ret);
    if (action == default_action) return;
    std::vector<scmp_arg_cmp> conditions;
    std::map<unsigned, int> uses;
    for (const auto& argument : entry.args) {
        conditions.push_back({argument.index, operators.at(argument.op), argument.value, argument.value_two});
        ++uses[argument.index];
    }
    const bool repeated = std::any_of(uses.begin(), uses.end(), [](const auto& use) { return use.second > 1; });
    for (const auto& name : entry.names) {
        const int number = seccomp_syscall_resolve_name(name.c_str());
        if (number == __NR_SCMP_ERROR) continue;
        if (!repeated) {
            check(seccomp_rule_add_array(context, action, number, static_cast<unsigned>(conditions.size()),
                                         conditions.data()),
                  name);
            continue;
        }
        for (const auto& condition : conditions)
            check(seccomp_rule_add_array(context, action, number, 1, &condition), name);
    }
}

}  // namespace

std::vector<sock_filter> compile(const spec::Seccomp& profile) {
    const std::uint32_t default_action = action_of(profile.default_action, profile.default_errno_ret);
    const scmp_filter_ctx context = seccomp_init(default_action);
    try {
        for (const auto& name : profile.architectures) {
            const std::uint32_t token = architecture_tokens.at(name);
            if (token != seccomp_arch_native()) check(seccomp_arch_add(context, token), name);
        }
        for (const auto& entry : profile.syscalls) add_entry(context, entry, default_action);
        const int file = memfd_create("seccomp", MFD_CLOEXEC);
        check(seccomp_export_bpf(context, file), "export");
        std::vector<sock_filter> program(static_cast<std::size_t>(lseek(file, 0, SEEK_END)) / sizeof(sock_filter));
        if (pread(file, program.data(), program.size() * sizeof(sock_filter), 0) < 0) throw std::runtime_error("pread");
        close(file);
        seccomp_release(context);
        return program;
    } catch (const Conflict&) {
        seccomp_release(context);
        return {};
    }
}

Stub::Stub(const spec::Seccomp& profile) {
    for (const auto* name : {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"})
        if (profile.default_action == name) return;
    std::set<std::uint32_t> tokens{seccomp_arch_native()};
    for (const auto& name : profile.architectures) tokens.insert(architecture_tokens.at(name));
    for (const std::uint32_t token : tokens) {
        int newest = -1;
        for (const auto& entry : profile.syscalls)
            for (const auto& call : entry.names) {
                const int number = seccomp_syscall_resolve_name_arch(token, call.c_str());
                newest = std::max(newest, number);
                // runc forgets the multiplexer when only parts of it are named.
                if (token == SCMP_ARCH_X86 && number <= -101 && number >= -299)
                    newest = std::max(newest, number > -200 ? 102 : 117);
            }
        if (newest >= 0) newest_[token] = static_cast<std::uint32_t>(newest);
    }
}

bool Stub::refuses(const seccomp_data& data) const {
    const auto number = static_cast<std::uint32_t>(data.nr);
    const bool x32 = data.arch == SCMP_ARCH_X86_64 && (number & 0x40000000) != 0;
    const auto newest = newest_.find(x32 ? SCMP_ARCH_X32 : data.arch);
    return newest != newest_.end() && number > newest->second;
}

std::uint32_t run(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t accumulator = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        const auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (step.k % 4 != 0 || step.k > sizeof data - 4)
                    throw std::runtime_error("load outside of seccomp_data");
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, 4);
                break;
            case BPF_ALU | BPF_AND | BPF_K: accumulator &= step.k; break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: jump(accumulator == step.k); break;
            case BPF_JMP | BPF_JGE | BPF_K: jump(accumulator >= step.k); break;
            case BPF_JMP | BPF_JGT | BPF_K: jump(accumulator > step.k); break;
            case BPF_JMP | BPF_JSET | BPF_K: jump((accumulator & step.k) != 0); break;
            case BPF_RET | BPF_K: return step.k;
            default: throw std::runtime_error("unexpected instruction");
        }
    }
    throw std::runtime_error("the program runs off its end");
}

}  // namespace gpurun::oracle
