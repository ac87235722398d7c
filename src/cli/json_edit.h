#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Changes of single members in the text of a JSON object, everything else untouched. The text must be valid JSON.
namespace gpurun::cli {

/// A path of keys from the outermost object; empty: that object itself.
using JsonPath = std::vector<std::string_view>;

/// The text of the value at \a path, quotes of strings included; nothing when there is none.
std::optional<std::string_view> json_value(std::string_view text, const JsonPath& path);

/// Puts \a value, a JSON text, at \a path. The object around it must exist.
std::string with_json_value(std::string_view text, const JsonPath& path, std::string_view value);

/// Takes the member at \a path out, if it is there.
std::string without_json_value(std::string_view text, const JsonPath& path);

}  // namespace gpurun::cli
