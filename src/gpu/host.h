#pragma once

#include <string>

#include "sys/fd.h"

namespace gpurun::gpu {

/// Where this machine is: everything discovery reads lies below \a root, so that a directory tree can stand for a host.
struct Host {
    sys::Fd root;  ///< O_PATH; procfs, sysfs, /dev and /etc are below it.
    std::string
        prefix;  ///< The root's path without a slash at its end; empty for "/". Stands before every mount source.
    sys::Fd driver_root;  ///< O_PATH; the driver's libraries, programs and firmware are below it. The root itself in
                          ///< most cases.
    std::string driver_prefix;  ///< The driver root's path below the root, without a slash at its end; empty for "/".

    /// The source of a mount of the driver's file \a path.
    std::string driver_source(const std::string& path) const { return prefix + driver_prefix + path; }
    /// The source of a mount of the host's own \a path.
    std::string source(const std::string& path) const { return prefix + path; }
};

/// Opens \a root and the driver root below it. Throws Error when one of them is no directory.
Host open_host(const std::string& root, const std::string& driver_root = "/");

}  // namespace gpurun::gpu
