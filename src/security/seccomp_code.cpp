#include "security/seccomp_code.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstddef>

#include "security/bpf.h"
#include "security/syscalls.h"

namespace gpurun::security {
namespace {

constexpr std::uint32_t bad_architecture = SECCOMP_RET_KILL_THREAD;
constexpr std::uint32_t no_such_call = SECCOMP_RET_ERRNO | ENOSYS;

// What a range of numbers gets: an action, or argument rules.
struct Outcome {
    std::uint32_t action = 0;
    bool wide = false;
    const std::vector<Rule>* rules = nullptr;

    bool operator==(const Outcome& other) const {
        if (rules == nullptr || other.rules == nullptr) return rules == other.rules && action == other.action;
        return wide == other.wide && (rules == other.rules || *rules == *other.rules);
    }
};

// From `first` up to the next range's first number.
struct Range {
    std::uint32_t first;
    Outcome outcome;
};

// The ranges of one audit architecture, ascending and gapless from 0.
class Ranges {
 public:
    void append(std::uint32_t first, const Outcome& outcome) {
        assert(ranges_.empty() || ranges_.back().first <= first);
        if (!ranges_.empty() && ranges_.back().first == first) ranges_.pop_back();
        if (ranges_.empty() || !(ranges_.back().outcome == outcome)) ranges_.push_back({first, outcome});
    }

    const std::vector<Range>& all() const { return ranges_; }

 private:
    std::vector<Range> ranges_;
};

// Numbers from the architecture's base on.
void append_architecture(Ranges& ranges, const ProfileRules& profile, const ArchitectureRules& rules) {
    const Architecture& architecture = architectures()[rules.architecture];
    const Outcome fallback{.action = profile.default_action};
    ranges.append(architecture.base, fallback);
    for (const auto& answer : rules.answers) {
        ranges.append(answer.number, answer.rules ? Outcome{.wide = architecture.wide, .rules = answer.rules.get()}
                                                  : Outcome{.action = answer.action});
        ranges.append(answer.number + 1, fallback);
    }
    if (profile.stub && rules.newest) ranges.append(*rules.newest + 1, {.action = no_such_call});
}

#ifdef __x86_64__
constexpr std::uint32_t x32_bit = 0x40000000;

// x32 calls have bit 30 set. The numbers with bit 31 belong to nobody, but tracers write -1 to skip a call; they are
// answered as libseccomp and runc's stub answer them.
void append_upper_part(Ranges& ranges, const ProfileRules& profile, const ArchitectureRules& native,
                       const ArchitectureRules* x32) {
    const Outcome fallback{.action = profile.default_action}, newer{.action = no_such_call},
        bad{.action = bad_architecture};
    if (x32 != nullptr)
        append_architecture(ranges, profile, *x32);
    else
        ranges.append(x32_bit, bad);
    if (!profile.stub) {
        if (x32 == nullptr) ranges.append(0xffffffff, fallback);
        return;
    }
    const Outcome unlisted = x32 != nullptr ? fallback : bad;
    ranges.append(0x80000000, native.newest ? newer : unlisted);
    ranges.append(0xc0000000, x32 != nullptr && x32->newest ? newer : unlisted);
    if (x32 == nullptr) ranges.append(0xffffffff, fallback);
}
#endif

class Generator {
 public:
    explicit Generator(const ProfileRules& profile) : profile_(profile) {}

    std::vector<sock_filter> run() && {
        // Written from the end: the native architecture comes last, so that it is asked for first.
        std::vector<std::uint32_t> audits;
        for (const auto& rules : profile_.architectures) {
            const std::uint32_t audit = architectures()[rules.architecture].audit;
            if (std::find(audits.begin(), audits.end(), audit) == audits.end()) audits.push_back(audit);
        }
        struct Section {
            std::uint32_t audit;
            Label label;
        };
        std::vector<Section> sections;
        for (auto audit = audits.rbegin(); audit != audits.rend(); ++audit) {
            chains_.clear();
            const Ranges ranges = ranges_of(*audit);
            const Label search = search_among(ranges.all().data(), ranges.all().size());
            sections.push_back({*audit, out_.load(offsetof(seccomp_data, nr), search)});
        }
        Label next = out_.ret(bad_architecture);
        for (const auto& section : sections) next = out_.branch(BPF_JEQ, section.audit, section.label, next);
        out_.load(offsetof(seccomp_data, arch), next);
        return std::move(out_).finish();
    }

 private:
    struct Chain {
        Outcome outcome;
        Label label;
    };

    Ranges ranges_of(std::uint32_t audit) const {
        const ArchitectureRules *native = nullptr, *shifted = nullptr;
        for (const auto& rules : profile_.architectures) {
            const Architecture& architecture = architectures()[rules.architecture];
            if (architecture.audit == audit) (architecture.base == 0 ? native : shifted) = &rules;
        }
        Ranges ranges;
        append_architecture(ranges, profile_, *native);
#ifdef __x86_64__
        if (audit == architectures()[0].audit) append_upper_part(ranges, profile_, *native, shifted);
#endif
        return ranges;
    }

    Label search_among(const Range* ranges, std::size_t count) {
        if (count == 1) return label_of(ranges->outcome);
        const std::size_t half = count / 2;
        const Label upper = search_among(ranges + half, count - half);
        const Label lower = search_among(ranges, half);
        return out_.branch(BPF_JGE, ranges[half].first, upper, lower);
    }

