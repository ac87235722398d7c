#include <gpurun/cgroup.h>
#include <gpurun/error.h>
#include <unistd.h>

#include "base/text.h"
#include "cgroup/unit.h"

namespace gpurun::cgroup {
namespace {

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
    throw Error(format("linux.cgroupsPath \"{}\": {}", path, why));
}

// The path without "." and "//"; ".." may not lead above where it starts.
std::string contained_path(const std::string& path) {
    int depth = 0;
    for (const auto part : split(path, '/')) {
        if (part == "..") --depth;
        if (!part.empty() && part != "." && part != "..") ++depth;
        if (depth < 0) refuse(path, "\"..\" leads out of the cgroup mount; give a path inside it");
    }
    return clean_path(path);
}

std::string below(const std::string& parent, const std::string& path) { return parent == "/" ? path : parent + path; }

void add_directories(Location& location, const Mounts& mounts, bool relative) {
    for (const auto& hierarchy : mounts.hierarchies) {
        std::string base = "/";
        // As runc does: beside its own cgroup on v2 (which cannot have children while it has processes), below it on
        // v1.
        if (relative)
            base = mounts.layout == Layout::v2 ? std::string(parent_of(hierarchy.own_path)) : hierarchy.own_path;
        if (base.empty()) base = "/";
        const std::string path = below(base, location.path);
        if (mounts.layout == Layout::v2) location.path = path;
        location.directories.push_back({.controllers = hierarchy.controllers,
                                        .path = hierarchy.mount_point + (path == "/" ? "" : path),
                                        .created = true});
    }
}

// Where the units of this user's service manager are; "" for the system's.
std::string manager_root(const Mounts& mounts, bool rootless) {
    if (!rootless) return {};
    for (const auto& hierarchy : mounts.hierarchies) {
        const auto service = hierarchy.own_path.find("/user@");
        const auto end = hierarchy.own_path.find(".service", service == std::string::npos ? 0 : service);
        if (service != std::string::npos && end != std::string::npos) return hierarchy.own_path.substr(0, end + 8);
    }
    return format("/user.slice/user-{0}.slice/user@{0}.service", ::getuid());
}

Location locate_unit(const Mounts& mounts, const std::string& cgroups_path, const std::string& id, bool rootless) {
    Location location{.layout = mounts.layout, .driver = Driver::systemd};
    location.explicit_path = !cgroups_path.empty();
    const std::string text =
        cgroups_path.empty() ? format("{}:gpurun:{}", rootless ? "user.slice" : "system.slice", id) : cgroups_path;
    const auto parts = split(text, ':');
    if (parts.size() != 3)
        refuse(cgroups_path, "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups");
    location.slice = parts[0].empty() ? (rootless ? "user.slice" : "system.slice") : std::string(parts[0]);
    const std::string prefix(parts[1]), name(parts[2]);
    if (name.empty() || text.find('/') != std::string::npos)
        refuse(cgroups_path, "the parts of slice:prefix:name are unit names, without \"/\"");
    if (name.ends_with(".slice"))
        location.unit = name;
    else
        location.unit = prefix.empty() ? name + ".scope" : format("{}-{}.scope", prefix, name);
    const std::string slice_path = expand_slice(location.slice);
    location.path = manager_root(mounts, rootless) + (slice_path == "/" ? "" : slice_path) + "/" + location.unit;
    add_directories(location, mounts, false);
    return location;
}

}  // namespace

std::string expand_slice(const std::string& slice) {
    constexpr std::string_view suffix = ".slice";
    const auto bad = [&] { throw Error(format("\"{}\" is not the name of a systemd slice such as a-b.slice", slice)); };
    if (slice == "-.slice" || slice == "-") return "/";
    if (!slice.ends_with(suffix) || slice.size() == suffix.size() || slice.find('/') != std::string::npos) bad();
    std::string path, prefix;
    for (const auto part : split(std::string_view(slice).substr(0, slice.size() - suffix.size()), '-')) {
        if (part.empty()) bad();
        if (!prefix.empty()) prefix += '-';
        prefix += part;
        path += "/" + prefix + std::string(suffix);
    }
    return path;
}

Location locate(const Mounts& mounts, Driver driver, const std::string& cgroups_path, const std::string& id,
                bool rootless) {
    if (cgroups_path.find('\0') != std::string::npos || cgroups_path.find('\n') != std::string::npos)
        refuse(cgroups_path, "a cgroup's path has neither NUL nor a line's end");
    if (driver == Driver::systemd) return locate_unit(mounts, cgroups_path, id, rootless);
    Location location{.layout = mounts.layout, .driver = driver};
    location.explicit_path = !cgroups_path.empty();
    location.path = contained_path(cgroups_path.empty() ? id : cgroups_path);
    if (driver == Driver::cgroupfs) add_directories(location, mounts, !cgroups_path.starts_with('/'));
    return location;
}

}  // namespace gpurun::cgroup
