// Any profile is a program the kernel would take or an Error; and the program answers every call as the rules read one
// after the other do.
#include <gpurun/error.h>
#include <gpurun/security.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "security/seccomp_code.h"
#include "security/seccomp_rules.h"
#include "security/syscalls.h"

namespace {

using namespace gpurun;

// Hands out the input piece by piece, then zeros.
class Input {
 public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    std::uint8_t byte() {
        if (left_ == 0) return 0;
        --left_;
        return *data_++;
    }
    std::uint64_t value() {
        std::uint64_t value = 0;
        const unsigned shift = byte() % 8 * 8;
        for (int i = 0; i < 8; ++i) value = value << 8 | (i < 2 ? byte() : 0);
        return shift == 0 ? value : value << (64 - shift) | value >> shift;
    }
    bool empty() const { return left_ == 0; }

 private:
    const std::uint8_t* data_;
    std::size_t left_;
};

template <std::size_t Size>
const char* one_of(Input& input, const char* const (&words)[Size]) {
    return words[input.byte() % Size];
}

constexpr const char* actions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
                                   "SCMP_ACT_LOG",   "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"};
constexpr const char* operators[] = {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                                     "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};
constexpr const char* names[] = {"read", "write", "ioctl",   "socket",    "socketcall", "semop",
                                 "ipc",  "clone", "openat2", "cachestat", "nonsense",   "send"};
constexpr const char* architecture_names[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"};

spec::Seccomp profile_from(Input& input) {
    spec::Seccomp profile;
    profile.default_action = one_of(input, actions);
    profile.listener_path = "/agent";
    for (int count = input.byte() % 4; count > 0; --count)
        profile.architectures.emplace_back(one_of(input, architecture_names));
    while (!input.empty() && profile.syscalls.size() < 200) {
        spec::SeccompSyscall entry;
        entry.action = one_of(input, actions);
        for (int count = 1 + input.byte() % 3; count > 0; --count) entry.names.emplace_back(one_of(input, names));
        for (int count = input.byte() % 4; count > 0; --count)
            entry.args.push_back({.index = input.byte() % 7u,
                                  .value = input.value(),
                                  .value_two = input.value(),
                                  .op = one_of(input, operators)});
        profile.syscalls.push_back(std::move(entry));
    }
    return profile;
}

bool holds(const security::Condition& condition, const seccomp_data& data, bool wide) {
    const std::uint64_t width = wide ? ~std::uint64_t{0} : 0xffffffffu;
    const std::uint64_t argument = data.args[condition.index] & condition.mask & width, value = condition.value & width;
    switch (condition.compare) {
        case security::Compare::equal: return argument == value;
        case security::Compare::not_equal: return argument != value;
        case security::Compare::less: return argument < value;
        case security::Compare::less_equal: return argument <= value;
        case security::Compare::greater: return argument > value;
        case security::Compare::greater_equal: return argument >= value;
    }
    std::abort();
}

std::uint32_t read_rules(const security::ProfileRules& profile, const security::ArchitectureRules& rules,
                         const seccomp_data& data) {
    const auto number = static_cast<std::uint32_t>(data.nr);
    if (profile.stub && rules.newest && number > *rules.newest) return SECCOMP_RET_ERRNO | ENOSYS;
    for (const auto& answer : rules.answers) {
        if (answer.number != number) continue;
        if (!answer.rules) return answer.action;
        for (const auto& rule : *answer.rules) {
            bool all = true;
            for (const auto& condition : rule.conditions)
                all = all && holds(condition, data, security::architectures()[rules.architecture].wide);
            if (all) return rule.action;
        }
    }
    return profile.default_action;
}

std::uint32_t execute(std::span<const sock_filter> program, const seccomp_data& data) {
    std::uint32_t accumulator = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (step.k % 4 != 0 || step.k > sizeof data - 4) std::abort();
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, 4);
                break;
            case BPF_ALU | BPF_AND | BPF_K: accumulator &= step.k; break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: at += accumulator == step.k ? step.jt : step.jf; break;
            case BPF_JMP | BPF_JGE | BPF_K: at += accumulator >= step.k ? step.jt : step.jf; break;
            case BPF_JMP | BPF_JGT | BPF_K: at += accumulator > step.k ? step.jt : step.jf; break;
            case BPF_RET | BPF_K: return step.k;
            default: std::abort();
        }
    }
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Input input(bytes, size);
    seccomp_data data{};
    for (auto& argument : data.args) argument = input.value();
    const std::uint32_t shift = input.byte() % 4;
    const auto profile = profile_from(input);
    try {
        const security::ProfileRules rules = security::resolve_profile(profile);
        const auto program = security::generate(rules);
        for (const auto& listed : rules.architectures) {
            const auto& architecture = security::architectures()[listed.architecture];
            data.arch = architecture.audit;
            for (std::uint32_t number = shift; number < 480; number += 4) {
                data.nr = static_cast<int>(architecture.base + number);
                if (execute(program, data) != read_rules(rules, listed, data)) std::abort();
            }
        }
        security::compile(profile);
    } catch (const Error&) {
    }
    return 0;
}
