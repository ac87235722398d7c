#pragma once

#include <fmt/core.h>

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpurun {

using fmt::format;

/// Splits at every \a separator; empty parts are kept, so "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Splits at blanks and tabs and newlines; empty parts are dropped.
std::vector<std::string_view> words(std::string_view text);

/// Without leading and trailing white space.
std::string_view trim(std::string_view text);

/// The parts with \a separator between them.
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The last component of a path: "/usr/bin/true" → "true".
std::string_view base_name(std::string_view path);

/// All but the last component, without a trailing slash: "/usr/bin/true" → "/usr/bin"; "true" → "".
std::string_view parent_of(std::string_view path);

/// Lexically cleaned absolute path: no "//", "." or ".."; ".." stops at the root. "" → "/".
std::string clean_path(std::string_view path);

/// The whole of \a text as a number in \a base; nothing when a character is left over or the value does not fit.
template <std::integral Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
    Number value{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failure != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

}  // namespace gpurun
