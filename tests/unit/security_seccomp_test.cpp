#include <gpurun/error.h>
#include <gpurun/security.h>
#include <gpurun/spec.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>

#include "base/text.h"
#include "in_child.h"
#include "seccomp_oracle.h"
#include "spec/seccomp_names.h"
#include "sys/file.h"
#include "test_paths.h"

using namespace gpurun;

namespace {

using Entries = std::vector<spec::SeccompSyscall>;

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t refuse(std::uint32_t code) { return SECCOMP_RET_ERRNO | code; }

spec::Seccomp allow_list(Entries entries, std::vector<std::string> architectures = {}) {
    spec::Seccomp profile;
    profile.default_action = "SCMP_ACT_ERRNO";
    profile.architectures = std::move(architectures);
    profile.syscalls = std::move(entries);
    return profile;
}

spec::SeccompSyscall entry(std::vector<std::string> names, std::string action,
                           std::vector<spec::SeccompArgument> args = {}) {
    return {.names = std::move(names), .action = std::move(action), .errno_ret = {}, .args = std::move(args)};
}

std::uint32_t answer(const spec::Seccomp& profile, std::uint32_t arch, std::uint32_t number,
                     std::vector<std::uint64_t> arguments = {}) {
    seccomp_data data{};
    data.arch = arch;
    data.nr = static_cast<int>(number);
    std::copy(arguments.begin(), arguments.end(), data.args);
    return oracle::run(security::compile(profile).program, data);
}

std::string complaint(const spec::Seccomp& profile) {
    try {
        security::compile(profile);
        return "";
    } catch (const Error& error) {
        return error.text();
    }
}

spec::Seccomp installed_profile() {
    const std::string text = sys::read_file(GPURUN_FIXTURES "/../../seccomp/default.json");
    return *spec::parse(format(R"({{"ociVersion": "1.3.0", "linux": {{"seccomp": {}}}}})", text), "default.json")
                .linux->seccomp;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(security_seccomp)

BOOST_AUTO_TEST_CASE(a_filter_survives_as_bytes) {
    auto profile = allow_list({entry({"read"}, "SCMP_ACT_ALLOW"), entry({"mkdir"}, "SCMP_ACT_NOTIFY")});
    profile.listener_path = "/run/agent";
    for (const auto& filter : {security::compile(profile), security::compile(allow_list({}))}) {
        const auto again = security::from_bytes(security::to_bytes(filter));
        BOOST_TEST(again.flags == filter.flags);
        BOOST_TEST(again.notifies == filter.notifies);
        BOOST_TEST(security::to_bytes(again) == security::to_bytes(filter));
    }
}

BOOST_AUTO_TEST_CASE(bytes_of_another_length_are_no_filter) {
    const auto bytes = security::to_bytes(security::compile(allow_list({})));
    for (const auto length : {std::size_t{0}, std::size_t{4}, bytes.size() - 1})
        BOOST_CHECK_THROW(security::from_bytes(std::string_view(bytes).substr(0, length)), Error);
}

BOOST_AUTO_TEST_CASE(every_word_of_the_spec_is_understood) {
    for (const auto action : spec::seccomp_actions) {
        spec::Seccomp profile = allow_list({entry({"getppid"}, std::string(action))});
        profile.listener_path = "/run/agent.sock";
        BOOST_TEST(complaint(profile) == "", action);
    }
    for (const auto op : spec::seccomp_operators)
        BOOST_TEST(complaint(allow_list({entry({"getppid"}, "SCMP_ACT_ALLOW",
                                               {{.index = 1, .value = 1, .op = std::string(op)}})})) == "",
                   op);
    for (const auto architecture : spec::seccomp_architectures)
        BOOST_TEST(complaint(allow_list({}, {std::string(architecture)})) == "", architecture);
    for (const auto flag : spec::seccomp_flags) {
        spec::Seccomp profile = allow_list({});
        profile.flags = {std::string(flag)};
        BOOST_TEST(complaint(profile) == "", flag);
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_word_is_named_with_its_place) {
    BOOST_TEST(complaint(allow_list({}, {"SCMP_ARCH_Z80"})) ==
               "linux.seccomp.architectures: \"SCMP_ARCH_Z80\" is not an architecture");
    BOOST_TEST(complaint(allow_list({entry({"read"}, "SCMP_ACT_ALLOW"), entry({"write"}, "ALLOW")}))
                   .starts_with("linux.seccomp.syscalls[1].action: \"ALLOW\" is not one of SCMP_ACT_KILL, "));
    BOOST_TEST(complaint(allow_list({entry({"read"}, "SCMP_ACT_ALLOW", {{.index = 6, .op = "SCMP_CMP_EQ"}})})) ==
               "linux.seccomp.syscalls[0].args[0].index: 6 is not one of 0 to 5");
    BOOST_TEST(complaint(allow_list({entry({"read"}, "SCMP_ACT_ALLOW", {{.index = 0, .op = "=="}})}))
                   .starts_with("linux.seccomp.syscalls[0].args[0].op: \"==\" is not one of "));
    BOOST_TEST(complaint(allow_list({entry({}, "SCMP_ACT_ALLOW")})) ==
               "linux.seccomp.syscalls[0].names: at least one name is needed");
}

BOOST_AUTO_TEST_CASE(an_errno_belongs_to_errno_and_trace_only) {
    auto profile = allow_list({entry({"read"}, "SCMP_ACT_ALLOW")});
    profile.syscalls[0].errno_ret = 5;
    BOOST_TEST(complaint(profile) ==
               "linux.seccomp.syscalls[0].action: errnoRet can't be combined with SCMP_ACT_ALLOW");
    profile.syscalls[0] = entry({"read"}, "SCMP_ACT_TRACE");
    profile.syscalls[0].errno_ret = 5;
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_read) == (SECCOMP_RET_TRACE | 5u));
    profile.default_errno_ret = 70000;
    BOOST_TEST(complaint(profile) == "linux.seccomp.defaultAction: defaultErrnoRet 70000 is not an errno");
}

BOOST_AUTO_TEST_CASE(notifications_need_a_path_and_spare_what_the_runtime_needs) {
    auto profile = allow_list({entry({"getppid"}, "SCMP_ACT_NOTIFY")});
    BOOST_TEST(complaint(profile) == "linux.seccomp.listenerPath: needed because a rule has SCMP_ACT_NOTIFY");
    profile.listener_path = "/run/agent.sock";
    const auto filter = security::compile(profile);
    BOOST_TEST(filter.notifies);
    BOOST_TEST(filter.flags == (SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER));
    profile.syscalls[0].names = {"write"};
    BOOST_TEST(complaint(profile) == "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY can't be used for write");
    profile.default_action = "SCMP_ACT_NOTIFY";
    BOOST_TEST(complaint(profile) == "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY can't be the default");
}

BOOST_AUTO_TEST_CASE(absent_flags_turn_speculation_mitigations_off_and_an_empty_list_does_not) {
    auto profile = allow_list({});
    BOOST_TEST(security::compile(profile).flags == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    profile.flags.emplace();
    BOOST_TEST(security::compile(profile).flags == 0u);
    // Without a listener the kernel refuses this one.
    profile.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_LOG"};
    BOOST_TEST(security::compile(profile).flags == SECCOMP_FILTER_FLAG_LOG);
}

#ifdef __x86_64__

BOOST_AUTO_TEST_CASE(what_is_newer_than_the_profile_does_not_exist_and_what_is_older_is_refused) {
    const auto profile = allow_list({entry({"read", "openat2"}, "SCMP_ACT_ALLOW")});
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_read) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_write) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 438) == refuse(ENOSYS));
    auto permissive = profile;
    permissive.default_action = "SCMP_ACT_LOG";
    BOOST_TEST(answer(permissive, AUDIT_ARCH_X86_64, 438) == SECCOMP_RET_LOG);
}

