#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/capability.h"
#include "gpu/host.h"

/// The driver's files on the host that belong to exactly one driver version.
namespace gpurun::gpu {

struct Library {
    std::string stem;       ///< "libcuda"
    std::string file;       ///< "libcuda.so.580.159.04"
    std::string folder;     ///< On the host below the driver root, "/usr/local/nvidia/lib64".
    std::string soname;     ///< "libcuda.so.1"; the file's name where they are the same.
    bool dev_link = false;  ///< The host has STEM.so too.
    bool vdpau = false;     ///< Lives in the sub-directory vdpau/.
    bool is_32_bit = false;
    CapabilitySet needed_by = {};  ///< Whom it is for.

    /// Its path on the host below the driver root.
    std::string path() const { return folder + (vdpau ? "/vdpau/" : "/") + file; }
};

/// A file or directory to bind, with its place in the container.
struct BoundFile {
    std::string host_path;  ///< Below the driver root or, for configuration and sockets, below the host's.
    std::string container_path;
    CapabilitySet needed_by = {};  ///< Programs: whom it is for.
};

/// A file with our own content, for what the host lacks.
struct SuppliedFile {
    std::string container_path;
    std::string_view content;
};

struct DriverFiles {
    std::vector<Library> libraries;   ///< By stem; the container's library directory is chosen later.
    std::vector<BoundFile> programs;  ///< container_path is only the name: the directory depends on the image.
    std::vector<BoundFile> modules;   ///< Xorg's and the firmware: at the host's path.
    std::vector<BoundFile> configs;   ///< On the host's own root, not the driver's.
    std::vector<SuppliedFile> supplied;
    std::vector<BoundFile> ipc;        ///< Directories with sockets, on the host's own root.
    std::vector<std::string> folders;  ///< Where libraries were found.

    const Library* find(std::string_view stem) const;
};

/// Finds the files of driver \a version for \a wanted (see library_capabilities). \a library_paths are searched first,
/// then the directories that distributions use, then those which the host's ld.so.cache names. Throws Error in one
/// sentence when libcuda and libnvidia-ml of this version are missing though wanted: another version is there, or none.
DriverFiles find_driver_files(const Host& host, const std::string& version, CapabilitySet wanted,
                              const std::vector<std::string>& library_paths);

/// The directory that distributions with multiarch use, "x86_64-linux-gnu"; that of 32-bit programs, or empty.
extern const std::string_view multiarch;
extern const std::string_view multiarch_32;
/// ld.so.cache flags of native libraries and of 32-bit ones.
extern const std::int32_t native_cache_flags;
inline constexpr std::int32_t cache_flags_32 = 0x0003;

}  // namespace gpurun::gpu
