#pragma once

#include <gpurun/gpu.h>

#include <string>
#include <vector>

#include "gpu/driver_files.h"
#include "gpu/image.h"
#include "gpu/inventory.h"
#include "gpu/request.h"
#include "gpu/select.h"
#include "gpu/settings.h"

/// Edits for NVIDIA GPUs from what was discovered. Pure: everything it needs to know is in its arguments.
namespace gpurun::gpu {

/// A node beside those that follow from the numbers of GPUs: DRM, GPUDirect and the like, as the host has it.
struct ExtraNode {
    std::string path;
    std::int64_t major = 0, minor = 0;
    std::uint32_t mode = 0666, uid = 0, gid = 0;
};

/// A DRM node of a chosen GPU.
struct DrmNode {
    ExtraNode node;
    std::string bus_id;
};

/// Everything discovered for one container.
struct Discovery {
    Inventory inventory;
    Selection selection;
    DriverFiles files;
    Image image;
    std::vector<DrmNode> drm;
    std::vector<ExtraNode> extra;
    std::vector<CapabilityNode> mig_management;  ///< Nodes of mig/config and mig/monitor where asked for.
    bool udev = false;  ///< GPUDirect Storage was found: it needs /run/udev and /etc/cufile.json.
};

/// Finds everything that \a request needs below \a host; \a root is the container's root directory or -1. Throws Error
/// for unknown GPUs, unmet requirements and missing libraries.
Discovery discover(const Host& host, Inventory inventory, const Request& request, const Settings& settings,
                   sys::FdRef root);

/// Where things go in this container: decided by the image and by the config's own mounts.
struct Places {
    std::string libraries, libraries_32, programs;
    bool own_folder =
        false;  ///< libraries and programs are directories of ours on a tmpfs: neither loader nor PATH knows them.
};

/// The image's directories, or own ones on a tmpfs of the config where the root file system takes no new files or one
/// of the config's binds lies over the image's. Throws Error when there is no place at all.
Places choose_places(const spec::Spec& spec, const Image& image);

/// The nodes alone, with the groups that open them and the links of DRM nodes.
Edits device_edits(const Discovery& found, const Request& request, const Settings& settings, const Host& host);

/// The edits. \a spec is only looked at for what its mounts cover.
Edits native_edits(const Discovery& found, const Request& request, const Settings& settings, const Host& host,
                   const spec::Spec& spec);

/// True when a bind mount of the config lies over \a path: files made there would be made on the host.
bool lies_on_bind(const spec::Spec& spec, const std::string& path);

}  // namespace gpurun::gpu
