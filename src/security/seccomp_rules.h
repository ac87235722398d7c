#pragma once

#include <gpurun/spec.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// A profile with its names resolved: what each architecture answers to each system call number. Between
/// config-linux.md#seccomp and the code generator; decides precedence, multiplexed calls and which numbers are "newer
/// than the profile".
namespace gpurun::security {

enum class Compare { equal, not_equal, less, less_equal, greater, greater_equal };

/// `(argument[index] & mask) COMPARE value`
struct Condition {
    std::uint8_t index = 0;
    Compare compare = Compare::equal;
    std::uint64_t mask = ~std::uint64_t{0};
    std::uint64_t value = 0;
    bool operator==(const Condition&) const = default;
};

/// All conditions hold → action.
struct Rule {
    std::vector<Condition> conditions;
    std::uint32_t action = 0;  ///< SECCOMP_RET_… with its data.
    bool operator==(const Rule&) const = default;
};

/// What one number gets: the action of the first rule that holds, else the profile's default; without rules `action`.
struct Answer {
    std::uint32_t number = 0;  ///< As in seccomp_data, so with x32's bit.
    std::uint32_t action = 0;
    std::unique_ptr<const std::vector<Rule>> rules;  ///< Null for most; Docker's profile has a thousand answers.
};

/// One architecture of the filter.
struct ArchitectureRules {
    std::size_t architecture = 0;  ///< In architectures().
    std::vector<Answer> answers;   ///< Ascending numbers, each once.
    std::optional<std::uint32_t>
        newest;  ///< The highest number the profile names; above it ENOSYS where `stub` is set.
};

struct ProfileRules {
    std::uint32_t default_action = 0;
    /// Numbers above `newest` get ENOSYS, so that C libraries fall back to older calls instead of seeing EPERM; as runc
    /// does. Not for profiles whose default lets calls through.
    bool stub = false;
    bool notifies = false;
    std::vector<ArchitectureRules> architectures;  ///< The native one first.
};

/// Throws Error naming the property for values that the spec does not have. Unknown system calls are left out.
ProfileRules resolve_profile(const spec::Seccomp& profile);

}  // namespace gpurun::security
