#pragma once

#include <string>

#include "engine/container_side.h"
#include "sys/fd.h"

/// Places in the container's root where something is put; made when they are missing.
namespace gpurun::engine {

/// A directory, O_PATH; \a made tells whether it was new.
sys::Fd directory_at(sys::FdRef root, const std::string& path, bool* made = nullptr);

/// A file to mount over, opened for nothing else; made empty when nothing is there. A dangling link is followed inside
/// the root.
sys::Fd file_at(sys::FdRef root, const std::string& path);

/// The directory that \a path lies in, made when missing, and its last component: for mknodat, symlinkat and the like.
struct Place {
    sys::Fd owned;  ///< Keeps the directory open, unless somebody else does.
    sys::FdRef directory;
    std::string name;
};
Place place_at(sys::FdRef root, const std::string& path);

}  // namespace gpurun::engine
