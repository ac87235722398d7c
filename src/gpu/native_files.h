#pragma once

#include <string>

#include "gpu/native.h"

namespace gpurun::gpu {

/// Adds the driver's libraries with their links and loader-cache entries to \a edits, and the image's own compat
/// libraries in front where \a prefer_compat.
void add_libraries(Edits& edits, const Discovery& found, const Places& places, const Host& host, bool graphics,
                   bool prefer_compat);

/// Adds programs, firmware, Xorg modules, configuration files and IPC directories. What lies on a bind mount of the
/// config is left out: making its mount point would change the host's directory.
void add_files(Edits& edits, const Discovery& found, const Places& places, const Host& host, const spec::Spec& spec);

/// Puts the image's own compat libraries first in the cache, and into a drop-in for an ldconfig that runs in the
/// container.
void add_compat(Edits& edits, const Image::CudaCompat& compat);

/// The container gets STEM.so too: the host has it, or programs load the library by its plain name.
bool wants_plain_name(const Library& library);

/// A read-only bind that neither set-uid bits nor device nodes work on.
spec::Mount read_only_bind(std::string source, std::string destination);

}  // namespace gpurun::gpu
