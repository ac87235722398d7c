#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace gpurun {

/// One row of a name↔value table. Tables are constexpr arrays and serve both directions, so that parsing, printing and
/// `features` can never disagree.
template <typename Value>
struct Name {
    std::string_view name;
    Value value;
};

/// The value called \a name in \a table, if there is one.
template <typename Value, std::size_t Size>
constexpr std::optional<Value> value_of(const Name<Value> (&table)[Size], std::string_view name) {
    for (const auto& row : table)
        if (row.name == name) return row.value;
    return std::nullopt;
}

/// The first name of \a value in \a table, if there is one.
template <typename Value, std::size_t Size>
constexpr std::optional<std::string_view> name_of(const Name<Value> (&table)[Size], const Value& value) {
    for (const auto& row : table)
        if (row.value == value) return row.name;
    return std::nullopt;
}

}  // namespace gpurun
