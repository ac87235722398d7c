#include "gpu/tegra.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <gpurun/error.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/driver_files.h"
#include "gpu/edits.h"
#include "gpu/native_files.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr const char* csv_folder = "/etc/nvidia-container-runtime/host-files-for-container.d";
constexpr std::size_t largest_csv = 1u << 20;

sys::Fd look(const Host& host, const std::string& path) {
    return sys::try_open_at(host.root, path, O_PATH | O_NOFOLLOW, Resolve::in_root);
}

void add_device(Edits& edits, const Host& host, const std::string& path) {
    const sys::Fd file = look(host, path);
    struct stat facts {};
    if (file) facts = sys::stat_fd(file);
    if (!S_ISCHR(facts.st_mode)) {
        log::debug("gpu: {} is listed for containers but is no character device here", path);
        return;
    }
    Device device{.path = path,
                  .host_path = host.source(path),
                  .major = major(facts.st_rdev),
                  .minor = minor(facts.st_rdev),
                  .file_mode = facts.st_mode & 0777};
    if (facts.st_gid != 0) device.gid = facts.st_gid;
    edits.devices.push_back(std::move(device));
    if ((facts.st_mode & 06) != 06 && facts.st_gid != 0) edits.additional_gids.push_back(facts.st_gid);
}

// The paths that a pattern means: only the last part may hold wildcards.
std::vector<std::string> expand(const Host& host, const std::string& pattern) {
    if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
    const std::string folder(parent_of(pattern));
    const std::string last(base_name(pattern));
    std::vector<std::string> paths;
    for (const auto& name : sys::list_directory(host.root, folder, Resolve::in_root))
        if (::fnmatch(last.c_str(), name.c_str(), FNM_PERIOD) == 0) paths.push_back(format("{}/{}", folder, name));
    std::sort(paths.begin(), paths.end());
    return paths;
}

void add_to_cache(Edits& edits, const std::string& path) {
    const auto name = base_name(path);
    if (name.starts_with("lib") && name.find(".so") != std::string_view::npos)
        edits.rootfs.cache.push_back({std::string(name), path, native_cache_flags});
}

void add_path(Edits& edits, const Host& host, std::string_view kind, const std::string& path) {
    if (kind == "dev") return add_device(edits, host, path);
    if (kind == "sym") {
        const sys::Fd folder =
            sys::try_open_at(host.root, std::string(parent_of(path)), O_PATH | O_DIRECTORY, Resolve::in_root);
        const auto target = folder ? sys::try_read_link(folder, std::string(base_name(path))) : std::nullopt;
        if (!target) return log::debug("gpu: {} is listed for containers but is no link here", path);
        edits.rootfs.links.push_back({path, *target});
        return add_to_cache(edits, path);
    }
    if (!sys::try_open_at(host.root, path, O_PATH, Resolve::in_root))
        return log::debug("gpu: {} is listed for containers but is not here", path);
    edits.mounts.push_back(read_only_bind(host.source(path), path));
    if (kind == "lib") add_to_cache(edits, path);
}

void add_file(Edits& edits, const Host& host, const std::string& name) {
    const std::string path = format("{}/{}", csv_folder, name);
    const std::string text = sys::read_file_at(host.root, path, Resolve::in_root, largest_csv);
    unsigned number = 0;
    for (const auto row : split(text, '\n')) {
        ++number;
        const auto line = trim(row);
        if (line.empty() || line.starts_with('#')) continue;
        const auto comma = line.find(',');
        const auto kind = trim(line.substr(0, comma));
        const auto target = comma == std::string_view::npos ? std::string_view() : trim(line.substr(comma + 1));
        if (!target.starts_with('/') || (kind != "dev" && kind != "dir" && kind != "lib" && kind != "sym"))
            throw Error(format("{}:{}: expected \"dev, dir, lib or sym, /PATH\", found \"{}\"", path, number, line));
        for (const auto& each : expand(host, clean_path(target))) add_path(edits, host, kind, each);
    }
}

}  // namespace

bool is_tegra(const Host& host) {
    if (!sys::try_open_at(host.root, csv_folder, O_PATH | O_DIRECTORY, Resolve::in_root)) return false;
    if (sys::try_open_at(host.root, "/etc/nv_tegra_release", O_PATH, Resolve::in_root)) return true;
    const auto family = sys::try_read_file_at(host.root, "/sys/devices/soc0/family", Resolve::in_root, 4096);
    return family && (family->starts_with("tegra") || family->starts_with("Tegra"));
}

Edits tegra_edits(const Host& host, const spec::Spec& spec, const Request& request) {
    for (const auto& id : request.ids)
        if (id != "0")
            throw Error(format("unknown GPU device \"{}\" in {}: a Tegra has GPU 0 only", id, request.origin));
    const auto jetpack = spec.process ? environment_value(spec.process->env, "NVIDIA_REQUIRE_JETPACK") : std::nullopt;
    const bool base_only = jetpack && *jetpack == "base-only";
    Edits edits;
    auto names = sys::list_directory(host.root, csv_folder, Resolve::in_root);
    std::sort(names.begin(), names.end());
    for (const auto& name : names)
        if (name.ends_with(".csv") && (!base_only || name == "l4t.csv" || name == "devices.csv"))
            add_file(edits, host, name);
    return edits;
}

}  // namespace gpurun::gpu
