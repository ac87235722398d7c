#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The statements of a TOML text with their places, for edits that leave everything else as it is.
namespace gpurun::cli {

using TomlPath = std::vector<std::string>;

struct TomlStatement {
    enum class Kind { table, array_of_tables, value };
    Kind kind;
    TomlPath path;          ///< In full: the table's path, for values with their key.
    std::size_t begin;      ///< Offset of the first line of the statement.
    std::size_t end;        ///< Behind its last line's newline.
    std::size_t value = 0;  ///< Values: offset of what follows "= ".
    std::size_t value_end = 0;
    std::size_t line = 1;
};

/// Throws Error("NAME:LINE: …") where the text is not TOML: keys, brackets and quotes are checked, the values' own
/// syntax is not.
std::vector<TomlStatement> toml_statements(std::string_view name, std::string_view text);

}  // namespace gpurun::cli