    // Argument tests stand beside their first use; equal ones of other calls jump there.
    Label label_of(const Outcome& outcome) {
        if (outcome.rules == nullptr) return out_.ret(outcome.action);
        for (const auto& chain : chains_)
            if (chain.outcome == outcome) return chain.label;
        const Label label = test_rules(*outcome.rules, outcome.wide);
        chains_.push_back({outcome, label});
        return label;
    }

    Label test_rules(const std::vector<Rule>& rules, bool wide) {
        Label otherwise = out_.ret(profile_.default_action);
        for (std::size_t end = rules.size(); end > 0;) {
            const std::size_t begin = wide ? start_of_run(rules, end) : start_of_run_32(rules, end);
            otherwise = end - begin > 1 ? test_values(rules, begin, end, wide, otherwise)
                                        : test_rule(rules[begin], wide, otherwise);
            end = begin;
        }
        return otherwise;
    }

    // Rules that compare one argument with values of the same high half, such as personality's, share the loads.
    static std::size_t start_of_run(const std::vector<Rule>& rules, std::size_t end) {
        std::size_t begin = end - 1;
        while (begin > 0 && is_value(rules[begin]) && is_value(rules[begin - 1]) &&
               rules[begin].conditions[0].index == rules[begin - 1].conditions[0].index &&
               high(rules[begin].conditions[0].value) == high(rules[begin - 1].conditions[0].value))
            --begin;
        return begin;
    }

    static std::size_t start_of_run_32(const std::vector<Rule>& rules, std::size_t end) {
        std::size_t begin = end - 1;
        while (begin > 0 && is_value(rules[begin]) && is_value(rules[begin - 1]) &&
               rules[begin].conditions[0].index == rules[begin - 1].conditions[0].index)
            --begin;
        return begin;
    }

    static bool is_value(const Rule& rule) {
        return rule.conditions.size() == 1 && rule.conditions[0].compare == Compare::equal &&
               rule.conditions[0].mask == ~std::uint64_t{0};
    }

    Label test_values(const std::vector<Rule>& rules, std::size_t begin, std::size_t end, bool wide, Label otherwise) {
        const Condition& any = rules[begin].conditions[0];
        Label next = otherwise;
        for (std::size_t i = end; i > begin; --i)
            next = out_.branch(BPF_JEQ, low(rules[i - 1].conditions[0].value), out_.ret(rules[i - 1].action), next);
        next = out_.load(low_offset(any.index), next);
        if (!wide) return next;
        return out_.load(high_offset(any.index), out_.branch(BPF_JEQ, high(any.value), next, otherwise));
    }

    Label test_rule(const Rule& rule, bool wide, Label otherwise) {
        Label next = out_.ret(rule.action);
        for (auto condition = rule.conditions.rbegin(); condition != rule.conditions.rend(); ++condition)
            next = test(*condition, wide, next, otherwise);
        return next;
    }

    Label test(const Condition& condition, bool wide, Label yes, Label no) {
        switch (condition.compare) {
            case Compare::equal: return test_equal(condition, wide, yes, no);
            case Compare::not_equal: return test_equal(condition, wide, no, yes);
            case Compare::greater: return test_greater(condition, BPF_JGT, wide, yes, no);
            case Compare::greater_equal: return test_greater(condition, BPF_JGE, wide, yes, no);
            case Compare::less: return test_greater(condition, BPF_JGE, wide, no, yes);
            case Compare::less_equal: return test_greater(condition, BPF_JGT, wide, no, yes);
        }
        return no;
    }

    Label test_equal(const Condition& condition, bool wide, Label yes, Label no) {
        const Label rest = test_half(low_offset(condition.index), low(condition.mask), low(condition.value), yes, no);
        if (!wide) return rest;
        return test_half(high_offset(condition.index), high(condition.mask), high(condition.value), rest, no);
    }

    Label test_half(std::uint32_t offset, std::uint32_t mask, std::uint32_t value, Label yes, Label no) {
        if (mask == 0) return yes;
        Label next = out_.branch(BPF_JEQ, value, yes, no);
        if (mask != 0xffffffff) next = out_.mask(mask, next);
        return out_.load(offset, next);
    }

    // \a code decides on the low half when the high halves are equal.
    Label test_greater(const Condition& condition, std::uint16_t code, bool wide, Label yes, Label no) {
        const Label rest = out_.load(low_offset(condition.index), out_.branch(code, low(condition.value), yes, no));
        if (!wide) return rest;
        const Label equal = out_.branch(BPF_JEQ, high(condition.value), rest, no);
        return out_.load(high_offset(condition.index), out_.branch(BPF_JGT, high(condition.value), yes, equal));
    }

    static constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
    static constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
    static constexpr bool big_endian = std::endian::native == std::endian::big;
    static constexpr std::uint32_t argument_offset(std::uint8_t index) {
        return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
    }
    static constexpr std::uint32_t low_offset(std::uint8_t index) {
        return argument_offset(index) + (big_endian ? 4 : 0);
    }
    static constexpr std::uint32_t high_offset(std::uint8_t index) {
        return argument_offset(index) + (big_endian ? 0 : 4);
    }

    const ProfileRules& profile_;
    Assembler out_;
    std::vector<Chain> chains_;
};

}  // namespace

std::vector<sock_filter> generate(const ProfileRules& rules) { return Generator(rules).run(); }

}  // namespace gpurun::security
