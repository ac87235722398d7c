#include <gpurun/error.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <random>
#include <set>
#include <stdexcept>

#include "base/text.h"
#include "seccomp_oracle.h"

using namespace gpurun;

namespace {

using Random = std::mt19937_64;

constexpr std::uint32_t x32_bit = 0x40000000;

std::size_t below(Random& random, std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}
bool chance(Random& random, unsigned percent) { return below(random, 100) < percent; }

template <typename Container>
const auto& one_of(Random& random, const Container& choices) {
    return choices[below(random, std::size(choices))];
}

constexpr std::uint64_t interesting[] = {0,
                                         1,
                                         2,
                                         3,
                                         9,
                                         16,
                                         40,
                                         0x20000,
                                         0x7e020000,
                                         0x7fffffff,
                                         0x80000000,
                                         0xffffffff,
                                         0x100000000,
                                         0x100000001,
                                         0x500000003,
                                         0x8000000000000000,
                                         0xffffffff00000000,
                                         0xffffffffffffffff};

spec::SeccompArgument random_argument(Random& random) {
    static const std::string operators[] = {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                                            "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};
    spec::SeccompArgument argument{.index = static_cast<std::uint32_t>(below(random, 6)),
                                   .value = one_of(random, interesting),
                                   .value_two = one_of(random, interesting),
                                   .op = one_of(random, operators)};
    return argument;
}

// Each name gets conditional rules with one action only: which of two overlapping ones wins is libseccomp's affair.
spec::Seccomp random_profile(Random& random, const std::vector<std::string>& names) {
    static const std::string actions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",        "SCMP_ACT_KILL", "SCMP_ACT_TRAP",
                                          "SCMP_ACT_LOG",   "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRACE"};
    spec::Seccomp profile{.default_action = one_of(random, actions)};
    for (const auto* name : {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"})
        if (chance(random, 60)) profile.architectures.emplace_back(name);
    std::set<std::string> used;
    for (std::size_t entries = 1 + below(random, 12); entries > 0; --entries) {
        spec::SeccompSyscall entry{.action = one_of(random, actions)};
        if (chance(random, 20) && (entry.action == "SCMP_ACT_ERRNO" || entry.action == "SCMP_ACT_TRACE"))
            entry.errno_ret = 38;
        if (chance(random, 40)) {
            for (std::size_t count = 1 + below(random, 3); count > 0; --count)
                entry.args.push_back(random_argument(random));
            entry.names = {one_of(random, names)};
            if (!used.insert(entry.names[0]).second) continue;
        } else {
            for (std::size_t count = 1 + below(random, 60); count > 0; --count) {
                entry.names.push_back(one_of(random, names));
                used.insert(entry.names.back());
            }
        }
        profile.syscalls.push_back(std::move(entry));
    }
    return profile;
}

// Every name that libseccomp resolves too, so without the newer ones of our table.
std::vector<std::string> all_names() {
    std::set<std::string> names;
    for (const std::uint32_t architecture : std::initializer_list<std::uint32_t>{SCMP_ARCH_X86_64, SCMP_ARCH_X86})
        for (int number = 0; number < 600; ++number)
            if (char* const name = seccomp_syscall_resolve_num_arch(architecture, number)) {
                names.insert(name);
                std::free(name);
            }
    return {names.begin(), names.end()};
}

std::vector<std::uint32_t> all_numbers() {
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t number = 0; number <= 600; ++number) {
        numbers.push_back(number);
        numbers.push_back(x32_bit + number);
    }
    for (const std::uint32_t edge : {0x3fffffffu, 0x7fffffffu, 0x80000000u, 0x80000001u, 0xbfffffffu, 0xc0000000u,
                                     0xc0000001u, 0xfffffffeu, 0xffffffffu})
        numbers.push_back(edge);
    return numbers;
}

void fill(Random& random, seccomp_data& data, const spec::Seccomp& profile) {
    for (auto& argument : data.args) argument = one_of(random, interesting) + (chance(random, 20) ? 1 : 0);
    // Hit the profile's own values often: a rule that never holds tests nothing.
    for (const auto& entry : profile.syscalls)
        for (const auto& argument : entry.args)
            if (chance(random, 30))
                data.args[argument.index] = chance(random, 50) ? argument.value : argument.value_two;
}

std::string describe(const spec::Seccomp& profile) {
    std::string text = format("default {} archs [{}]\n", profile.default_action, join(profile.architectures, ","));
    for (const auto& entry : profile.syscalls) {
        text += format("  {} {} ", entry.action, join(entry.names, ","));
        for (const auto& argument : entry.args)
            text += format(" a{} {} {:#x} {:#x}", argument.index, argument.op, argument.value, argument.value_two);
        text += '\n';
    }
    return text;
}

enum class Verdict { equal, different, refused };

// Compares both programs on every number of every architecture.
Verdict compare(Random& random, const spec::Seccomp& profile, unsigned probes) {
    const auto expected = oracle::compile(profile);
    if (expected.empty()) return Verdict::refused;
    const oracle::Stub stub(profile);
    const auto actual = security::compile(profile).program;
    for (const std::uint32_t arch :
         std::initializer_list<std::uint32_t>{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64}) {
        for (const std::uint32_t number : all_numbers()) {
            for (unsigned probe = 0; probe < probes; ++probe) {
                seccomp_data data{.nr = static_cast<int>(number), .arch = arch};
                fill(random, data, profile);
                const std::uint32_t want = stub.refuses(data) ? SECCOMP_RET_ERRNO | 38u : oracle::run(expected, data);
                const std::uint32_t got = oracle::run(actual, data);
                if (want == got) continue;
                BOOST_ERROR(
                    format("arch {:#x} number {:#x} arguments {:#x} {:#x} {:#x} {:#x} {:#x} {:#x}: {:#x}, but "
                           "libseccomp says {:#x}\n{}",
                           arch, number, data.args[0], data.args[1], data.args[2], data.args[3], data.args[4],
                           data.args[5], got, want, describe(profile)));
                return Verdict::different;
            }
        }
    }
    return Verdict::equal;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(security_seccomp_oracle)

#ifdef __x86_64__

BOOST_AUTO_TEST_CASE(random_profiles_answer_as_libseccomps_do) {
    Random random(20);
    const auto names = all_names();
    int compared = 0;
    for (int round = 0; round < 60; ++round) {
        const Verdict verdict = compare(random, random_profile(random, names), 3);
        if (verdict == Verdict::different) break;
        compared += verdict == Verdict::equal;
    }
    BOOST_TEST(compared > 40);
}

spec::SeccompArgument argument(std::uint32_t index, const char* op, std::uint64_t value, std::uint64_t value_two = 0) {
    return {.index = index, .value = value, .value_two = value_two, .op = op};
}

// What engines' profiles contain: namespaces masked out of clone, personalities one by one, audit sockets only for
// some, different errnos for different values.
BOOST_AUTO_TEST_CASE(the_idioms_of_engines_profiles_answer_as_libseccomps_do) {
    Random random(21);
    spec::Seccomp profile;
    profile.default_action = "SCMP_ACT_ERRNO";
    // Not i386, where libseccomp finds the three socket rules contradictory as parts of socketcall and gives up.
    profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X32"};
    const auto add = [&](const char* name, const char* action, std::vector<spec::SeccompArgument> args,
                         std::optional<std::uint32_t> code = {}) {
        profile.syscalls.push_back({.names = {name}, .action = action, .errno_ret = code, .args = std::move(args)});
    };
    add("clone", "SCMP_ACT_ALLOW", {argument(0, "SCMP_CMP_MASKED_EQ", 0x7e020000)});
    add("clone3", "SCMP_ACT_ERRNO", {}, 38);
    for (const std::uint64_t value : {0x0ull, 0x8ull, 0x20000ull, 0x20008ull, 0xffffffffull})
        add("personality", "SCMP_ACT_ALLOW", {argument(0, "SCMP_CMP_EQ", value)});
    add("socket", "SCMP_ACT_ERRNO", {argument(0, "SCMP_CMP_EQ", 16), argument(2, "SCMP_CMP_EQ", 9)}, 22);
    add("socket", "SCMP_ACT_ALLOW", {argument(2, "SCMP_CMP_NE", 9)});
    add("socket", "SCMP_ACT_ALLOW", {argument(0, "SCMP_CMP_NE", 16)});
    add("ioctl", "SCMP_ACT_ALLOW", {argument(1, "SCMP_CMP_EQ", 1)});
    add("ioctl", "SCMP_ACT_LOG", {argument(1, "SCMP_CMP_EQ", 2)});
    add("ioctl", "SCMP_ACT_ERRNO", {argument(1, "SCMP_CMP_EQ", 0x100000003)}, 25);
    add("getpgid", "SCMP_ACT_ALLOW", {argument(0, "SCMP_CMP_EQ", 3)});
    add("getpgid", "SCMP_ACT_KILL", {});
    add("getpgid", "SCMP_ACT_ALLOW", {argument(0, "SCMP_CMP_EQ", 9)});
    BOOST_TEST((compare(random, profile, 40) == Verdict::equal));
}

#endif

BOOST_AUTO_TEST_SUITE_END()
