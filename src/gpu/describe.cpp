#include "gpu/describe.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/requirement.h"
#include "gpu/tegra.h"
#include "gpu/wsl.h"
#include "json/json.h"
#include "sys/file.h"

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Fields<MigDescription> {
    using T = MigDescription;
    static constexpr Field value[] = {always<&T::name>("name"), always<&T::gpu_instance>("gpuInstance"),
                                      always<&T::compute_instance>("computeInstance"), field<&T::uuid>("uuid"),
                                      field<&T::nodes>("nodes")};
};

template <>
struct Fields<GpuDescription> {
    using T = GpuDescription;
    static constexpr Field value[] = {always<&T::name>("name"),
                                      field<&T::index>("index"),
                                      field<&T::uuid>("uuid"),
                                      field<&T::model>("model"),
                                      field<&T::bus_id>("busId"),
                                      field<&T::minor>("minor"),
                                      field<&T::driver_version>("driverVersion"),
                                      field<&T::numa_node>("numaNode"),
                                      field<&T::cpus>("cpuAffinity"),
                                      field<&T::nodes>("nodes"),
                                      field<&T::mig>("mig"),
                                      field<&T::excluded>("excluded")};
};

template <>
struct Fields<LibraryDescription> {
    using T = LibraryDescription;
    static constexpr Field value[] = {always<&T::path>("path"), always<&T::soname>("soname"),
                                      always<&T::capabilities>("capabilities")};
};

template <>
struct Fields<DirectoryDescription> {
    using T = DirectoryDescription;
    static constexpr Field value[] = {always<&T::path>("path"), always<&T::exists>("exists"),
                                      field<&T::files>("files")};
};

template <>
struct Fields<HostDescription> {
    using T = HostDescription;
    static constexpr Field value[] = {always<&T::loaded>("driverLoaded"),
                                      field<&T::driver_version>("driverVersion"),
                                      field<&T::modules_flavour>("kernelModules"),
                                      field<&T::cuda_version>("cudaVersion"),
                                      always<&T::host_root>("hostRoot"),
                                      always<&T::driver_root>("driverRoot"),
                                      always<&T::gpu_count>("gpus"),
                                      always<&T::majors>("majors"),
                                      always<&T::modules>("modules"),
                                      always<&T::libraries>("libraries"),
                                      field<&T::programs>("programs"),
                                      field<&T::firmware>("firmware"),
                                      field<&T::configs>("configFiles"),
                                      field<&T::sockets>("socketDirectories"),
                                      always<&T::cdi>("cdi"),
                                      always<&T::config_file>("configFile"),
                                      always<&T::config>("config"),
                                      field<&T::problems>("problems")};
};

}  // namespace gpurun::json

