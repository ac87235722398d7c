#pragma once

#include <gpurun/gpu.h>

#include <string>
#include <vector>

namespace gpurun::gpu {

/// What the linker's cache must list for libraries that mounts bring into directories of the container, without ever
/// looking into the container: the files are read on the host, where the mounts take them from.
struct FolderLibraries {
    std::vector<CacheEntry> cache;  ///< SONAMEs and links, each with the architecture of its library.
    std::vector<Link> links;        ///< SONAME links that nobody asked for but the cache needs.
};

/// \a folders: as ldconfig would be given them, in that order; \a mounts: the container's; \a links: those that will be
/// made there.
FolderLibraries find_folder_libraries(const std::vector<std::string>& folders, const std::vector<spec::Mount>& mounts,
                                      const std::vector<Link>& links);

}  // namespace gpurun::gpu
