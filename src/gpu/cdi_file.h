#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A Container Device Interface file (CDI SPEC.md 1.1.0) as plain values: what a vendor says a container needs to use a
/// device. Files are written by the administrator or by vendors' tools, so they are trusted, but not to be free of
/// mistakes.
namespace gpurun::gpu::cdi {

/// The newest version of the format that gpurun knows.
inline constexpr std::string_view newest_version = "1.1.0";

struct DeviceNode {
    std::string path;       ///< In the container.
    std::string host_path;  ///< Empty: as path.
    std::string type;       ///< "b", "c", "u" or "p"; empty: as the host's node.
    std::optional<std::int64_t> major, minor;
    std::optional<std::uint32_t> file_mode;
    std::string permissions;  ///< Of "rwm"; empty: all; "none": no access by the cgroup.
    std::optional<std::uint32_t> uid, gid;
};

struct Mount {
    std::string host_path, container_path, type;
    std::vector<std::string> options;
};

struct Hook {
    std::string hook_name;  ///< "createContainer" …
    std::string path;
    std::vector<std::string> args, env;
    std::optional<int> timeout;  ///< Seconds.
};

struct NetDevice {
    std::string host_interface_name, name;
};

struct IntelRdt {
    std::string clos_id, l3_cache_schema, mem_bw_schema;
    std::vector<std::string> schemata;
    bool enable_monitoring = false;
    bool enable_cmt = false, enable_mbm = false;  ///< Before 1.1.0.
};

struct ContainerEdits {
    std::vector<std::string> env;
    std::vector<DeviceNode> device_nodes;
    std::vector<NetDevice> net_devices;
    std::vector<Hook> hooks;
    std::vector<Mount> mounts;
    std::optional<IntelRdt> intel_rdt;
    std::vector<std::uint32_t> additional_gids;

    bool empty() const {
        return env.empty() && device_nodes.empty() && net_devices.empty() && hooks.empty() && mounts.empty() &&
               !intel_rdt && additional_gids.empty();
    }
};

struct Device {
    std::string name;
    std::map<std::string, std::string> annotations;
    ContainerEdits container_edits;
};

struct File {
    std::string cdi_version;
    std::string kind;  ///< "vendor/class".
    std::map<std::string, std::string> annotations;
    std::vector<Device> devices;
    ContainerEdits container_edits;  ///< Once per container that asks for any of the devices.
};

/// Reads and validates a file, YAML unless \a name ends in ".json". Throws Error("NAME:LINE:COLUMN: PATH: …").
File read(std::string_view name, std::string_view text);

/// What the format demands beyond types. Throws Error("PATH: …").
void validate(const File& file);

/// The oldest version of the format that has everything which \a file uses; what a writer puts in, so that old engines
/// read it.
std::string_view minimum_version(const File& file);

/// The newer of two versions of the format that are known.
std::string newer_version(std::string_view left, std::string_view right);

/// The text of \a file, as YAML or as indented JSON.
std::string write_yaml(const File& file);
std::string write_json(const File& file);

}  // namespace gpurun::gpu::cdi
