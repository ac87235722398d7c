#pragma once

#include <gpurun/error.h>
#include <gpurun/spec.h>

#include <string>
#include <string_view>

#include "base/table.h"
#include "base/text.h"

/// The rules of `validate`, a file for each part of the spec. \a at is the path of the value that is checked.
namespace gpurun::spec {

/// A property with a value that cannot be. The path is kept apart so that `read` can find the line.
struct Invalid : Error {
    std::string path;
    std::string problem;
    Invalid(const std::string& where, const std::string& what)
        : Error(where.empty() ? what : where + ": " + what), path(where), problem(what) {}
};

void check_process(const Process& process, const std::string& at);
void check_resources(const Resources& resources, const std::string& at);
void check_seccomp(const Seccomp& seccomp, const std::string& at);
void check_sysctl(const Linux& linux);
/// A network namespace joined by path may be this process's own, where sysctls would be the host's. Reads /proc, unlike
/// the others.
void check_joined_network(const Linux& linux);
void check_linux(const Linux& linux);
/// Mappings of users or groups: sizes, ranges, overlaps.
void check_mappings(const std::vector<IdMapping>& mappings, const std::string& at);

/// True for a list of CPUs or memory nodes such as "0-3,7".
bool is_number_list(const std::string& list);

/// `root.path` of "root" and "path", `path` of "" and "path".
inline std::string below(const std::string& at, std::string_view property) {
    return at.empty() ? std::string(property) : at + "." + std::string(property);
}

inline void require_absolute(const std::string& path, const std::string& at) {
    if (!path.starts_with('/')) throw Invalid(at, format("expected an absolute path, got \"{}\"", path));
}

/// For what becomes one line of a kernel file, where a newline would begin another command.
inline void require_one_line(const std::string& text, const std::string& at) {
    if (text.find_first_of("\n\r") != std::string::npos) throw Invalid(at, "expected a single line");
}

/// "pid, network": all names of a table, for errors.
template <typename Value, std::size_t Size>
std::string names_in(const Name<Value> (&table)[Size]) {
    std::string text;
    for (const auto& row : table) text.append(text.empty() ? "" : ", ").append(row.name);
    return text;
}

}  // namespace gpurun::spec
