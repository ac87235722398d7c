#pragma once

#include <string>

namespace gpurun::gpu {

/// The absolute \a path of a host whose root is at \a root ("/" for this one). Host paths are trusted: they come from
/// the administrator.
inline std::string host_path(const std::string& root, const std::string& path) {
    return root == "/" || root.empty() ? path : root + path;
}

}  // namespace gpurun::gpu
