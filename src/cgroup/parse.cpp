#include "cgroup/parse.h"

#include <algorithm>

#include "base/text.h"

namespace gpurun::cgroup {
namespace {

// The super-block options of a v1 cgroup mount that are not controllers.
constexpr std::string_view not_controllers[] = {
    "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"};

std::vector<std::string> controllers_of(std::string_view options) {
    std::vector<std::string> controllers;
    for (const auto option : split(options, ',')) {
        if (option.starts_with("release_agent=") ||
            std::find(std::begin(not_controllers), std::end(not_controllers), option) != std::end(not_controllers))
            continue;
        controllers.emplace_back(option);
    }
    return controllers;
}

// mountinfo writes blanks and backslashes as three octal digits.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto code = text[at] == '\\' && at + 3 < text.size()
                              ? parse_number<unsigned char>(text.substr(at + 1, 3), 8)
                              : std::nullopt;
        if (code) at += 3;
        out += code ? static_cast<char>(*code) : text[at];
    }
    return out;
}

}  // namespace

std::vector<Hierarchy> parse_memberships(std::string_view text) {
    std::vector<Hierarchy> hierarchies;
    for (const auto line : split(text, '\n')) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos) continue;
        Hierarchy hierarchy;
        const auto names = line.substr(first + 1, second - first - 1);
        if (!names.empty())
            for (const auto name : split(names, ',')) hierarchy.controllers.emplace_back(name);
        const auto path = line.substr(second + 1);
        hierarchy.own_path = path.starts_with("/..") ? "/" : std::string(path);
        hierarchies.push_back(std::move(hierarchy));
    }
    return hierarchies;
}

std::vector<Hierarchy> parse_mount_table(std::string_view text) {
    std::vector<Hierarchy> hierarchies;
    for (const auto line : split(text, '\n')) {
        const auto dash = line.find(" - cgroup ");
        if (dash == std::string_view::npos) continue;
        const auto fields = words(line.substr(0, dash));
        const auto tail = words(line.substr(dash));
        if (fields.size() < 5 || tail.size() < 4) continue;
        Hierarchy hierarchy{.controllers = controllers_of(tail[3]), .mount_point = unescape(fields[4]), .own_path = {}};
        const bool seen = std::any_of(hierarchies.begin(), hierarchies.end(), [&](const Hierarchy& other) {
            return other.controllers == hierarchy.controllers;
        });
        if (!seen) hierarchies.push_back(std::move(hierarchy));
    }
    return hierarchies;
}

std::string_view flat_value(std::string_view text, std::string_view key) {
    for (const auto line : split(text, '\n'))
        if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
            return trim(line.substr(key.size()));
    return {};
}

}  // namespace gpurun::cgroup
