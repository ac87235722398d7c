#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpurun::sys {

/// A line of /etc/passwd.
struct PasswdEntry {
    std::string name;
    std::string home;  ///< May be empty.
};

/// The first entry of \a uid in the /etc/passwd that this process sees, the host's or an image's: plain text, of which
/// at most 1 MiB is read. Nothing when there is none.
std::optional<PasswdEntry> try_passwd_entry(std::uint32_t uid) noexcept;

}  // namespace gpurun::sys