BOOST_AUTO_TEST_CASE(names_newer_than_libseccomp_are_known_and_unknown_ones_ignored) {
    const auto profile =
        allow_list({entry({"file_setattr", "no_such_call"}, "SCMP_ACT_ALLOW")}, {"SCMP_ARCH_X86", "SCMP_ARCH_X32"});
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 469) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, 469) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 0x40000000 + 469) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 470) == refuse(ENOSYS));
}

BOOST_AUTO_TEST_CASE(conditions_on_one_argument_are_alternatives_and_on_several_all_needed) {
    const auto either = allow_list(
        {entry({"personality"}, "SCMP_ACT_ALLOW",
               {{.index = 0, .value = 0, .op = "SCMP_CMP_EQ"}, {.index = 0, .value = 8, .op = "SCMP_CMP_EQ"}})});
    BOOST_TEST(answer(either, AUDIT_ARCH_X86_64, SYS_personality, {8}) == allow);
    BOOST_TEST(answer(either, AUDIT_ARCH_X86_64, SYS_personality, {0}) == allow);
    BOOST_TEST(answer(either, AUDIT_ARCH_X86_64, SYS_personality, {9}) == refuse(EPERM));
    BOOST_TEST(answer(either, AUDIT_ARCH_X86_64, SYS_personality, {0x100000008}) == refuse(EPERM));
    const auto both = allow_list(
        {entry({"socket"}, "SCMP_ACT_ALLOW",
               {{.index = 0, .value = 16, .op = "SCMP_CMP_EQ"}, {.index = 2, .value = 9, .op = "SCMP_CMP_NE"}})});
    BOOST_TEST(answer(both, AUDIT_ARCH_X86_64, SYS_socket, {16, 0, 0}) == allow);
    BOOST_TEST(answer(both, AUDIT_ARCH_X86_64, SYS_socket, {16, 0, 9}) == refuse(EPERM));
    BOOST_TEST(answer(both, AUDIT_ARCH_X86_64, SYS_socket, {2, 0, 0}) == refuse(EPERM));
}

