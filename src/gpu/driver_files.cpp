#include "gpu/driver_files.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/utsname.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/catalogue.h"
#include "gpu/libraries.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

bool exists(sys::FdRef root, const std::string& path) {
    return static_cast<bool>(sys::try_open_at(root, path, O_PATH, Resolve::in_root));
}

// The first of \a folders that has \a name, as a path; empty when none has it.
std::string first_with(sys::FdRef root, const std::vector<std::string>& folders, std::string_view name) {
    for (const auto& folder : folders)
        if (std::string path = format("{}/{}", folder, name); exists(root, path)) return path;
    return {};
}

void find_programs(const Host& host, CapabilitySet wanted, DriverFiles& files) {
    std::vector<std::string> folders;
    // A driver tree of its own has bin beside lib64: /usr/local/nvidia, /home/kubernetes/bin/nvidia.
    for (const auto& folder : files.folders)
        if (std::string beside = format("{}/bin", parent_of(folder)); folder.find("nvidia") != std::string::npos)
            folders.push_back(std::move(beside));
    folders.insert(folders.end(), {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/run/current-system/sw/bin"});
    for (const auto& kind : program_kinds) {
        if (!wanted.intersects(kind.needed_by)) continue;
        if (std::string path = first_with(host.driver_root, folders, kind.name); !path.empty())
            files.programs.push_back({std::move(path), std::string(kind.name), kind.needed_by});
    }
}

void find_firmware(const Host& host, const std::string& version, DriverFiles& files) {
    std::vector<std::string> folders;
    const auto own =
        sys::try_read_file_at(host.root, "/sys/module/firmware_class/parameters/path", Resolve::in_root, 4096);
    if (own && !trim(*own).empty()) folders.push_back(clean_path(trim(*own)));
    struct utsname machine {};
    ::uname(&machine);
    for (const std::string& folder :
         {format("/lib/firmware/updates/{}", machine.release), std::string("/lib/firmware/updates"),
          format("/lib/firmware/{}", machine.release), std::string("/lib/firmware")})
        folders.push_back(folder);
    if (std::string path = first_with(host.driver_root, folders, "nvidia/" + version); !path.empty())
        files.modules.push_back({path, path});
}

void find_xorg_modules(const Host& host, const std::string& version, DriverFiles& files) {
    std::vector<std::string> folders;
    for (const auto& folder : files.folders)
        for (const std::string_view part : {"nvidia/xorg", "xorg/modules/drivers", "xorg/modules/extensions"})
            folders.push_back(format("{}/{}", folder, part));
    folders.insert(folders.end(), {"/usr/lib/xorg/modules/drivers", "/usr/lib/xorg/modules/extensions",
                                   "/usr/lib64/xorg/modules/drivers", "/usr/lib64/xorg/modules/extensions"});
    for (const std::string& name : {std::string("nvidia_drv.so"), "libglxserver_nvidia.so." + version})
        if (std::string path = first_with(host.driver_root, folders, name); !path.empty())
            files.modules.push_back({path, path});
}

void find_configs(const Host& host, CapabilitySet wanted, DriverFiles& files) {
    for (const auto& kind : config_kinds) {
        if (!wanted.intersects(kind.needed_by) || (!kind.library.empty() && files.find(kind.library) == nullptr))
            continue;
        std::vector<std::string> paths;
        if (kind.host_path.starts_with("share/"))
            paths = {format("/etc/{}", kind.host_path.substr(6)), format("/usr/local/{}", kind.host_path),
                     format("/usr/{}", kind.host_path)};
        else
            paths = {format("/{}", kind.host_path)};
        const auto path =
            std::find_if(paths.begin(), paths.end(), [&](const std::string& each) { return exists(host.root, each); });
        if (path != paths.end())
            files.configs.push_back({*path, std::string(kind.container_path)});
        else if (!kind.content.empty())
            files.supplied.push_back({std::string(kind.container_path), kind.content});
    }
}

// The directories and not the sockets: a restarted daemon makes a new socket, and a bound file would stay the old one.
void find_ipc(const Host& host, CapabilitySet wanted, DriverFiles& files) {
    const auto take = [&](const std::string& path) {
        if (exists(host.root, path)) files.ipc.push_back({path, path});
    };
    if (wanted.has(Capability::utility)) {
        take("/run/nvidia-persistenced");
        take("/run/nvidia-fabricmanager");
    }
    if (wanted.has(Capability::compute)) take("/tmp/nvidia-mps");
}

}  // namespace

const Library* DriverFiles::find(std::string_view stem) const {
    const auto library =
        std::find_if(libraries.begin(), libraries.end(), [&](const Library& each) { return each.stem == stem; });
    return library == libraries.end() ? nullptr : &*library;
}

DriverFiles find_driver_files(const Host& host, const std::string& version, CapabilitySet wanted,
                              const std::vector<std::string>& library_paths) {
    DriverFiles files;
    files.libraries = find_libraries(host, version, wanted, library_paths, false, files.folders);
    const bool lacks = (wanted.has(Capability::compute) && files.find("libcuda") == nullptr) ||
                       (wanted.has(Capability::utility) && files.find("libnvidia-ml") == nullptr);
    if (lacks) throw Error(explain_missing_libraries(host, version, library_paths));
    if (wanted.has(Capability::compat32) && !multiarch_32.empty()) {
        std::vector<std::string> folders;
        auto more = find_libraries(host, version, wanted, {}, true, folders);
        files.libraries.insert(files.libraries.end(), more.begin(), more.end());
    }
    find_programs(host, wanted, files);
    if (wanted.intersects({Capability::compute, Capability::utility})) find_firmware(host, version, files);
    if (wanted.has(Capability::display)) find_xorg_modules(host, version, files);
    find_configs(host, wanted, files);
    find_ipc(host, wanted, files);
    return files;
}

}  // namespace gpurun::gpu
