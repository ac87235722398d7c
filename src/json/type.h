#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/table.h"
#include "base/text.h"

/// Typed structs from and to JSON by constexpr tables: a struct gets a specialisation of Fields, an enum one of Names,
/// and everything else (strings, integers, vectors, maps, optionals of such) is known. No document tree, no generated
/// code, no parser type.
///
///     template <> struct gpurun::json::Fields<Mount> {
///         static constexpr Field value[] = {required<&Mount::destination>("destination"),
///         field<&Mount::type>("type")};
///     };
///     Mount mount = json::read<Mount>("mount.json", text);
namespace gpurun::json {

struct Type;

/// One property of a struct.
struct Field {
    std::string_view name;
    const Type* type;
    void* (*member)(void* object);
    bool required;  ///< Reading without it is an error.
    bool always;    ///< Written even when it is false, zero or empty.
};

/// The properties of a struct: a specialisation has `static constexpr Field value[]`, at most 64 of them.
template <typename Struct>
struct Fields;

/// The names of an enum: a specialisation has `static constexpr Name<Enum> value[]`.
template <typename Enum>
struct Names;

enum class Kind : std::uint8_t { boolean, integer, string, enumeration, array, map, object, optional };

/// What one element of an array or map (or the content of an optional) is shown to; \a key is empty but for maps.
using Visit = void (*)(void* context, std::string_view key, const void* element);

/// How to read and write one C++ type. Which members are set depends on the kind.
struct Type {
    Kind kind;
    bool (*is_empty)(const void* value) = nullptr;                ///< False, zero, empty or absent.
    void (*reset)(void* value) = nullptr;                         ///< Back to the empty value.
    bool (*assign)(void* to, std::string_view text) = nullptr;    ///< Integers, enumerations; false: not one.
    void (*print)(const void* value, std::string& to) = nullptr;  ///< Integers, enumerations, without quotes.
    std::int64_t minimum = 0;                                     ///< Integers.
    std::uint64_t maximum = 0;
    std::string (*choices)() = nullptr;   ///< Enumerations: "pid, network, mount".
    std::span<const Field> fields = {};   ///< Objects.
    const Type* element = nullptr;        ///< Arrays, maps, optionals.
    void* (*append)(void* to) = nullptr;  ///< Arrays: a new last element; optionals: the content.
    void* (*insert)(void* map, std::string_view key,
                    std::string_view& stored) = nullptr;  ///< An empty element, also for a known key.
    void (*erase)(void* map, std::string_view key) = nullptr;
    void (*each)(const void* container, void* context, Visit visit) = nullptr;
};

template <typename T>
struct TypeOf;

/// A property that is left out when empty.
template <auto Member>
constexpr Field field(std::string_view name);
/// A property that must be there.
template <auto Member>
constexpr Field required(std::string_view name);
/// A property that may be absent when read but is always written.
template <auto Member>
constexpr Field always(std::string_view name);

// ---- The types that are known
// -----------------------------------------------------------------------------------------------

namespace detail {

template <typename T>
T& as(void* value) {
    return *static_cast<T*>(value);
}
template <typename T>
const T& as(const void* value) {
    return *static_cast<const T*>(value);
}

template <typename T>
void reset(void* value) {
    as<T>(value) = T{};
}
template <typename T>
bool is_default(const void* value) {
    return as<T>(value) == T{};
}
template <typename T>
bool is_empty(const void* value) {
    return as<T>(value).empty();
}

template <std::integral T>
bool assign_integer(void* to, std::string_view text) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), as<T>(to));
    return failure == std::errc() && end == text.data() + text.size();
}
template <std::integral T>
void print_integer(const void* value, std::string& to) {
    char digits[24];
    to.append(digits, std::to_chars(digits, digits + sizeof digits, as<T>(value)).ptr);
}

template <typename Enum>
bool assign_enum(void* to, std::string_view text) {
    const auto value = value_of(Names<Enum>::value, text);
    if (value) as<Enum>(to) = *value;
    return value.has_value();
}
template <typename Enum>
void print_enum(const void* value, std::string& to) {
    to += name_of(Names<Enum>::value, as<Enum>(value)).value_or("");
}
template <typename Enum>
std::string enum_choices() {
    std::string text;
    for (const auto& row : Names<Enum>::value) text.append(text.empty() ? "" : ", ").append(row.name);
    return text;
}

