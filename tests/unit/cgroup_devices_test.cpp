#include <gpurun/error.h>
#include <linux/bpf.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>

#include "base/text.h"
#include "cgroup/device_list.h"
#include "cgroup/device_rules.h"

using namespace gpurun;
using namespace gpurun::cgroup;

namespace {

using Rules = std::vector<spec::DeviceRule>;

std::string text(const std::vector<DeviceMatch>& matches) {
    std::string lines;
    for (const auto& match : matches) lines += format("{}{}\n", match.allow ? '+' : '-', to_text(match));
    return lines;
}

struct Attempt {
    std::uint32_t type, major, minor, bits;
};

// What the rules say, bit by bit: the last rule about the device and the bit decides, and nothing is allowed before the
// first.
bool expected(const std::vector<DeviceMatch>& rules, const Attempt& access) {
    for (std::uint32_t bit = 1; bit < 8; bit <<= 1) {
        if ((access.bits & bit) == 0) continue;
        bool allowed = false;
        for (const auto& rule : rules) {
            const bool type = rule.type == 'a' || (rule.type == 'b') == (access.type == BPF_DEVCG_DEV_BLOCK);
            if (type && (rule.major == -1 || rule.major == access.major) &&
                (rule.minor == -1 || rule.minor == access.minor) && (rule.access & bit) != 0)
                allowed = rule.allow;
        }
        if (!allowed) return false;
    }
    return true;
}

// Enough of the BPF machine for straight-line programs.
std::uint64_t run(const std::vector<std::uint64_t>& code, const Attempt& access) {
    const std::uint32_t context[] = {access.bits << 16 | access.type, access.major, access.minor};
    std::uint64_t registers[11] = {};
    for (const auto word : code) {
        bpf_insn instruction;
        std::memcpy(&instruction, &word, sizeof word);
        auto& to = registers[instruction.dst_reg];
        if (instruction.code == (BPF_JMP | BPF_EXIT)) return registers[0];
        if (BPF_CLASS(instruction.code) == BPF_LDX) {
            BOOST_REQUIRE(instruction.src_reg == 1);
            to = context[instruction.off / 4];
            continue;
        }
        const auto from = BPF_SRC(instruction.code) == BPF_X
                              ? registers[instruction.src_reg]
                              : static_cast<std::uint64_t>(std::int64_t{instruction.imm});
        switch (BPF_OP(instruction.code)) {
            case BPF_MOV: to = from; break;
            case BPF_AND: to &= from; break;
            case BPF_OR: to |= from; break;
            case BPF_XOR: to ^= from; break;
            case BPF_SUB: to -= from; break;
            case BPF_LSH: to <<= from; break;
            case BPF_RSH: to >>= from; break;
            case BPF_ARSH: to = static_cast<std::uint64_t>(static_cast<std::int64_t>(to) >> from); break;
            default: BOOST_FAIL("unexpected instruction");
        }
    }
    BOOST_FAIL("the program does not end");
    return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_devices)

BOOST_AUTO_TEST_CASE(everything_is_denied_first_and_the_defaults_come_after_the_configured_rules) {
    const auto rules = reduce(device_rules({{.allow = true, .type = "c", .major = 195, .minor = 0, .access = "rw"}}));
    BOOST_TEST(text(rules) ==
               "-a *:* rwm\n+c 195:0 rw\n+c *:* m\n+b *:* m\n+c 1:3 rwm\n+c 1:5 rwm\n+c 1:7 rwm\n+c 1:8 rwm\n+c 1:9 "
               "rwm\n+c 5:0 rwm\n+c 5:2 rwm\n"
               "+c 136:* rwm\n+c 10:200 rwm\n");
    BOOST_TEST(text(reduce(device_rules({}))) == text(reduce(device_rules({{.allow = false, .access = "rwm"}}))));
}

BOOST_AUTO_TEST_CASE(a_container_with_every_device_has_one_rule) {
    BOOST_TEST(text(reduce(device_rules({{.allow = false, .access = "rwm"},
                                         {.allow = true, .type = "a", .access = "rwm"}}))) == "+a *:* rwm\n");
}

BOOST_AUTO_TEST_CASE(a_repeated_rule_is_dropped_but_not_across_a_contrary_one) {
    const Rules rules = {{.allow = true, .type = "c", .major = 1, .minor = 3, .access = "rwm"},
                         {.allow = true, .type = "c", .major = 1, .minor = 3, .access = "r"},
                         {.allow = false, .type = "c", .major = 1, .access = "w"},
                         {.allow = true, .type = "c", .major = 1, .minor = 3, .access = "rwm"}};
    BOOST_TEST(text(reduce(rules)) == "+c 1:3 rwm\n-c 1:* w\n+c 1:3 rwm\n");
}

BOOST_AUTO_TEST_CASE(wrong_rules_are_refused_with_the_rule) {
    const auto refused = [](const spec::DeviceRule& rule, const std::string& part) {
        BOOST_CHECK_EXCEPTION(reduce({rule}), Error,
                              [&](const Error& error) { return error.text().find(part) != std::string::npos; });
    };
    refused({.type = "x", .access = "r"}, "deny x *:* r: the type is");
    refused({.allow = true, .type = "c", .access = "rx"}, "allow c *:* rx: access is made of");
    refused({.type = "c", .major = 4096, .access = "r"}, "majors go up to");
    refused({.type = "c", .major = -2, .access = "r"}, "majors go up to");
}

BOOST_AUTO_TEST_CASE(the_list_of_v1_holds_the_rules_in_order) {
    const auto list =
        to_list(reduce(device_rules({{.allow = true, .type = "c", .major = 10, .minor = 229, .access = "rwm"},
                                     {.allow = true, .type = "b", .major = 8, .minor = 20, .access = "rw"}})));
    BOOST_TEST(!list.allow_by_default);
    BOOST_TEST(text(list.exceptions).starts_with("+c 10:229 rwm\n+b 8:20 rw\n+c *:* m\n"));
}

BOOST_AUTO_TEST_CASE(a_deny_takes_away_from_what_v1_allowed_or_is_refused) {
    const Rules exact = {{.allow = true, .type = "c", .major = 1, .minor = 3, .access = "rwm"},
                         {.allow = false, .type = "c", .major = 1, .access = "w"}};
    BOOST_TEST(text(to_list(reduce(exact)).exceptions) == "+c 1:3 rm\n");
    const Rules hole = {{.allow = true, .type = "c", .major = 1, .access = "rwm"},
                        {.allow = false, .type = "c", .major = 1, .minor = 3, .access = "w"}};
    BOOST_CHECK_THROW(to_list(reduce(hole)), Error);
    const Rules but = {{.allow = true, .type = "a", .access = "rwm"}, {.allow = false, .type = "b", .access = "w"}};
    const auto list = to_list(reduce(but));
    BOOST_TEST(list.allow_by_default);
    BOOST_TEST(text(list.exceptions) == "-b *:* w\n");
    // devices.allow would read "a 5:1" as everything.
    BOOST_TEST(
        text(to_list(reduce({{.allow = true, .type = "a", .major = 5, .minor = 1, .access = "r"}})).exceptions) ==
        "+c 5:1 r\n+b 5:1 r\n");
}

BOOST_AUTO_TEST_CASE(the_kernels_list_is_read_back) {
    BOOST_TEST(parse_device_list("a *:* rwm\n").allow_by_default);
    BOOST_TEST(text(parse_device_list("c 136:* rwm\nb 8:1 r\n").exceptions) == "+c 136:* rwm\n+b 8:1 r\n");
}

BOOST_AUTO_TEST_CASE(the_program_decides_as_the_rules_do) {
    std::mt19937 random(42);
    const auto any = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
    for (int round = 0; round < 400; ++round) {
        Rules rules;
        for (int count = any(8); count >= 0; --count) {
            spec::DeviceRule rule{.allow = any(2) == 0, .type = std::string(1, "acb"[any(3)])};
            if (any(4) != 0) rule.major = any(3) == 0 ? 4095 : any(3);
            if (any(4) != 0) rule.minor = any(3) == 0 ? 1048575 : any(3);
            for (const char letter : {'r', 'w', 'm'})
                if (any(3) != 0) rule.access += letter;
            if (rule.access.empty()) rule.access = "rwm";
            rules.push_back(rule);
        }
        const auto reduced = reduce(rules);
        const auto program = device_program(reduced);
        for (const std::uint32_t type : {BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR})
            for (const std::uint32_t major : {0u, 1u, 2u, 4095u})
                for (const std::uint32_t minor : {0u, 1u, 2u, 1048575u})
                    for (std::uint32_t bits = 1; bits < 8; ++bits) {
                        const Attempt access{type, major, minor, bits};
                        if ((run(program, access) == 1) != expected(reduced, access)) BOOST_FAIL(text(reduced));
                    }
    }
}

BOOST_AUTO_TEST_CASE(the_default_program_is_short) {
    BOOST_TEST(device_program(reduce(device_rules({}))).size() < 80u);
}

BOOST_AUTO_TEST_SUITE_END()