namespace gpurun::gpu {
namespace {

using sys::Resolve;

std::string pci_fact(const Host& host, const std::string& bus_id, const char* name) {
    return std::string(trim(read_fact(host, format("/sys/bus/pci/devices/{}/{}", bus_id, name)).value_or("")));
}

GpuDescription describe_gpu(const Survey& survey, const Gpu& gpu) {
    GpuDescription row{.name = std::to_string(gpu.index),
                       .index = gpu.index,
                       .uuid = gpu.uuid,
                       .model = gpu.model,
                       .bus_id = gpu.bus_id,
                       .minor = gpu.minor,
                       .driver_version = survey.inventory->version,
                       .numa_node = parse_number<int>(pci_fact(survey.host, gpu.bus_id, "numa_node")),
                       .cpus = pci_fact(survey.host, gpu.bus_id, "local_cpulist"),
                       .nodes = {format("/dev/nvidia{}", gpu.minor)},
                       .mig = {},
                       .excluded = gpu.excluded};
    // The kernel's way to say that the machine has no NUMA nodes.
    if (row.numa_node == -1) row.numa_node.reset();
    for (const auto& node : drm_nodes(survey.host, gpu.bus_id)) row.nodes.push_back("/dev/dri/" + node);
    for (const auto& instance : gpu.mig)
        row.mig.push_back({.name = format("{}:{}", gpu.index, row.mig.size()),
                           .gpu_instance = instance.gpu_instance,
                           .compute_instance = instance.compute_instance,
                           .uuid = {},
                           .nodes = {format("/dev/nvidia-caps/nvidia-cap{}", instance.gpu_minor),
                                     format("/dev/nvidia-caps/nvidia-cap{}", instance.compute_minor)}});
    if (gpu.excluded) row.index.reset(), row.name.clear();
    return row;
}

void add_uuids(GpuDescription& row, const NvmlFacts& facts) {
    const auto gpu =
        std::find_if(facts.begin(), facts.end(), [&](const NvmlGpu& each) { return each.bus_id == row.bus_id; });
    if (gpu == facts.end()) return;
    if (row.uuid.empty()) row.uuid = gpu->uuid;
    for (auto& instance : row.mig)
        for (const auto& mig : gpu->mig)
            if (mig.gpu_instance == instance.gpu_instance && mig.compute_instance == instance.compute_instance)
                instance.uuid = mig.uuid;
}

std::map<std::string, unsigned> describe_majors(const Host& host) {
    std::map<std::string, unsigned> majors;
    const auto text = read_fact(host, "/proc/devices").value_or("");
    for (const auto line : split(std::string_view(text).substr(0, text.find("Block devices:")), '\n')) {
        const auto parts = words(line);
        const auto number = parts.size() == 2 ? parse_number<unsigned>(parts[0]) : std::nullopt;
        if (number && (parts[1].starts_with("nvidia") || parts[1] == "drm" || parts[1] == "gdrdrv"))
            majors[std::string(parts[1])] = *number;
    }
    return majors;
}

std::vector<std::string> names_in(CapabilitySet set) {
    std::vector<std::string> names;
    for (const auto& row : capability_names)
        if (set.has(row.value)) names.emplace_back(row.name);
    return names;
}

std::vector<std::string> host_paths(const std::vector<BoundFile>& files) {
    std::vector<std::string> paths;
    for (const auto& file : files) paths.push_back(file.host_path);
    return paths;
}

void describe_files(const Survey& survey, HostDescription& host) {
    for (const auto& library : survey.files.libraries) {
        auto capabilities = names_in(library.needed_by);
        if (library.is_32_bit) capabilities = {"compat32"};
        host.libraries.push_back({.path = survey.host.driver_prefix + library.path(),
                                  .soname = library.soname,
                                  .capabilities = std::move(capabilities)});
    }
    host.programs = host_paths(survey.files.programs);
    host.firmware = host_paths(survey.files.modules);
    for (auto* paths : {&host.programs, &host.firmware})
        for (auto& path : *paths) path.insert(0, survey.host.driver_prefix);
    host.configs = host_paths(survey.files.configs);
    host.sockets = host_paths(survey.files.ipc);
}

DirectoryDescription describe_directory(const Host& host, const std::string& path) {
    DirectoryDescription directory{.path = path, .exists = has_path(host, path), .files = {}};
    if (directory.exists) {
        auto names = sys::list_directory(host.root, path, Resolve::in_root);
        std::erase_if(names,
                      [](const std::string& name) { return !name.ends_with(".json") && !name.ends_with(".yaml"); });
        std::sort(names.begin(), names.end());
        directory.files = std::move(names);
    }
    return directory;
}

}  // namespace

std::vector<GpuDescription> describe_gpus(const Survey& survey, NvmlSource* nvml) {
    std::vector<GpuDescription> rows;
    if (!survey.inventory) {
        if (is_wsl(survey.host))
            rows.push_back({.name = "all", .model = "GPUs of Windows (WSL)", .nodes = {"/dev/dxg"}});
        if (is_tegra(survey.host)) rows.push_back({.name = "0", .index = 0, .model = "Tegra"});
        return rows;
    }
    for (const auto& gpu : survey.inventory->gpus) rows.push_back(describe_gpu(survey, gpu));
    for (const auto& gpu : survey.inventory->excluded) rows.push_back(describe_gpu(survey, gpu));
    const bool incomplete = std::any_of(rows.begin(), rows.end(), [](const GpuDescription& row) {
        return !row.excluded && (row.uuid.empty() || !row.mig.empty());
    });
    if (nvml == nullptr || !incomplete) return rows;
    try {
        const NvmlFacts facts = nvml->ask();
        for (auto& row : rows) add_uuids(row, facts);
    } catch (const Error& error) {
        log::debug("gpu: {}", error.text());
    }
    return rows;
}

HostDescription describe_host(const Survey& survey) {
    HostDescription host{.host_root = survey.host.prefix.empty() ? "/" : survey.host.prefix,
                         .driver_root = survey.host.driver_prefix.empty() ? "/" : survey.host.driver_prefix,
                         .majors = describe_majors(survey.host),
                         .config_file = survey.settings.file,
                         .config = describe(survey.settings)};
    if (survey.inventory) {
        host.loaded = true;
        host.driver_version = survey.inventory->version;
        host.modules_flavour = survey.inventory->open_module ? "open" : "proprietary";
        host.cuda_version = cuda_version_of_branch(survey.inventory->branch()).value_or("");
        host.gpu_count = static_cast<unsigned>(survey.inventory->gpus.size());
        describe_files(survey, host);
    }
    host.modules = {{"nvidia", has_module(survey.host, "nvidia")},
                    {"nvidia-uvm", host.majors.contains("nvidia-uvm")},
                    {"nvidia-modeset", has_module(survey.host, "nvidia_modeset")},
                    {"nvidia-drm", has_module(survey.host, "nvidia_drm")},
                    {"nouveau", has_module(survey.host, "nouveau")}};
    for (const auto& path : survey.settings.cdi_directories) host.cdi.push_back(describe_directory(survey.host, path));
    for (const auto* problem :
         {&survey.settings_problem, &survey.root_problem, &survey.inventory_problem, &survey.files_problem})
        if (!problem->empty()) host.problems.push_back(*problem);
    return host;
}

std::string to_json(const std::vector<GpuDescription>& gpus) { return json::write(gpus, "  ") + "\n"; }
std::string to_json(const HostDescription& host) { return json::write(host, "  ") + "\n"; }

}  // namespace gpurun::gpu
