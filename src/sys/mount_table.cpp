#include "sys/mount_table.h"

#include "base/text.h"

namespace gpurun::sys {
namespace {

// Blanks, tabs, newlines and backslashes are three octal digits there.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto code = text[i] == '\\' && i + 3 < text.size() ? parse_number<unsigned char>(text.substr(i + 1, 3), 8)
                                                                 : std::optional<unsigned char>();
        plain += code ? static_cast<char>(*code) : text[i];
        if (code) i += 3;
    }
    return plain;
}

}  // namespace

std::vector<MountEntry> parse_mount_entries(std::string_view mountinfo) {
    std::vector<MountEntry> entries;
    for (const auto line : split(mountinfo, '\n')) {
        // 36 35 98:0 /root /point options [tags…] - type source superblock-options
        const auto parts = split(line, ' ');
        std::size_t dash = 6;
        while (dash < parts.size() && parts[dash] != "-") ++dash;
        if (dash + 1 >= parts.size()) continue;
        entries.push_back({.id = parse_number<int>(parts[0]).value_or(0),
                           .device = std::string(parts[2]),
                           .root = unescape(parts[3]),
                           .point = unescape(parts[4]),
                           .options = std::string(parts[5]),
                           .type = std::string(parts[dash + 1])});
    }
    return entries;
}

bool is_below_or_at(std::string_view path, std::string_view directory) {
    if (directory == "/") return path.starts_with('/');
    return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace gpurun::sys
