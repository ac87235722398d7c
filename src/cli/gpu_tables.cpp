#include "cli/gpu_tables.h"

#include "base/table.h"
#include "base/text.h"
#include "cli/columns.h"

namespace gpurun::cli {
namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

template <typename Number>
std::string or_dash(const std::optional<Number>& number) {
    return number ? std::to_string(*number) : "-";
}

void add_mig(std::vector<std::vector<std::string>>& rows, const gpu::GpuDescription& gpu) {
    for (const auto& instance : gpu.mig)
        rows.push_back(
            {instance.name, or_dash(instance.uuid),
             format("MIG: GPU instance {}, compute instance {}", instance.gpu_instance, instance.compute_instance),
             gpu.bus_id, "-", "-", "-", gpu.driver_version});
}

// "a, b": each fact on a line of its own, its name in front.
void line(std::string& text, std::string_view name, std::string_view value) {
    text += format("{:<18}{}\n", name, value);
}

template <typename Value, typename Show>
std::string listed(const std::map<std::string, Value>& values, Show show) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : values) parts.push_back(show(key, value));
    return parts.empty() ? "none" : join(parts, ", ");
}

// The libraries of one capability, by the directory they were found in.
void libraries_of(std::string& text, const gpu::HostDescription& host, std::string_view capability) {
    std::map<std::string, std::vector<std::string>> folders;
    for (const auto& library : host.libraries)
        for (const auto& each : library.capabilities)
            if (each == capability) folders[std::string(parent_of(library.path))].emplace_back(base_name(library.path));
    for (const auto& [folder, names] : folders)
        line(text, format("  {}", capability), format("{}: {}", folder, join(names, " ")));
    if (folders.empty()) line(text, format("  {}", capability), "none");
}

void directories(std::string& text, const std::vector<gpu::DirectoryDescription>& all) {
    for (const auto& directory : all)
        line(text, "CDI directory",
             format("{}: {}", directory.path,
                    !directory.exists         ? "absent"
                    : directory.files.empty() ? "empty"
                                              : join(directory.files, " ")));
}

void driver_lines(std::string& text, const gpu::HostDescription& host) {
    if (!host.loaded) return line(text, "driver", "no NVIDIA kernel driver is loaded");
    line(text, "driver",
         format("{} ({} kernel modules{})", host.driver_version, host.modules_flavour,
                host.cuda_version.empty() ? "" : ", CUDA up to " + host.cuda_version));
    line(text, "GPUs", std::to_string(host.gpu_count));
}

void file_lines(std::string& text, const gpu::HostDescription& host) {
    if (!host.loaded) return;
    text += "libraries for\n";
    for (const auto& row : gpu::capability_names) libraries_of(text, host, row.name);
    const auto list = [&](std::string_view name, const std::vector<std::string>& paths) {
        line(text, name, paths.empty() ? "none" : join(paths, " "));
    };
    list("programs", host.programs);
    list("firmware, modules", host.firmware);
    list("configuration", host.configs);
    list("sockets", host.sockets);
}

constexpr Name<gpu::NodeState> states_text[] = {{"as it should be", gpu::NodeState::right},
                                                {"missing", gpu::NodeState::missing},
                                                {"has other numbers", gpu::NodeState::other_numbers},
                                                {"has another mode or owner", gpu::NodeState::other_mode},
                                                {"is no device", gpu::NodeState::no_device}};

}  // namespace

std::string gpu_table(const std::vector<gpu::GpuDescription>& gpus) {
    std::vector<std::vector<std::string>> rows{{"INDEX", "UUID", "MODEL", "BUS ID", "MINOR", "NUMA", "CPUS", "DRIVER"}};
    for (const auto& gpu : gpus) {
        rows.push_back({or_dash(gpu.name), or_dash(gpu.uuid), gpu.model + (gpu.excluded ? " (excluded)" : ""),
                        or_dash(gpu.bus_id), or_dash(gpu.minor), or_dash(gpu.numa_node), or_dash(gpu.cpus),
                        or_dash(gpu.driver_version)});
        add_mig(rows, gpu);
    }
    return columns(rows);
}

