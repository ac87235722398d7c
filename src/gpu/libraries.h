#pragma once

#include <string>
#include <vector>

#include "gpu/driver_files.h"

namespace gpurun::gpu {

/// The libraries of driver \a version for \a wanted in native or 32-bit form, the first of each stem; \a folders gets
/// the directories that held some. Opens no library but those whose SONAME neither the table nor a link beside it
/// tells.
std::vector<Library> find_libraries(const Host& host, const std::string& version, CapabilitySet wanted,
                                    const std::vector<std::string>& library_paths, bool is_32_bit,
                                    std::vector<std::string>& folders);

/// One sentence: why libcuda or libnvidia-ml of \a version could not be found, with the version that was found instead.
std::string explain_missing_libraries(const Host& host, const std::string& version,
                                      const std::vector<std::string>& library_paths);

}  // namespace gpurun::gpu
