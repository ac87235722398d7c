#include "gpu/library_folder.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "gpu/elf_file.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

/// A library by its name in one directory of the container.
struct Library {
    std::string soname;
    std::int32_t flags = 0;
    bool is_in_directory = false;  ///< The whole directory is the host's: nothing may be made in it.
};
using Libraries = std::map<std::string, Library, std::less<>>;

// What ldconfig takes for a library.
bool is_library_name(std::string_view name) {
    return name.starts_with("lib") && name.find(".so") != std::string_view::npos;
}

std::optional<Library> read_library(const std::string& path) {
    const sys::Fd file = sys::try_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat facts {};
    if (!file || ::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
    const auto elf = read_elf(ElfSource(file));
    const auto flags = elf ? loader_cache_flags(*elf) : std::nullopt;
    if (!flags) return std::nullopt;
    return Library{.soname = elf->soname, .flags = *flags};
}

void add_library(Libraries& libraries, std::string_view name, const std::string& source, bool is_in_directory) {
    if (!is_library_name(name)) return;
    auto library = read_library(source);
    if (!library) return;
    library->is_in_directory = is_in_directory;
    libraries.insert_or_assign(std::string(name), std::move(*library));
}

// Mounts on files of the folder, and mounts of whole directories that hold the folder.
Libraries libraries_in(const std::string& folder, const std::vector<spec::Mount>& mounts) {
    Libraries libraries;
    for (const auto& mount : mounts) {
        if (!mount.source.starts_with('/')) continue;
        const std::string destination = clean_path(mount.destination);
        if (parent_of(destination) == folder) {
            add_library(libraries, base_name(destination), mount.source, false);
        } else if (folder == destination || folder.starts_with(destination + "/")) {
            const std::string source = mount.source + folder.substr(destination.size());
            try {
                for (const auto& name : sys::list_directory(sys::FdRef(AT_FDCWD), source))
                    add_library(libraries, name, source + "/" + name, true);
            } catch (const Error&) {
                // No directory after all, or not ours to read: nothing to list.
            }
        }
    }
    return libraries;
}

// The library that a link in the folder leads to, if it stays there.
const Library* follow(const Libraries& libraries, const std::map<std::string, std::string>& links, std::string name) {
    constexpr int max_links = 8;
    for (int step = 0; step < max_links; ++step) {
        if (const auto library = libraries.find(name); library != libraries.end()) return &library->second;
        const auto link = links.find(name);
        if (link == links.end()) return nullptr;
        name = link->second;
    }
    return nullptr;
}

void list_folder(const std::string& folder, const std::vector<spec::Mount>& mounts, const std::vector<Link>& links,
                 FolderLibraries& found) {
    const Libraries libraries = libraries_in(folder, mounts);
    std::map<std::string, std::string> links_here;
    for (const auto& link : links) {
        if (parent_of(link.path) != folder) continue;
        const bool stays = link.target.find('/') == std::string::npos || parent_of(link.target) == folder;
        if (stays) links_here[std::string(base_name(link.path))] = base_name(link.target);
    }
    const auto enter = [&](const std::string& name, std::int32_t flags) {
        found.cache.push_back({name, folder + "/" + name, flags});
    };
    for (const auto& [file, library] : libraries) {
        if (library.soname.empty()) {
            enter(file, library.flags);
            continue;
        }
        if (library.soname.find('/') != std::string::npos) continue;
        enter(library.soname, library.flags);
        if (library.soname != file && !library.is_in_directory && !libraries.contains(library.soname) &&
            !links_here.contains(library.soname)) {
            found.links.push_back({folder + "/" + library.soname, file});
            links_here[library.soname] = file;
        }
    }
    for (const auto& [name, target] : links_here) {
        if (!is_library_name(name)) continue;
        const Library* library = follow(libraries, links_here, target);
        if (library != nullptr && library->soname != name) enter(name, library->flags);
    }
}

}  // namespace

FolderLibraries find_folder_libraries(const std::vector<std::string>& folders, const std::vector<spec::Mount>& mounts,
                                      const std::vector<Link>& links) {
    FolderLibraries found;
    std::vector<std::string> done;
    for (const auto& given : folders) {
        const std::string folder = clean_path(given);
        if (std::find(done.begin(), done.end(), folder) != done.end()) continue;
        done.push_back(folder);
        list_folder(folder, mounts, links, found);
    }
    return found;
}

}  // namespace gpurun::gpu
