#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu/select.h"
#include "gpu/survey.h"

/// What `gpurun gpu list` and `gpurun gpu info` say, as values.
namespace gpurun::gpu {

struct MigDescription {
    std::string name;  ///< "0:1", as NVIDIA_VISIBLE_DEVICES takes it.
    unsigned gpu_instance = 0, compute_instance = 0;
    std::string uuid;  ///< "MIG-…"; empty: only NVML knows it and was not asked.
    std::vector<std::string> nodes;
};

struct GpuDescription {
    std::string name;               ///< What to ask for: the index; "all" where there is one device for all GPUs.
    std::optional<unsigned> index;  ///< Nothing for a GPU that can't be used.
    std::string uuid, model, bus_id;
    std::optional<unsigned> minor;
    std::string driver_version;
    std::optional<int> numa_node;
    std::string cpus;  ///< The CPUs near it, "0-15,32-47"; empty: not told.
    std::vector<std::string> nodes;
    std::vector<MigDescription> mig;
    bool excluded = false;  ///< By the administrator, with NVreg_ExcludedGpus.
};

/// Usable GPUs by index, then excluded ones; empty without a driver. \a nvml: asked once for what procfs doesn't tell,
/// when something is missing; null: never.
std::vector<GpuDescription> describe_gpus(const Survey& survey, NvmlSource* nvml);

struct LibraryDescription {
    std::string path;  ///< On the host, the driver root in front.
    std::string soname;
    std::vector<std::string> capabilities;
};

struct DirectoryDescription {
    std::string path;
    bool exists = false;
    std::vector<std::string> files;  ///< CDI files in it.
};

struct HostDescription {
    bool loaded = false;
    std::string driver_version, modules_flavour;  ///< "580.159.04"; "open" or "proprietary".
    std::string cuda_version;                     ///< Highest that the driver supports; empty for unknown branches.
    std::string host_root, driver_root;
    unsigned gpu_count = 0;
    std::map<std::string, unsigned> majors;
    std::map<std::string, bool> modules;  ///< Which are loaded.
    std::vector<LibraryDescription> libraries;
    std::vector<std::string> programs, firmware, configs, sockets;
    std::vector<DirectoryDescription> cdi;
    std::string config_file;                    ///< Where the settings were read; empty: built in.
    std::map<std::string, std::string> config;  ///< Those in effect, by gpurun.toml's keys.
    std::vector<std::string> problems;
};

HostDescription describe_host(const Survey& survey);

/// As `--format json` prints them.
std::string to_json(const std::vector<GpuDescription>& gpus);
std::string to_json(const HostDescription& host);

}  // namespace gpurun::gpu