BOOST_AUTO_TEST_CASE(of_overlapping_rules_the_first_wins_and_one_without_conditions_replaces_all) {
    auto profile = allow_list({entry({"getpgid"}, "SCMP_ACT_ALLOW", {{.index = 0, .value = 5, .op = "SCMP_CMP_GE"}}),
                               entry({"getpgid"}, "SCMP_ACT_LOG", {{.index = 0, .value = 3, .op = "SCMP_CMP_GE"}})});
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_getpgid, {7}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_getpgid, {4}) == SECCOMP_RET_LOG);
    profile.syscalls.push_back(entry({"getpgid"}, "SCMP_ACT_TRAP"));
    profile.syscalls.push_back(entry({"getpgid"}, "SCMP_ACT_ALLOW"));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_getpgid, {7}) == SECCOMP_RET_TRAP);
}

BOOST_AUTO_TEST_CASE(i386_looks_at_32_bits_and_knows_calls_by_number_and_by_multiplexer) {
    const auto profile =
        allow_list({entry({"socket"}, "SCMP_ACT_ALLOW", {{.index = 0, .value = 2, .op = "SCMP_CMP_EQ"}}),
                    entry({"send", "semop"}, "SCMP_ACT_ALLOW")},
                   {"SCMP_ARCH_X86"});
    constexpr std::uint32_t socket = 359, socketcall = 102, ipc = 117;
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socket, {2}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socket, {0xffffffff00000002}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socket, {3}) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socketcall, {1}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socketcall, {9}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, socketcall, {10}) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ipc, {1}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ipc, {2}) == refuse(EPERM));
}

BOOST_AUTO_TEST_CASE(a_multiplexer_whose_parts_are_named_is_not_newer_than_the_profile) {
    const auto profile = allow_list({entry({"ioctl", "semop"}, "SCMP_ACT_ALLOW")}, {"SCMP_ARCH_X86"});
    constexpr std::uint32_t ioctl = 54, ipc = 117;
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ioctl) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ioctl + 1) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ipc, {1}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ipc, {2}) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, ipc + 1) == refuse(ENOSYS));
}

BOOST_AUTO_TEST_CASE(an_architecture_that_is_not_listed_is_killed_and_the_native_one_always_listed) {
    const auto profile = allow_list({entry({"read"}, "SCMP_ACT_ALLOW")}, {"SCMP_ARCH_AARCH64"});
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_read) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_I386, 3) == SECCOMP_RET_KILL_THREAD);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 0x40000000) == SECCOMP_RET_KILL_THREAD);
    // A tracer writes -1 to skip a call.
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, 0xffffffff) == refuse(EPERM));
}

