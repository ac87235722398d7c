#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpurun::sys {

/// A line of /proc/PID/mountinfo. Paths as they are, without the kernel's octal escapes.
struct MountEntry {
    int id = 0;
    std::string device;   ///< "254:1"
    std::string root;     ///< What of the file system is mounted: "/" or a path in it.
    std::string point;    ///< Seen from the process's root.
    std::string options;  ///< Of the mount: "rw,nosuid,relatime,idmapped".
    std::string type;     ///< "ext4"
    bool operator==(const MountEntry&) const = default;
};

/// Pure; a line that is not understood is left out.
std::vector<MountEntry> parse_mount_entries(std::string_view mountinfo);

/// True for \a path itself and for what lies below it: "/a/b" and "/a/b/c" for "/a/b", not "/a/bc".
bool is_below_or_at(std::string_view path, std::string_view directory);

}  // namespace gpurun::sys
