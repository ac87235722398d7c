#pragma once

#include <gpurun/spec.h>

#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"

namespace gpurun::gpu {

/// What discovery must know about the container's root file system. Found by looking below a root descriptor only;
/// nothing of the image is executed or followed out of it.
struct Image {
    enum class Layout { debian, lib64, lib, musl, empty };

    Layout layout = Layout::empty;
    std::string library_folder = "/usr/lib64";  ///< Which the image's loader searches, as a path in the container.
    std::string library_folder_32 = "/usr/lib";
    bool read_only = false;  ///< The file system itself takes no new files: nothing can be made there.
    bool has_loader_cache = false;

    /// The image's own newer libcuda; see choose_cuda_compat.
    struct CudaCompat {
        std::string folder;                  ///< "/usr/local/cuda/compat", as a path in the container.
        std::string version;                 ///< Of the driver it came with, "575.57.08".
        std::optional<std::string> note;     ///< The ELF note's descriptor.
        std::vector<std::string> libraries;  ///< Names there that may stand for a SONAME: "libcuda.so.1" …
    };
    std::optional<CudaCompat> compat;
};

/// Looks at the image below \a root; a missing root (-1) gives the defaults. \a compat: look for CUDA compat libraries
/// too. Runs in the host process before the container's volumes are mounted, so only the image's own files are seen.
Image probe_image(sys::FdRef root, bool compat);

/// Where CUDA images keep their compat libraries.
inline constexpr const char* cuda_compat_folder = "/usr/local/cuda/compat";

/// The compat libraries in \a folder of the image below \a root: there must be exactly one libcuda with a version, a
/// regular file and no link. The folder itself may be reached through links of the image, which never lead out of it.
std::optional<Image::CudaCompat> probe_compat(sys::FdRef root, const std::string& folder);

/// Whether the image's compat libraries are to be preferred over driver \a version: its note must list the driver's
/// branch and be newer, or without a note be of a newer branch; and never with a GeForce or TITAN among \a models,
/// where forward compatibility makes cuInit fail (error 804) which would have worked.
bool choose_cuda_compat(const Image::CudaCompat& compat, const std::string& version,
                        const std::vector<std::string>& models);

/// The same where only the host's CUDA version is known (Tegra): the note's must be newer.
bool choose_cuda_compat_by_cuda(const Image::CudaCompat& compat, std::string_view cuda_version);

}  // namespace gpurun::gpu