BOOST_AUTO_TEST_CASE(a_long_list_of_values_needs_long_jumps_and_still_answers_right) {
    Entries entries;
    for (std::uint64_t value = 0; value < 700; ++value)
        entries.push_back(entry({"ioctl"}, value % 2 == 0 ? "SCMP_ACT_ALLOW" : "SCMP_ACT_LOG",
                                {{.index = 1, .value = value << (value % 3 * 20), .op = "SCMP_CMP_EQ"}}));
    entries.push_back(entry({"read", "write", "semop"}, "SCMP_ACT_TRAP"));
    const auto profile = allow_list(entries, {"SCMP_ARCH_X86"});
    const auto program = security::compile(profile).program;
    BOOST_TEST(program.size() > 1000u);
    for (std::uint64_t value = 0; value < 700; ++value) {
        seccomp_data data{};
        data.arch = AUDIT_ARCH_X86_64;
        data.nr = SYS_ioctl;
        data.args[1] = value << (value % 3 * 20);
        BOOST_REQUIRE(oracle::run(program, data) == (value % 2 == 0 ? allow : SECCOMP_RET_LOG));
        data.args[1] ^= std::uint64_t{1} << 60;
        BOOST_REQUIRE(oracle::run(program, data) == refuse(EPERM));
    }
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_write) == SECCOMP_RET_TRAP);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_close) == refuse(EPERM));
}

BOOST_AUTO_TEST_CASE(a_profile_that_the_kernel_would_not_take_is_refused_by_name) {
    Entries entries;
    for (std::uint64_t value = 0; value < 3000; ++value)
        entries.push_back(
            entry({"ioctl"}, "SCMP_ACT_ALLOW", {{.index = 1, .value = value << 32, .op = "SCMP_CMP_EQ"}}));
    BOOST_TEST(complaint(allow_list(entries)).find("instructions, the kernel takes 4096") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_profile_that_comes_with_gpurun_is_short_and_closes_what_it_says) {
    const auto profile = installed_profile();
    BOOST_TEST(security::compile(profile).program.size() < 400u);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_openat) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_mount) == refuse(EPERM));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_clone3) == refuse(ENOSYS));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_clone, {0x11}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_clone, {0x10000011}) == refuse(ENOSYS));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_socket, {10}) == allow);
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_socket, {40}) == refuse(ENOSYS));
    BOOST_TEST(answer(profile, AUDIT_ARCH_X86_64, SYS_socket, {0x10000000a}) == refuse(ENOSYS));
}

#endif

BOOST_AUTO_TEST_CASE(a_loaded_filter_answers_in_the_kernel) {
    BOOST_TEST(in_child([] {
        spec::Seccomp profile;
        profile.default_action = "SCMP_ACT_ALLOW";
        profile.syscalls = {entry({"getppid"}, "SCMP_ACT_ERRNO"),
                            entry({"getpgid"}, "SCMP_ACT_ERRNO", {{.index = 0, .value = 77, .op = "SCMP_CMP_EQ"}})};
        profile.syscalls[0].errno_ret = EXDEV;
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (security::load(security::compile(profile))) return false;
        const bool refused = ::syscall(SYS_getppid) == -1 && errno == EXDEV;
        return refused && ::syscall(SYS_getpgid, 77) == -1 && errno == EPERM && ::syscall(SYS_getpgid, 0) > 0;
    }));
}

BOOST_AUTO_TEST_CASE(a_filter_that_notifies_gives_a_listener) {
    BOOST_TEST(in_child([] {
        spec::Seccomp profile;
        profile.default_action = "SCMP_ACT_ALLOW";
        profile.syscalls = {entry({"getppid"}, "SCMP_ACT_NOTIFY")};
        profile.flags = {"SECCOMP_FILTER_FLAG_TSYNC"};
        profile.listener_path = "/run/agent.sock";
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        const sys::Fd listener = security::load(security::compile(profile));
        return static_cast<bool>(listener) &&
               sys::try_read_link(sys::FdRef(-100), sys::proc_fd_path(listener)) == "anon_inode:seccomp notify";
    }));
}

BOOST_AUTO_TEST_CASE(this_kernel_supports_the_flags_that_it_has_had_for_years) {
    const auto flags = security::supported_seccomp_flags();
    BOOST_TEST(flags.size() >= 3u);
    BOOST_TEST(flags.front() == "SECCOMP_FILTER_FLAG_TSYNC");
}

BOOST_AUTO_TEST_SUITE_END()
