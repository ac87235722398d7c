#include "gpu/native_files.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/edits.h"

namespace gpurun::gpu {
namespace {

// Programs load these by their plain names, so the link is there whether or not the host has it.
constexpr std::string_view always_linked[] = {"libcuda", "libnvidia-opticalflow", "libnvidia-vulkan-producer"};

spec::Mount ipc_bind(std::string source, std::string destination, bool read_only) {
    spec::Mount mount{.destination = std::move(destination),
                      .type = "bind",
                      .source = std::move(source),
                      .options = {"bind", "nosuid", "nodev", "noexec", "rprivate"}};
    if (read_only) mount.options.insert(mount.options.begin() + 1, "ro");
    return mount;
}

// Why the container gets a library: for the file itself, its SONAME, its plain name.
void explain_library(Edits& edits, const Library& library, const std::string& inside) {
    if (!edits.reasons) return;
    because(edits, format("{}/{}", inside, library.file), "{}library for {}", library.is_32_bit ? "32-bit " : "",
            to_text(library.needed_by));
    if (library.soname != library.file)
        because(edits, format("{}/{}", inside, library.soname), "the name that programs are linked with");
    if (wants_plain_name(library))
        because(edits, format("{}/{}.so", inside, library.stem), "{}",
                library.dev_link ? "the host has this name too" : "programs load it by this name");
}

void add_library(Edits& edits, const Library& library, const Places& places, const Host& host) {
    const std::string& folder = library.is_32_bit ? places.libraries_32 : places.libraries;
    const std::string inside = library.vdpau ? folder + "/vdpau" : folder;
    const std::string source = library.vdpau ? library.folder + "/vdpau" : library.folder;
    const std::int32_t flags = library.is_32_bit ? cache_flags_32 : native_cache_flags;
    explain_library(edits, library, inside);
    edits.mounts.push_back(read_only_bind(host.driver_source(format("{}/{}", source, library.file)),
                                          format("{}/{}", inside, library.file)));
    auto& rootfs = edits.rootfs;
    const std::string soname_path = format("{}/{}", inside, library.soname);
    if (library.soname != library.file) rootfs.links.push_back({soname_path, library.file});
    rootfs.cache.push_back({library.soname, soname_path, flags});
    if (!wants_plain_name(library)) return;
    const std::string name = library.stem + ".so";
    rootfs.links.push_back({format("{}/{}", inside, name), library.soname});
    rootfs.cache.push_back({name, format("{}/{}", inside, name), flags});
}

}  // namespace

bool wants_plain_name(const Library& library) {
    return library.dev_link ||
           std::find(std::begin(always_linked), std::end(always_linked), library.stem) != std::end(always_linked);
}

spec::Mount read_only_bind(std::string source, std::string destination) {
    return {.destination = std::move(destination),
            .type = "bind",
            .source = std::move(source),
            .options = {"bind", "ro", "nosuid", "nodev", "rprivate"}};
}

// the container.
void add_compat(Edits& edits, const Image::CudaCompat& compat) {
    auto& cache = edits.rootfs.cache;
    for (const auto& name : compat.libraries) {
        std::erase_if(
            cache, [&](const CacheEntry& entry) { return entry.soname == name && entry.flags == native_cache_flags; });
        cache.push_back({name, format("{}/{}", compat.folder, name), native_cache_flags});
        because(edits, cache.back().path, "the image's own libraries of driver {} are newer and allowed by this driver",
                compat.version);
    }
    because(edits, "/etc/ld.so.conf.d/00-gpurun-compat.conf", "keeps them first when ldconfig runs in the container");
    edits.rootfs.files.push_back({.path = "/etc/ld.so.conf.d/00-gpurun-compat.conf", .content = compat.folder + "\n"});
}

void add_libraries(Edits& edits, const Discovery& found, const Places& places, const Host& host, bool graphics,
                   bool prefer_compat) {
    for (const auto& library : found.files.libraries) add_library(edits, library, places, host);
    if (prefer_compat) add_compat(edits, *found.image.compat);
    if (!graphics) return;
    auto& links = edits.rootfs.links;
    if (const auto* glx = found.files.find("libGLX_nvidia")) {
        const std::string path = places.libraries + "/libGLX_indirect.so.0";
        links.push_back({path, glx->file});
        because(edits, path, "GLX's dispatcher loads it by this name");
        edits.rootfs.cache.push_back({"libGLX_indirect.so.0", path, native_cache_flags});
    }
    if (const auto* allocator = found.files.find("libnvidia-allocator")) {
        links.push_back({places.libraries + "/gbm/nvidia-drm_gbm.so", "../" + allocator->soname});
        because(edits, links.back().path, "GBM looks for its back end here");
    }
}

void add_files(Edits& edits, const Discovery& found, const Places& places, const Host& host, const spec::Spec& spec) {
    const bool fixed_root = found.image.read_only;
    const auto can_make = [&](const std::string& path, std::string_view why) {
        if (!fixed_root && !lies_on_bind(spec, path)) {
            because(edits, path, "{}", why);
            return true;
        }
        left_out(edits, path, "its mount point can't be made: {}",
                 fixed_root ? "the root file system is read-only" : "a directory of the host lies there");
        log::debug("gpu: {} is left out: its mount point can't be made in the container", path);
        return false;
    };
    for (const auto& program : found.files.programs) {
        edits.mounts.push_back(read_only_bind(host.driver_source(program.host_path),
                                              format("{}/{}", places.programs, program.container_path)));
        because(edits, edits.mounts.back().destination, "program for {}", to_text(program.needed_by));
    }
    for (const auto& module : found.files.modules)
        if (can_make(module.container_path, "firmware or Xorg module of this driver version"))
            edits.mounts.push_back(read_only_bind(host.driver_source(module.host_path), module.container_path));
    for (const auto& config : found.files.configs)
        if (can_make(config.container_path, "tells loaders about a library that is there"))
            edits.mounts.push_back(read_only_bind(host.source(config.host_path), config.container_path));
    for (const auto& file : found.files.supplied)
        if (can_make(file.container_path, "tells loaders about a library that is there; the host lacks it"))
            edits.rootfs.files.push_back({.path = file.container_path, .content = std::string(file.content)});
    // A client connects to a daemon's socket, which a read-only mount allows; MPS clients make files of their own.
    for (const auto& ipc : found.files.ipc)
        if (can_make(ipc.container_path, "the host's daemon listens there"))
            edits.mounts.push_back(
                ipc_bind(host.source(ipc.host_path), ipc.container_path, !ipc.container_path.ends_with("/nvidia-mps")));
    if (!found.udev) return;
    constexpr std::string_view storage = "GPUDirect Storage is enabled";
    if (can_make("/run/udev", storage)) edits.mounts.push_back(ipc_bind(host.source("/run/udev"), "/run/udev", true));
    if (can_make("/etc/cufile.json", storage))
        edits.mounts.push_back(read_only_bind(host.source("/etc/cufile.json"), "/etc/cufile.json"));
}

}  // namespace gpurun::gpu
