#include "gpu/cdi_file.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "json/json.h"

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Fields<cdi::DeviceNode> {
    using T = cdi::DeviceNode;
    static constexpr Field value[] = {required<&T::path>("path"),
                                      field<&T::host_path>("hostPath"),
                                      field<&T::type>("type"),
                                      field<&T::major>("major"),
                                      field<&T::minor>("minor"),
                                      field<&T::file_mode>("fileMode"),
                                      field<&T::permissions>("permissions"),
                                      field<&T::uid>("uid"),
                                      field<&T::gid>("gid")};
};

template <>
struct Fields<cdi::Mount> {
    using T = cdi::Mount;
    static constexpr Field value[] = {required<&T::host_path>("hostPath"),
                                      required<&T::container_path>("containerPath"), field<&T::type>("type"),
                                      field<&T::options>("options")};
};

template <>
struct Fields<cdi::Hook> {
    using T = cdi::Hook;
    static constexpr Field value[] = {required<&T::hook_name>("hookName"), required<&T::path>("path"),
                                      field<&T::args>("args"), field<&T::env>("env"), field<&T::timeout>("timeout")};
};

template <>
struct Fields<cdi::NetDevice> {
    using T = cdi::NetDevice;
    static constexpr Field value[] = {required<&T::host_interface_name>("hostInterfaceName"),
                                      required<&T::name>("name")};
};

template <>
struct Fields<cdi::IntelRdt> {
    using T = cdi::IntelRdt;
    static constexpr Field value[] = {field<&T::clos_id>("closID"),
                                      field<&T::l3_cache_schema>("l3CacheSchema"),
                                      field<&T::mem_bw_schema>("memBwSchema"),
                                      field<&T::schemata>("schemata"),
                                      field<&T::enable_monitoring>("enableMonitoring"),
                                      field<&T::enable_cmt>("enableCMT"),
                                      field<&T::enable_mbm>("enableMBM")};
};

template <>
struct Fields<cdi::ContainerEdits> {
    using T = cdi::ContainerEdits;
    static constexpr Field value[] = {field<&T::env>("env"),
                                      field<&T::device_nodes>("deviceNodes"),
                                      field<&T::net_devices>("netDevices"),
                                      field<&T::hooks>("hooks"),
                                      field<&T::mounts>("mounts"),
                                      field<&T::intel_rdt>("intelRdt"),
                                      field<&T::additional_gids>("additionalGids")};
};

template <>
struct Fields<cdi::Device> {
    using T = cdi::Device;
    static constexpr Field value[] = {required<&T::name>("name"), field<&T::annotations>("annotations"),
                                      required<&T::container_edits>("containerEdits")};
};

template <>
struct Fields<cdi::File> {
    using T = cdi::File;
    static constexpr Field value[] = {required<&T::cdi_version>("cdiVersion"), required<&T::kind>("kind"),
                                      field<&T::annotations>("annotations"), required<&T::devices>("devices"),
                                      field<&T::container_edits>("containerEdits")};
};

}  // namespace gpurun::json

namespace gpurun::gpu::cdi {

File read(std::string_view name, std::string_view text) {
    const bool is_json = name.ends_with(".json");
    // Strictly: a misspelt property would mean a device that is silently not there.
    File file = is_json ? json::read<File>(name, text, json::Unknown::refuse)
                        : json::read_yaml<File>(name, text, json::Unknown::refuse);
    try {
        validate(file);
    } catch (const Error& error) {
        const std::string_view path = std::string_view(error.message).substr(0, error.message.find(": "));
        const auto place = is_json ? json::locate(text, path) : json::locate_yaml(text, path);
        throw Error(format("{}:{}:{}: {}", name, place.line, place.column, error.message));
    }
    return file;
}

std::string write_json(const File& file) { return json::write(file, "    ") + "\n"; }

}  // namespace gpurun::gpu::cdi
