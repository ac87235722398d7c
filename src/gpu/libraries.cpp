#include "gpu/libraries.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "gpu/catalogue.h"
#include "gpu/elf_file.h"
#include "gpu/loader_cache.h"
#include "sys/file.h"

namespace gpurun::gpu {

#if defined(__x86_64__)
const std::string_view multiarch = "x86_64-linux-gnu";
const std::string_view multiarch_32 = "i386-linux-gnu";
const std::int32_t native_cache_flags = 0x0303;
#elif defined(__aarch64__)
const std::string_view multiarch = "aarch64-linux-gnu";
const std::string_view multiarch_32 = "";
const std::int32_t native_cache_flags = 0x0a03;
#elif defined(__powerpc64__)
const std::string_view multiarch = "powerpc64le-linux-gnu";
const std::string_view multiarch_32 = "";
const std::int32_t native_cache_flags = 0x0503;
#else
#error "no NVIDIA driver exists for this architecture; add its multiarch name and cache flags"
#endif

namespace {

using sys::Resolve;

// A directory with a whole distribution's libraries is asked for names; the driver's own is listed.
enum class Contents { everything, driver };

struct Folder {
    std::string path;
    Contents contents = Contents::driver;
};

std::vector<Folder> known_folders(const std::vector<std::string>& library_paths, bool is_32_bit) {
    std::vector<Folder> folders;
    if (is_32_bit)
        return {{format("/usr/lib/{}", multiarch_32), Contents::everything},
                {format("/usr/lib/{}/nvidia/current", multiarch_32)},
                {"/usr/lib32", Contents::everything},
                {"/usr/lib", Contents::everything},
                {"/usr/local/nvidia/lib"},
                {"/run/opengl-driver-32/lib"}};
    for (const auto& path : library_paths) folders.push_back({path, Contents::everything});
    folders.insert(folders.end(), {{format("/usr/lib/{}", multiarch), Contents::everything},
                                   {format("/usr/lib/{}/nvidia/current", multiarch)},
                                   {"/usr/lib64", Contents::everything},
                                   {"/usr/local/nvidia/lib64"},
                                   {"/home/kubernetes/bin/nvidia/lib64"},
                                   {"/run/opengl-driver/lib"},
                                   {"/opt/nvidia/lib64"},
                                   {"/usr/local/glibc/usr/lib"},
                                   {"/usr/lib/nvidia/tesla"},
                                   {"/usr/lib", Contents::everything}});
    return folders;
}

const LibraryKind* kind_of(std::string_view stem) {
    const auto row = std::find_if(std::begin(library_kinds), std::end(library_kinds),
                                  [&](const LibraryKind& kind) { return kind.stem == stem; });
    return row == std::end(library_kinds) ? nullptr : row;
}

// One search: the version's libraries of one word size.
class Search {
 public:
    Search(const Host& host, std::string_view version, CapabilitySet wanted, bool is_32_bit)
        : host_(host), suffix_(format(".so.{}", version)), wanted_(wanted), is_32_bit_(is_32_bit) {}

    void visit(const Folder& folder) {
        const sys::Fd directory =
            sys::try_open_at(host_.driver_root, folder.path, O_PATH | O_DIRECTORY, Resolve::in_root);
        if (!directory) return;
        const auto before = found_.size();
        folder_ = folder.path;
        if (folder.contents == Contents::driver)
            take_listed(directory);
        else if (has_any(directory, {"libcuda", "libnvidia-ml", "libnvidia-glcore"}))
            take_known(directory);
        if (wanted_.has(Capability::video) && !has("libvdpau_nvidia") &&
            exists(directory, "vdpau/libvdpau_nvidia" + suffix_)) {
            take(directory, "libvdpau_nvidia", "libvdpau_nvidia.so.1", false);
            found_.back().vdpau = true;
        }
        if (found_.size() == before) return;
        folders_.push_back(folder.path);
        take_own_versions(directory);
    }

