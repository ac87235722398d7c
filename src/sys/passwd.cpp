#include "sys/passwd.h"

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::sys {

std::optional<PasswdEntry> try_passwd_entry(std::uint32_t uid) noexcept {
    constexpr std::size_t largest = 1u << 20;
    // NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL
    const std::string text = try_read_file("/etc/passwd", largest).value_or("");
    for (const auto line : split(text, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() < 6 || parse_number<std::uint32_t>(fields[2]) != uid) continue;
        return PasswdEntry{.name = std::string(fields[0]), .home = std::string(fields[5])};
    }
    return std::nullopt;
}

}  // namespace gpurun::sys