std::string host_text(const gpu::HostDescription& host) {
    std::string text;
    driver_lines(text, host);
    line(text, "host root", host.host_root);
    line(text, "driver root", host.driver_root);
    line(text, "kernel modules", listed(host.modules, [](const std::string& name, bool loaded) {
             return format("{} {}", name, loaded ? "loaded" : "not loaded");
         }));
    line(text, "device majors",
         listed(host.majors, [](const std::string& name, unsigned major) { return format("{} {}", name, major); }));
    file_lines(text, host);
    directories(text, host.cdi);
    line(text, "settings", host.config_file.empty() ? "built in: no file was found" : "from " + host.config_file);
    for (const auto& [key, value] : host.config) line(text, "", format("{} = {}", key, value));
    for (const auto& problem : host.problems) line(text, "problem", problem);
    return text;
}

std::string check_text(const std::vector<gpu::Finding>& findings) {
    std::string text;
    for (const auto& finding : findings)
        text += format("{:<9}{}: {}\n", name_of(gpu::verdict_names, finding.verdict).value_or(""), finding.subject,
                       finding.fact);
    return text;
}

std::string doctor_text(const std::vector<gpu::Finding>& findings) {
    std::string text;
    std::size_t wrong = 0, warnings = 0;
    for (const auto& finding : findings) {
        if (finding.verdict == gpu::Verdict::good) continue;
        wrong += finding.verdict == gpu::Verdict::wrong;
        warnings += finding.verdict == gpu::Verdict::warning;
        text += format("{}: {}: {}\n", name_of(gpu::verdict_names, finding.verdict).value_or(""), finding.subject,
                       finding.fact);
        if (!finding.remedy.empty()) text += format("    mend it: {}\n", finding.remedy);
    }
    if (wrong == 0 && warnings == 0) return text + format("{} checks, nothing is wrong\n", findings.size());
    return text + format("{} checks; wrong: {}, warnings: {}\n", findings.size(), wrong, warnings);
}

std::string explanation_text(const gpu::Explanation& explanation) {
    std::string text;
    if (!explanation.problem.empty()) line(text, "problem", explanation.problem);
    line(text, "request", explanation.request);
    if (!explanation.capabilities.empty()) line(text, "capabilities", explanation.capabilities);
    for (const auto& requirement : explanation.requirements)
        line(text, "requirement", requirement + (explanation.problem.empty() ? " (holds)" : ""));
    for (const auto& hook : explanation.hooks) line(text, "hook done here", hook);
    if (!explanation.settings_file.empty()) line(text, "settings", "from " + explanation.settings_file);
    for (const auto& gpu : explanation.gpus)
        line(text, format("GPU {}", gpu.name),
             format("{} {}: {}", gpu.model, gpu.uuid, (gpu.chosen ? "yes, " : "no, ") + gpu.why));
    if (!explanation.edits.empty()) text += "\nThe container gets\n";
    for (const auto& edit : explanation.edits)
        text += format("  {}\n{}", edit.text, edit.why.empty() ? "" : format("      {}\n", edit.why));
    if (!explanation.left_out.empty()) text += "\nLeft out\n";
    for (const auto& omission : explanation.left_out) text += format("  {}\n      {}\n", omission.what, omission.why);
    return text;
}

std::string node_table(const std::vector<gpu::HostNode>& nodes, const std::vector<gpu::NodeState>& states) {
    std::vector<std::vector<std::string>> rows{{"NODE", "NUMBERS", "MODE", "OWNER", "STATE"}};
    for (std::size_t i = 0; i < nodes.size(); ++i)
        rows.push_back({nodes[i].path, format("{}:{}", nodes[i].major, nodes[i].minor), format("{:04o}", nodes[i].mode),
                        format("{}:{}", nodes[i].uid, nodes[i].gid),
                        std::string(name_of(states_text, states[i]).value_or(""))});
    return columns(rows);
}

}  // namespace gpurun::cli
