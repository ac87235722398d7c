#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpu/cdi_file.h"
#include "gpu/native.h"
#include "gpu/survey.h"

/// CDI files for NVIDIA GPUs, for engines that resolve devices themselves (`gpurun gpu cdi generate`).
namespace gpurun::gpu::cdi {

/// What devices are called: "0" and "0:1" for MIG instances, "GPU-…", "gpu0" and "mig0:1".
enum class Naming { index, uuid, type_index };

struct GenerateOptions {
    std::string kind = "nvidia.com/gpu";
    std::vector<Naming> names{Naming::index, Naming::uuid};
    bool all = true;                                        ///< A device "all" besides.
    std::string hook_program = "/usr/bin/nvidia-cdi-hook";  ///< Full: what its hooks run. gpurun does them itself.
    std::string program = "/usr/sbin/gpurun";               ///< Thin: what the marker hook runs under another runtime.
};

/// Every GPU with the files for every capability, as full_file() wants it. \a survey has an inventory.
Discovery discover_all(const Survey& survey);

/// Everything a runtime without GPU support needs: nodes, libraries, links and hooks in the form that NVIDIA's
/// generator writes. Bound to this driver version and these device numbers. \a found: of every GPU, with all
/// capabilities.
File full_file(const Discovery& found, const Host& host, const GenerateOptions& options);

/// Only names: each device's edits are gpurun's marker, for which gpurun injects what the machine has when the
/// container starts. Never stale; under another runtime the hook fails and says why.
File thin_file(const Inventory& inventory, const GenerateOptions& options);

/// A createContainer hook of the generator's program with \a words as its arguments.
Hook hook_of(const GenerateOptions& options, std::vector<std::string> words);

/// gpurun's marker for \a request as a device's only edit.
ContainerEdits marker_edits(const std::string& request, const GenerateOptions& options);

/// A device of a file and what gpurun injects for it: "all" for "nvidia.com/gds=all".
struct NamedRequest {
    std::string name, request;
};

/// A file of devices that are no single GPUs: features, IMEX channels, all GPUs of WSL or a Tegra. \a thin: with
/// markers; otherwise with the edits that a container gets for the request. Throws Error as prepare() does.
File request_file(const std::vector<NamedRequest>& devices, bool thin, const std::string& host_root, bool rootless,
                  const GenerateOptions& options);

/// Puts \a to in the place of \a from in front of every path on the host: a driver in a container of its own names its
/// files below another root than the host sees them.
void transform_root(File& file, std::string_view from, std::string_view to);

}  // namespace gpurun::gpu::cdi
