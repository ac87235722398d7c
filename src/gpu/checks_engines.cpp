// What engines are told to run, and hooks of other runtimes that get in each other's way.
#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/findings.h"
#include "gpu/toml_values.h"
#include "json/json.h"
#include "sys/file.h"

namespace gpurun::gpu {

/// What matters here of Docker's daemon.json.
struct DockerRuntime {
    std::string path;
};
struct DockerConfig {
    std::map<std::string, DockerRuntime> runtimes;
    std::string default_runtime;
};

}  // namespace gpurun::gpu

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Fields<DockerRuntime> {
    static constexpr Field value[] = {field<&DockerRuntime::path>("path")};
};

template <>
struct Fields<DockerConfig> {
    static constexpr Field value[] = {field<&DockerConfig::runtimes>("runtimes"),
                                      field<&DockerConfig::default_runtime>("default-runtime")};
};

}  // namespace gpurun::json

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr const char* docker_file = "/etc/docker/daemon.json";

bool has_program(const Host& host, std::string_view name) {
    for (const std::string_view folder : {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
        if (has_path(host, format("{}/{}", folder, name))) return true;
    return false;
}

std::vector<std::string> files_in(const Host& host, const std::string& folder, std::string_view suffix) {
    std::vector<std::string> paths;
    for (const auto& name : sys::list_directory(host.root, folder, Resolve::in_root))
        if (name.ends_with(suffix)) paths.push_back(format("{}/{}", folder, name));
    std::sort(paths.begin(), paths.end());
    return paths;
}

DockerConfig read_docker(const Host& host) {
    const auto text = read_fact(host, docker_file);
    return text && !trim(*text).empty() ? json::read<DockerConfig>(docker_file, *text) : DockerConfig();
}

bool names_gpurun(const TomlValue& value) {
    return base_name(value.text) == "gpurun" || std::any_of(value.elements.begin(), value.elements.end(), names_gpurun);
}

// Some value of the file is the path of a gpurun. A file that is no TOML for us names none.
bool registers_gpurun(const Host& host, const std::string& path) {
    try {
        const TomlFile file = read_toml(read_fact(host, path).value_or(""), path);
        return std::any_of(file.values.begin(), file.values.end(), names_gpurun);
    } catch (const Error&) {
        return false;
    }
}

struct Engine {
    const char* name;     ///< As `gpurun setup` calls it.
    const char* program;  ///< The engine is installed when this is there.
    const char* file;     ///< Its configuration, and the directory with parts of it.
    const char* folder;
    std::string_view suffix;
};

constexpr Engine toml_engines[] = {
    {"containerd", "containerd", "/etc/containerd/config.toml", "/etc/containerd/conf.d", ".toml"},
    {"crio", "crio", "/etc/crio/crio.conf", "/etc/crio/crio.conf.d", ".conf"},
    {"podman", "podman", "/etc/containers/containers.conf", "/etc/containers/containers.conf.d", ".conf"}};

void report(std::string name, bool registered, const char* verb, std::vector<Finding>& findings) {
    if (registered)
        findings.push_back({std::move(name), Verdict::good, "knows gpurun", ""});
    else
        findings.push_back(
            {std::move(name), Verdict::note, "is installed but does not know gpurun", format("gpurun setup {}", verb)});
}

void check_docker(const Survey& survey, std::vector<Finding>& findings) {
    const Host& host = survey.host;
    if (!has_program(host, "dockerd")) return;
    DockerConfig config;
    try {
        config = read_docker(host);
    } catch (const Error& error) {
        findings.push_back({"docker", Verdict::warning, error.text(), "mend that line of the file"});
        return;
    }
    const bool registered = std::any_of(config.runtimes.begin(), config.runtimes.end(),
                                        [](const auto& runtime) { return base_name(runtime.second.path) == "gpurun"; });
    report("docker", registered, "docker", findings);
    // dockerd looks for one of these programs, by version, before it accepts --gpus at all.
    if (survey.inventory && !has_program(host, "nvidia-cdi-hook") &&
        !has_program(host, "nvidia-container-runtime-hook"))
        findings.push_back({"docker --gpus", Verdict::note,
                            "Docker refuses --gpus (could not select device driver \"\" with capabilities: [[gpu]]) "
                            "because neither nvidia-cdi-hook nor nvidia-container-runtime-hook is in its PATH; "
                            "`--runtime gpurun -e NVIDIA_VISIBLE_DEVICES=all` works",
                            "gpurun setup docker"});
    for (const auto& [name, runtime] : config.runtimes) {
        if (base_name(runtime.path) != "nvidia-container-runtime" || !has_path(host, "/run/systemd/system")) continue;
        findings.push_back({"docker runtime " + name, Verdict::warning,
                            format("{}NVIDIA's runtime: in legacy mode its containers lose their GPUs at `systemctl "
                                   "daemon-reload` and `docker update` (\"Failed to initialize NVML: Unknown Error\"), "
                                   "since systemd does not know about the devices",
                                   config.default_runtime == name ? "the default is " : "is "),
                            "gpurun setup docker --default"});
    }
}

}  // namespace

void check_engines(const Survey& survey, std::vector<Finding>& findings) {
    check_docker(survey, findings);
    for (const auto& engine : toml_engines) {
        if (!has_program(survey.host, engine.program)) continue;
        auto files = files_in(survey.host, engine.folder, engine.suffix);
        files.emplace_back(engine.file);
        const bool registered = std::any_of(
            files.begin(), files.end(), [&](const std::string& path) { return registers_gpurun(survey.host, path); });
        report(engine.name, registered, engine.name, findings);
    }
}

void check_foreign_hooks(const Survey& survey, std::vector<Finding>& findings) {
    for (const char* folder : {"/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"})
        for (const auto& path : files_in(survey.host, folder, ".json")) {
            const auto text = read_fact(survey.host, path).value_or("");
            if (text.find("nvidia-container-runtime-hook") == std::string::npos &&
                text.find("nvidia-container-toolkit") == std::string::npos)
                continue;
            findings.push_back({"hook " + path, Verdict::warning,
                                "Podman and CRI-O add NVIDIA's prestart hook to every container: with runtimes other "
                                "than gpurun it injects a second time where CDI has injected already",
                                format("rm {}", path)});
        }
    const char* nvidia_file = "/etc/nvidia-container-runtime/config.toml";
    const auto text = read_fact(survey.host, nvidia_file);
    if (!text) return;
    try {
        const TomlFile file = read_toml(*text, nvidia_file);
        const auto* value = file.find("nvidia-container-cli.no-cgroups");
        if (value != nullptr && value->boolean)
            findings.push_back(
                {"no-cgroups", Verdict::warning,
                 format("{}:{}: no-cgroups is true, so root's containers of NVIDIA's runtime may not open "
                        "the GPU; gpurun decides for each container and ignores it",
                        nvidia_file, value->line),
                 format("sed -i 's/^no-cgroups = true/#&/' {}", nvidia_file)});
    } catch (const Error& error) {
        findings.push_back({"NVIDIA config", Verdict::warning, error.text(), "mend that line of the file"});
    }
}

}  // namespace gpurun::gpu
