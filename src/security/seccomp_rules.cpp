#include "security/seccomp_rules.h"

#include <gpurun/error.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>

#include "base/table.h"
#include "base/text.h"
#include "security/syscalls.h"

namespace gpurun::security {
namespace {

constexpr Name<std::uint32_t> action_table[] = {
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
};

enum class Operator { equal, not_equal, less, less_equal, greater, greater_equal, masked_equal };

constexpr Name<Operator> operator_table[] = {
    {"SCMP_CMP_NE", Operator::not_equal},           {"SCMP_CMP_LT", Operator::less},
    {"SCMP_CMP_LE", Operator::less_equal},          {"SCMP_CMP_EQ", Operator::equal},
    {"SCMP_CMP_GE", Operator::greater_equal},       {"SCMP_CMP_GT", Operator::greater},
    {"SCMP_CMP_MASKED_EQ", Operator::masked_equal},
};

constexpr std::uint32_t max_arguments = 6;

template <typename Value, std::size_t Size>
std::string all_names(const Name<Value> (&table)[Size]) {
    std::string text;
    for (const auto& row : table) text.append(text.empty() ? "" : ", ").append(row.name);
    return text;
}

// \a place and \a errno_place name the properties in messages.
std::uint32_t resolve_action(const std::string& name, std::optional<std::uint32_t> errno_value,
                             const std::string& place, const char* errno_property) {
    const auto action = value_of(action_table, name);
    if (!action) throw Error(format("{}: \"{}\" is not one of {}", place, name, all_names(action_table)));
    const bool takes_value = *action == SECCOMP_RET_ERRNO || *action == SECCOMP_RET_TRACE;
    if (!takes_value) {
        if (errno_value) throw Error(format("{}: {} can't be combined with {}", place, errno_property, name));
        return *action;
    }
    const std::uint32_t value = errno_value.value_or(EPERM);
    if (value > SECCOMP_RET_DATA) throw Error(format("{}: {} {} is not an errno", place, errno_property, value));
    return *action | value;
}

Condition resolve_argument(const spec::SeccompArgument& argument, const std::string& place) {
    if (argument.index >= max_arguments)
        throw Error(format("{}.index: {} is not one of 0 to 5", place, argument.index));
    const auto found = value_of(operator_table, argument.op);
    if (!found) throw Error(format("{}.op: \"{}\" is not one of {}", place, argument.op, all_names(operator_table)));
    Condition condition{.index = static_cast<std::uint8_t>(argument.index), .value = argument.value};
    switch (*found) {
        case Operator::equal: condition.compare = Compare::equal; break;
        case Operator::not_equal: condition.compare = Compare::not_equal; break;
        case Operator::less: condition.compare = Compare::less; break;
        case Operator::less_equal: condition.compare = Compare::less_equal; break;
        case Operator::greater: condition.compare = Compare::greater; break;
        case Operator::greater_equal: condition.compare = Compare::greater_equal; break;
        case Operator::masked_equal:
            condition.mask = argument.value;
            condition.value = argument.value_two & argument.value;
            break;
    }
    return condition;
}

using Conditions = std::vector<Condition>;

// The alternatives of one entry of `syscalls`: conditions on different arguments are one rule; when any argument is
// named twice, every condition is a rule of its own. That is how runc has always read such profiles, and Docker's rely
// on it.
std::vector<Conditions> alternatives_of(const spec::SeccompSyscall& entry, const std::string& place) {
    Conditions conditions;
    unsigned seen = 0;
    bool repeated = false;
    for (std::size_t i = 0; i < entry.args.size(); ++i) {
        conditions.push_back(resolve_argument(entry.args[i], format("{}.args[{}]", place, i)));
        const unsigned bit = 1u << conditions.back().index;
        repeated |= (seen & bit) != 0;
        seen |= bit;
    }
    if (!repeated) return {std::move(conditions)};
    std::vector<Conditions> each;
    for (const auto& condition : conditions) each.push_back({condition});
    return each;
}

// An entry of `syscalls`, and a name that it lists: a row of the table of system calls.
struct Entry {
    std::uint32_t action;
    std::vector<Conditions> alternatives;
};
struct Mention {
    int row;
    std::uint32_t entry;
};

// What the entries mean on one architecture after the other. Docker's profile makes a thousand statements, so they are
// small and their memory is used again.
class Resolver {
 public:
    // Both must outlive this. What the default does anyway is no rule: it neither replaces nor shadows others.
    Resolver(const std::vector<Entry>& entries, const std::vector<Mention>& mentions, std::uint32_t default_action)
        : entries_(entries), mentions_(mentions), default_action_(default_action) {
        statements_.reserve(mentions.size());
        order_.reserve(mentions.size());
    }

    ArchitectureRules resolve(std::size_t architecture) {
        ArchitectureRules rules{.architecture = architecture, .answers = {}, .newest = {}};
        state_all(rules);
        answer_all(rules);
        return rules;
    }

 private:
    struct Statement {
        std::uint32_t action;
        const Conditions* conditions;  // Null: none.
    };

