#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "cli/setup.h"
#include "cli/toml_lines.h"

namespace gpurun::cli {
namespace {

using Statements = std::vector<TomlStatement>;
using Kind = TomlStatement::Kind;

TomlPath below(TomlPath path, const std::vector<std::string>& keys) {
    path.insert(path.end(), keys.begin(), keys.end());
    return path;
}

/// The name as it is written in a header: parts that are not bare keys in quotes.
std::string header_name(const TomlPath& path) {
    std::vector<std::string> parts;
    for (const auto& part : path) parts.push_back(part.find('.') == std::string::npos ? part : "\"" + part + "\"");
    return join(parts, ".");
}

const TomlStatement* find(const Statements& statements, Kind kind, const TomlPath& path) {
    const auto found = std::find_if(statements.begin(), statements.end(),
                                    [&](const auto& each) { return each.kind == kind && each.path == path; });
    return found == statements.end() ? nullptr : &*found;
}

std::string_view value_of(std::string_view text, const TomlStatement& statement) {
    return text.substr(statement.value, statement.value_end - statement.value);
}

/// The table of the CRI plugin that has the runtimes: its name depends on the file's version.
TomlPath containerd_table(std::string_view text, const Statements& statements, const std::string& file) {
    const TomlStatement* version = find(statements, Kind::value, {"version"});
    const std::string_view number = version == nullptr ? "1" : value_of(text, *version);
    if (number == "1") return {"plugins", "cri", "containerd"};
    if (number == "2") return {"plugins", "io.containerd.grpc.v1.cri", "containerd"};
    if (number == "3") return {"plugins", "io.containerd.cri.v1.runtime", "containerd"};
    throw Error(
        format("{}: configuration version {} is not supported, only 1, 2 and 3; `containerd config migrate` prints one",
               file, number));
}

/// Refuses tables written as values (`containerd = {…}`), which a header may not extend.
void refuse_inline_tables(const Statements& statements, const TomlPath& table, const std::string& file) {
    for (const auto& statement : statements)
        if (statement.kind == Kind::value && statement.path.size() <= table.size() &&
            std::equal(statement.path.begin(), statement.path.end(), table.begin()))
            throw Error(format("{}:{}: {} is an inline table, which cannot be edited; write it as [{}]", file,
                               statement.line, header_name(statement.path), header_name(statement.path)));
}

std::string replaced(std::string_view text, std::size_t begin, std::size_t end, std::string_view with) {
    return std::string(text.substr(0, begin)).append(with).append(text.substr(end));
}

std::string with_line_at_end(std::string_view text) {
    std::string complete(text);
    if (!complete.empty() && complete.back() != '\n') complete += '\n';
    return complete;
}

/// Sets a string in a table that may or may not exist yet.
std::string with_value(std::string text, const TomlPath& table, const std::string& key, const std::string& value,
                       const std::string& file) {
    const auto statements = toml_statements(file, text);
    if (const TomlStatement* old = find(statements, Kind::value, below(table, {key})))
        return replaced(text, old->value, old->value_end, value);
    const std::string line = format("  {} = {}\n", key, value);
    if (const TomlStatement* header = find(statements, Kind::table, table)) {
        text = replaced(text, header->end, header->end, (text[header->end - 1] == '\n' ? "" : "\n") + line);
        return text;
    }
    return with_line_at_end(text).append(format("\n[{}]\n", header_name(table))).append(line);
}

/// The statements of a table and of those below it, taken out backwards so that offsets stay true.
std::string without_table(std::string text, const TomlPath& table, const std::string& file) {
    const auto statements = toml_statements(file, text);
    for (auto each = statements.rbegin(); each != statements.rend(); ++each)
        if (each->path.size() >= table.size() && std::equal(table.begin(), table.end(), each->path.begin())) {
            // The blank line that a registration put before the header goes with it.
            const bool blank =
                each->kind != Kind::value && each->begin >= 2 && text.compare(each->begin - 2, 2, "\n\n") == 0;
            text = replaced(text, each->begin - (blank ? 1 : 0), each->end, "");
        }
    return text;
}

std::string without_default(std::string text, const TomlPath& table, const std::string& file) {
    const auto statements = toml_statements(file, text);
    const TomlStatement* chosen = find(statements, Kind::value, below(table, {"default_runtime_name"}));
    if (chosen == nullptr || value_of(text, *chosen) != "\"gpurun\"") return text;
    return replaced(text, chosen->begin, chosen->end, "");
}

}  // namespace

std::string register_with_containerd(std::string_view original, const Registration& registration) {
    const std::string& file = registration.file;
    std::string text(original);
    if (trim(text).empty()) {
        if (registration.remove) return text;
        text = "version = 2\n";
    }
    const auto statements = toml_statements(file, text);
    const TomlPath table = containerd_table(text, statements, file);
    const TomlPath ours = below(table, {"runtimes", "gpurun"});
    refuse_inline_tables(statements, below(ours, {"options"}), file);
    if (registration.remove) return without_default(without_table(text, ours, file), table, file);

    text = with_value(text, ours, "runtime_type", "\"io.containerd.runc.v2\"", file);
    const TomlPath options = below(ours, {"options"});
    text = with_value(text, options, "BinaryName", "\"" + registration.program + "\"", file);
    // The cgroup driver must be the same for all of a node's runtimes.
    if (const TomlStatement* driver =
            find(statements, Kind::value, below(table, {"runtimes", "runc", "options", "SystemdCgroup"})))
        text = with_value(text, options, "SystemdCgroup", std::string(value_of(original, *driver)), file);
    if (registration.is_default) text = with_value(text, table, "default_runtime_name", "\"gpurun\"", file);
    return text;
}

}  // namespace gpurun::cli
