#pragma once

#include <string>
#include <string_view>
#include <vector>

/// TOML as far as a file of settings needs it: tables, dotted and quoted keys, strings on one line, booleans, arrays of
/// them over any number of lines, comments. Numbers, dates and inline tables are kept as text that is no string, so
/// that a setting can refuse them. Not toml++: its streams bring std::locale, half as much code again as all of gpurun,
/// and the binary is copied at each start.
namespace gpurun::gpu {

struct TomlValue {
    enum class Kind { boolean, string, array, other };

    std::string key;  ///< Dotted from the root: "nvidia-container-cli.root"; empty for an array's element.
    int line = 0;     ///< From 1.
    Kind kind = Kind::other;
    bool boolean = false;
    std::string text;
    std::vector<TomlValue> elements;
};

/// A file's values in order, and the tables it names.
struct TomlFile {
    std::vector<std::string> tables;
    std::vector<TomlValue> values;

    bool has_table(std::string_view name) const;
    /// The last value of \a key; null when there is none.
    const TomlValue* find(std::string_view key) const;
};

/// Throws Error("NAME:LINE:COLUMN: …").
TomlFile read_toml(std::string_view text, std::string_view name);

}  // namespace gpurun::gpu