    void state_all(ArchitectureRules& rules) {
        statements_.clear();
        order_.clear();
        parts_.clear();
        const Architecture& architecture = architectures()[rules.architecture];
        for (const auto& [row, entry] : mentions_) {
            const Call call = call_on(row, rules.architecture);
            const std::int32_t multiplexer = call.part == 0    ? -1
                                             : call.part < 200 ? architecture.socketcall
                                                               : architecture.ipc;
            // A part of a multiplexer counts as the multiplexer.
            if (const std::int32_t number = std::max(call.number, multiplexer); number >= 0)
                rules.newest = std::max(rules.newest.value_or(0), static_cast<std::uint32_t>(number));
            const auto& [action, alternatives] = entries_[entry];
            if (action == default_action_) continue;
            for (const auto& conditions : alternatives) {
                state(call.number, conditions.empty() ? nullptr : &conditions, action);
                if (multiplexer >= 0)
                    state(multiplexer, &parts_.emplace_back(part_of(conditions, call.part % 100u)), action);
            }
        }
    }

    void state(std::int32_t number, const Conditions* conditions, std::uint32_t action) {
        if (number < 0) return;
        order_.push_back(static_cast<std::uint64_t>(number) << 32 | statements_.size());
        statements_.push_back({.action = action, .conditions = conditions});
    }

    void answer_all(ArchitectureRules& rules) {
        std::sort(order_.begin(), order_.end());
        rules.answers.reserve(order_.size());
        for (std::size_t first = 0; first < order_.size();) {
            std::size_t last = first;
            while (last < order_.size() && number_of(order_[last]) == number_of(order_[first])) ++last;
            rules.answers.push_back(answer_of(first, last));
            first = last;
        }
    }

    static std::uint32_t number_of(std::uint64_t place) { return static_cast<std::uint32_t>(place >> 32); }

    // The multiplexer's first argument is the part; the call's own arguments lie in memory, where a filter can't look.
    // Conditions on the others are kept, as libseccomp does: what can't be checked must not be let through.
    static Conditions part_of(const Conditions& conditions, std::uint64_t part) {
        Conditions result{{.index = 0, .value = part}};
        for (const auto& condition : conditions)
            if (condition.index != 0) result.push_back(condition);
        return result;
    }

    // libseccomp's precedence: a rule without conditions replaces those with conditions before it and makes all after
    // it void.
    Answer answer_of(std::size_t first, std::size_t last) const {
        const std::uint32_t number = number_of(order_[first]);
        std::vector<Rule> rules;
        for (std::size_t i = first; i < last; ++i) {
            const Statement& statement = statements_[static_cast<std::uint32_t>(order_[i])];
            if (statement.conditions == nullptr) return {.number = number, .action = statement.action, .rules = {}};
            rules.push_back({.conditions = *statement.conditions, .action = statement.action});
        }
        return {.number = number, .rules = std::make_unique<const std::vector<Rule>>(std::move(rules))};
    }

    const std::vector<Entry>& entries_;
    const std::vector<Mention>& mentions_;
    std::uint32_t default_action_;
    std::vector<Statement> statements_;  // In the order of the profile.
    std::vector<std::uint64_t> order_;   // By number, then by the profile: a number above the index of a statement.
    std::deque<Conditions> parts_;       // Stable addresses.
};

// The native architecture belongs to every filter, listed or not; what this kernel can't run needs no code.
std::vector<std::size_t> architectures_of(const std::vector<std::string>& names) {
    for (const auto& name : names)
        if (!is_architecture(name))
            throw Error(format("linux.seccomp.architectures: \"{}\" is not an architecture", name));
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < architectures().size(); ++i)
        if (i == 0 || std::find(names.begin(), names.end(), architectures()[i].name) != names.end())
            indices.push_back(i);
    return indices;
}

bool lets_through(std::uint32_t action) {
    const std::uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    // A tracer is expected to answer ENOSYS itself.
    return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

void check_notify(const spec::SeccompSyscall& entry, const std::string& place) {
    // After loading the filter the container process still has to say that it did.
    if (std::find(entry.names.begin(), entry.names.end(), "write") != entry.names.end())
        throw Error(place + ": SCMP_ACT_NOTIFY can't be used for write");
}

}  // namespace

ProfileRules resolve_profile(const spec::Seccomp& profile) {
    ProfileRules rules;
    rules.default_action = resolve_action(profile.default_action, profile.default_errno_ret,
                                          "linux.seccomp.defaultAction", "defaultErrnoRet");
    if (rules.default_action == SECCOMP_RET_USER_NOTIF)
        throw Error("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY can't be the default");
    rules.stub = !lets_through(rules.default_action);

    const auto indices = architectures_of(profile.architectures);
    std::vector<Entry> entries;
    std::vector<Mention> mentions;
    entries.reserve(profile.syscalls.size());
    for (std::size_t i = 0; i < profile.syscalls.size(); ++i) {
        const auto& entry = profile.syscalls[i];
        const std::string place = format("linux.seccomp.syscalls[{}]", i);
        if (entry.names.empty()) throw Error(place + ".names: at least one name is needed");
        const std::uint32_t action = resolve_action(entry.action, entry.errno_ret, place + ".action", "errnoRet");
        if (action == SECCOMP_RET_USER_NOTIF) {
            check_notify(entry, place);
            rules.notifies = true;
        }
        entries.push_back({.action = action, .alternatives = alternatives_of(entry, place)});
        for (const auto& name : entry.names)
            if (const int row = find_syscall(name); row >= 0)
                mentions.push_back({.row = row, .entry = static_cast<std::uint32_t>(i)});
    }
    Resolver resolver(entries, mentions, rules.default_action);
    for (const auto index : indices) rules.architectures.push_back(resolver.resolve(index));
    return rules;
}

}  // namespace gpurun::security
