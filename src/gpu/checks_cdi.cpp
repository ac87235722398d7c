// CDI files against the machine as it is now: engines read them and fail where they are out of date.
#include <fcntl.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/cdi_registry.h"
#include "gpu/findings.h"
#include "gpu/hooks_edits.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

bool is_there(const Host& host, const std::string& path) {
    return static_cast<bool>(sys::try_open_at(host.root, path, O_PATH, Resolve::in_root));
}

// What a file says that does not hold.
struct Staleness {
    std::vector<std::string> missing, renumbered, gone;
    bool any() const { return !missing.empty() || !renumbered.empty() || !gone.empty(); }
};

void compare_edits(const cdi::ContainerEdits& edits, const Survey& survey, const Majors& majors, Staleness& stale) {
    const auto note = [](std::vector<std::string>& list, const std::string& text) {
        if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
    };
    for (const auto& mount : edits.mounts)
        if (!is_there(survey.host, mount.host_path)) note(stale.missing, mount.host_path);
    for (const auto& node : edits.device_nodes) {
        const auto& path = node.host_path.empty() ? node.path : node.host_path;
        const auto now = kernel_numbers(path, majors);
        if (now && node.major && (*node.major != now->first || node.minor.value_or(0) != now->second))
            note(stale.renumbered,
                 format("{} {}:{} (now {}:{})", path, *node.major, node.minor.value_or(0), now->first, now->second));
        // Engines take the type from the node where the file has none, as NVIDIA's generator leaves it.
        if ((node.type.empty() || !node.major) && !is_there(survey.host, path)) note(stale.missing, path);
    }
}

Staleness compare(const cdi::File& file, const Survey& survey, const Majors& majors) {
    Staleness stale;
    compare_edits(file.container_edits, survey, majors, stale);
    for (const auto& device : file.devices) {
        compare_edits(device.container_edits, survey, majors, stale);
        if (!survey.inventory || file.kind != "nvidia.com/gpu" || !device.name.starts_with("GPU-")) continue;
        const auto& gpus = survey.inventory->gpus;
        const bool known = std::any_of(gpus.begin(), gpus.end(),
                                       [&](const Gpu& gpu) { return gpu.uuid.empty() || gpu.uuid == device.name; });
        if (!known) stale.gone.push_back(device.name);
    }
    return stale;
}

// "a, b and 34 more".
std::string some_of(const std::vector<std::string>& list) {
    constexpr std::size_t most = 3;
    const std::vector<std::string> shown(list.begin(), list.begin() + static_cast<long>(std::min(most, list.size())));
    return gpurun::join(shown, ", ") + (list.size() > most ? format(" and {} more", list.size() - most) : "");
}

std::string sentence(const Staleness& stale) {
    std::vector<std::string> parts;
    if (!stale.missing.empty()) parts.push_back("names files that are not there: " + some_of(stale.missing));
    if (!stale.renumbered.empty())
        parts.push_back("has other device numbers than the kernel: " + some_of(stale.renumbered));
    if (!stale.gone.empty()) parts.push_back("names GPUs that are not there: " + some_of(stale.gone));
    return format("is out of date, so containers that engines edit by it fail to start or lack the GPU: it {}",
                  gpurun::join(parts, "; it "));
}

}  // namespace

void check_cdi(const Survey& survey, std::vector<Finding>& findings) {
    const std::string root = survey.host.prefix.empty() ? "/" : survey.host.prefix;
    const cdi::Registry registry(survey.settings.cdi_directories, root);
    for (const auto& problem : registry.problems())
        findings.push_back({"CDI", Verdict::warning, problem, "mend or remove the file"});
    const auto majors = read_majors(survey.host);
    for (const auto& source : registry.sources()) {
        const auto stale = compare(source.file, survey, majors);
        const bool nvidia = source.file.kind.starts_with("nvidia.com/");
        if (stale.any())
            findings.push_back({"CDI file " + source.path, Verdict::warning, sentence(stale),
                                nvidia ? format("gpurun gpu cdi generate --output {}", source.path)
                                       : "write it anew with the vendor's generator"});
        else
            findings.push_back({"CDI file " + source.path, Verdict::good,
                                format("{} devices of kind {}", source.file.devices.size(), source.file.kind), ""});
    }
}

}  // namespace gpurun::gpu