    // Debian keeps libcuda in a directory of the driver and the graphics cores among all other libraries.
    bool complete() const {
        return (!wanted_.has(Capability::compute) || has("libcuda")) &&
               (!wanted_.has(Capability::utility) || has("libnvidia-ml")) &&
               (!wanted_.has(Capability::graphics) || has("libnvidia-glcore")) && !found_.empty();
    }

    std::vector<Library> libraries() { return std::move(found_); }
    const std::vector<std::string>& folders() const { return folders_; }

    // The host's loader cache: directories of the driver, and libraries that our table does not know yet.
    void visit_cached_folders() {
        std::vector<std::string> paths;
        for (const auto& row : cache().rows) {
            if (row.soname != "libcuda.so.1" && row.soname != "libnvidia-ml.so.1") continue;
            std::string path(parent_of(row.path));
            if (row.flags == flags() && std::find(paths.begin(), paths.end(), path) == paths.end())
                paths.push_back(std::move(path));
        }
        for (auto& path : paths) visit({std::move(path), Contents::everything});
    }

 private:
    std::int32_t flags() const { return is_32_bit_ ? cache_flags_32 : native_cache_flags; }

    bool has(std::string_view stem) const {
        return std::any_of(found_.begin(), found_.end(), [&](const Library& library) { return library.stem == stem; });
    }

    static bool exists(sys::FdRef directory, const std::string& name) {
        return sys::try_stat(directory, name, AT_SYMLINK_NOFOLLOW).has_value();
    }

    bool has_any(sys::FdRef directory, std::initializer_list<std::string_view> stems) const {
        return std::any_of(stems.begin(), stems.end(),
                           [&](std::string_view stem) { return exists(directory, std::string(stem) + suffix_); });
    }

    // The SONAME by table, else by a link's name, else by the file itself.
    std::string soname_of(sys::FdRef directory, std::string_view stem, std::string_view link) const {
        const std::string file = std::string(stem) + suffix_;
        if (const auto* kind = kind_of(stem))
            return kind->soname.empty() ? file : format("{}.so.{}", stem, kind->soname);
        if (!link.empty()) return std::string(link);
        const sys::Fd library = sys::try_open_at(directory, file, O_RDONLY | O_NONBLOCK);
        const auto elf = library ? read_elf(ElfSource(library)) : std::nullopt;
        return elf && !elf->soname.empty() && elf->soname.find('/') == std::string::npos ? elf->soname : file;
    }

    void take(sys::FdRef directory, std::string_view stem, std::string_view link, bool dev_link) {
        if (has(stem)) return;
        const auto* kind = kind_of(stem);
        const auto needed_by = kind != nullptr ? kind->needed_by : for_unknown_library;
        if (!wanted_.intersects(needed_by)) return;
        found_.push_back({.stem = std::string(stem),
                          .file = std::string(stem) + suffix_,
                          .folder = folder_,
                          .soname = soname_of(directory, stem, link),
                          .dev_link = dev_link,
                          .is_32_bit = is_32_bit_,
                          .needed_by = needed_by});
    }

    // Links are told by their names: no reading of links, and where a link points to another version, the SONAME holds
    // all the same.
    void take_listed(sys::FdRef directory) {
        auto names = sys::list_directory(directory, ".");
        std::sort(names.begin(), names.end());
        const auto contains = [&](const std::string& name) {
            return std::binary_search(names.begin(), names.end(), name);
        };
        for (const std::string_view name : names) {
            if (!name.starts_with("lib") || !name.ends_with(suffix_)) continue;
            const std::string stem(name.substr(0, name.size() - suffix_.size()));
            const std::string prefix = stem + ".so.";
            auto link = std::lower_bound(names.begin(), names.end(), prefix);
            while (link != names.end() && link->starts_with(prefix) &&
                   !parse_number<unsigned>(std::string_view(*link).substr(prefix.size())))
                ++link;
            const bool linked = link != names.end() && link->starts_with(prefix);
            take(directory, stem, linked ? std::string_view(*link) : std::string_view(), contains(stem + ".so"));
        }
    }