template <typename T>
void each_element(const void* container, void* context, Visit visit) {
    for (const auto& element : as<T>(container)) visit(context, {}, &element);
}
template <typename T>
void each_pair(const void* map, void* context, Visit visit) {
    for (const auto& [key, element] : as<T>(map)) visit(context, key, &element);
}

template <typename T>
void* insert(void* map, std::string_view key, std::string_view& stored) {
    const auto [place, is_new] = as<T>(map).try_emplace(std::string(key));
    if (!is_new) place->second = {};
    stored = place->first;
    return &place->second;
}

template <typename Struct, typename Value>
Struct struct_of(Value Struct::*);
template <typename Struct, typename Value>
Value value_of_member(Value Struct::*);

template <auto Member>
constexpr Field make_field(std::string_view name, bool is_required, bool is_always) {
    using Struct = decltype(struct_of(Member));
    using Value = decltype(value_of_member(Member));
    return {name, &TypeOf<Value>::value, [](void* object) -> void* { return &(as<Struct>(object).*Member); },
            is_required, is_always};
}

}  // namespace detail

/// Structs.
template <typename T>
struct TypeOf {
    static_assert(std::size(Fields<T>::value) <= 64);
    static constexpr Type value{.kind = Kind::object,
                                .is_empty = [](const void*) { return false; },
                                .reset = detail::reset<T>,
                                .fields = Fields<T>::value};
};

template <>
struct TypeOf<bool> {
    static constexpr Type value{
        .kind = Kind::boolean, .is_empty = detail::is_default<bool>, .reset = detail::reset<bool>};
};

template <>
struct TypeOf<std::string> {
    static constexpr Type value{
        .kind = Kind::string, .is_empty = detail::is_empty<std::string>, .reset = detail::reset<std::string>};
};

template <std::integral T>
struct TypeOf<T> {
    static constexpr Type value{.kind = Kind::integer,
                                .is_empty = detail::is_default<T>,
                                .reset = detail::reset<T>,
                                .assign = detail::assign_integer<T>,
                                .print = detail::print_integer<T>,
                                .minimum = static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                .maximum = static_cast<std::uint64_t>(std::numeric_limits<T>::max())};
};

/// An enumeration is never left out: its first value means as much as any other.
template <typename T>
requires std::is_enum_v<T>
struct TypeOf<T> {
    static constexpr Type value{.kind = Kind::enumeration,
                                .is_empty = [](const void*) { return false; },
                                .reset = detail::reset<T>,
                                .assign = detail::assign_enum<T>,
                                .print = detail::print_enum<T>,
                                .choices = detail::enum_choices<T>};
};

template <typename T>
struct TypeOf<std::optional<T>> {
    static constexpr Type value{
        .kind = Kind::optional,
        .is_empty = [](const void* optional) { return !detail::as<std::optional<T>>(optional).has_value(); },
        .reset = [](void* optional) { detail::as<std::optional<T>>(optional).reset(); },
        .element = &TypeOf<T>::value,
        .append = [](void* to) -> void* { return &detail::as<std::optional<T>>(to).emplace(); },
        .each =
            [](const void* optional, void* context, Visit visit) {
                if (const auto& content = detail::as<std::optional<T>>(optional)) visit(context, {}, &*content);
            }};
};

template <typename T>
struct TypeOf<std::vector<T>> {
    static constexpr Type value{
        .kind = Kind::array,
        .is_empty = detail::is_empty<std::vector<T>>,
        .reset = detail::reset<std::vector<T>>,
        .element = &TypeOf<T>::value,
        .append = [](void* to) -> void* { return &detail::as<std::vector<T>>(to).emplace_back(); },
        .each = detail::each_element<std::vector<T>>};
};

template <typename T>
struct TypeOf<std::map<std::string, T>> {
    static constexpr Type value{
        .kind = Kind::map,
        .is_empty = detail::is_empty<std::map<std::string, T>>,
        .reset = detail::reset<std::map<std::string, T>>,
        .element = &TypeOf<T>::value,
        .insert = detail::insert<std::map<std::string, T>>,
        .erase = [](void* map,
                    std::string_view key) { detail::as<std::map<std::string, T>>(map).erase(std::string(key)); },
        .each = detail::each_pair<std::map<std::string, T>>};
};

template <auto Member>
constexpr Field field(std::string_view name) {
    return detail::make_field<Member>(name, false, false);
}
template <auto Member>
constexpr Field required(std::string_view name) {
    return detail::make_field<Member>(name, true, true);
}
template <auto Member>
constexpr Field always(std::string_view name) {
    return detail::make_field<Member>(name, false, true);
}

}  // namespace gpurun::json