    void take_known(sys::FdRef directory) {
        const auto take_if_there = [&](std::string_view stem, std::string_view link) {
            const std::string name(stem);
            if (exists(directory, name + suffix_)) take(directory, stem, link, exists(directory, name + ".so"));
        };
        for (const auto& kind : library_kinds)
            if (wanted_.intersects(kind.needed_by)) take_if_there(kind.stem, {});
        for (const auto& row : cache().rows) {
            if (row.flags != flags() || !row.soname.starts_with("libnvidia-")) continue;
            const auto stem = row.soname.substr(0, row.soname.find(".so"));
            if (kind_of(stem) == nullptr && !has(stem)) take_if_there(stem, row.soname);
        }
    }

    void take_own_versions(sys::FdRef directory) {
        for (const auto& kind : own_version_kinds) {
            const auto stem = kind.soname.substr(0, kind.soname.find(".so"));
            if (!wanted_.intersects(kind.needed_by) || has(stem) || !exists(directory, std::string(kind.soname)))
                continue;
            const auto target = sys::try_read_link(directory, std::string(kind.soname));
            found_.push_back(
                {.stem = std::string(stem),
                 .file = target && target->find('/') == std::string::npos ? *target : std::string(kind.soname),
                 .folder = folder_,
                 .soname = std::string(kind.soname),
                 .is_32_bit = is_32_bit_,
                 .needed_by = kind.needed_by});
        }
    }

    // Read at most once; the rows point into the text.
    const LoaderCache& cache() {
        if (!cache_) {
            cache_text_ =
                sys::try_read_file_at(host_.driver_root, "/etc/ld.so.cache", Resolve::in_root, 8u << 20).value_or("");
            cache_ = parse_loader_cache(cache_text_).value_or(LoaderCache());
        }
        return *cache_;
    }

    const Host& host_;
    std::string suffix_;
    CapabilitySet wanted_;
    bool is_32_bit_;
    std::string folder_;
    std::vector<Library> found_;
    std::vector<std::string> folders_;
    std::string cache_text_;
    std::optional<LoaderCache> cache_;
};

}  // namespace

std::vector<Library> find_libraries(const Host& host, const std::string& version, CapabilitySet wanted,
                                    const std::vector<std::string>& library_paths, bool is_32_bit,
                                    std::vector<std::string>& folders) {
    Search search(host, version, wanted, is_32_bit);
    for (const auto& folder : known_folders(library_paths, is_32_bit)) {
        search.visit(folder);
        if (search.complete()) break;
    }
    if (!search.complete()) search.visit_cached_folders();
    folders.insert(folders.end(), search.folders().begin(), search.folders().end());
    auto libraries = search.libraries();
    std::sort(libraries.begin(), libraries.end(), [](const Library& a, const Library& b) { return a.stem < b.stem; });
    return libraries;
}

std::string explain_missing_libraries(const Host& host, const std::string& version,
                                      const std::vector<std::string>& library_paths) {
    for (const auto& folder : known_folders(library_paths, false)) {
        const sys::Fd directory =
            sys::try_open_at(host.driver_root, folder.path, O_PATH | O_DIRECTORY, Resolve::in_root);
        if (!directory) continue;
        for (const std::string_view name : sys::list_directory(directory, "."))
            for (const std::string_view prefix : {"libnvidia-ml.so.", "libcuda.so."}) {
                if (!name.starts_with(prefix)) continue;
                const auto other = name.substr(prefix.size());
                if (other.find('.') == std::string_view::npos || other == version) continue;
                return format(
                    "the loaded NVIDIA kernel driver is {} but the libraries in {} are {}: reboot, or reload the "
                    "kernel modules "
                    "(`gpurun gpu doctor` shows both)",
                    version, host.driver_prefix + folder.path, other);
            }
    }
    return format(
        "the NVIDIA kernel driver {} is loaded but libcuda.so.{} and libnvidia-ml.so.{} are in no known directory: "
        "name theirs in "
        "gpurun.toml, [gpu] library-paths or driver-root (`gpurun gpu doctor` lists what was searched)",
        version, version, version);
}

}  // namespace gpurun::gpu
