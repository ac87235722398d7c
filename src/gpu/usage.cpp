#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "gpu/container_view.h"
#include "gpu/inventory.h"
#include "gpu/nvml.h"
#include "gpu/settings.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

[[noreturn]] void refuse(std::string_view line) {
    throw Error(format("gpurun-helper nvml: \"{}\" is no line of its answer", line));
}

void take_process(Usage& gpu, int pid, std::uint64_t memory) {
    const auto known = std::find_if(gpu.processes.begin(), gpu.processes.end(),
                                    [&](const Usage::Process& process) { return process.pid == pid; });
    if (known == gpu.processes.end())
        gpu.processes.push_back({.pid = pid, .memory = memory});
    else
        known->memory = std::max(known->memory, memory);
}

}  // namespace

std::vector<Usage> parse_usage(std::string_view text) {
    std::vector<Usage> gpus;
    for (const auto line : split(text, '\n')) {
        const auto parts = words(line);
        if (parts.empty()) continue;
        if (parts[0] == "gpu") {
            if (parts.size() != 3) refuse(line);
            gpus.push_back({.index = static_cast<unsigned>(gpus.size()),
                            .bus_id = std::string(parts[1]),
                            .uuid = std::string(parts[2]),
                            .processes = {}});
        }
        if (parts[0] != "memory" && parts[0] != "process") continue;
        const auto first = parts.size() == 3 ? parse_number<std::uint64_t>(parts[1]) : std::nullopt;
        const auto second = parts.size() == 3 ? parse_number<std::uint64_t>(parts[2]) : std::nullopt;
        if (!first || !second || gpus.empty()) refuse(line);
        if (parts[0] == "process") {
            take_process(gpus.back(), static_cast<int>(*first), *second);
        } else {
            gpus.back().total = *first;
            gpus.back().used = *second;
        }
    }
    return gpus;
}

bool has_gpu(const spec::Spec& config) { return !device_minors(config).empty(); }

std::vector<Usage> usage(const spec::Spec& config, const std::vector<int>& pids, const Options& options) {
    const auto minors = device_minors(config);
    if (minors.empty()) return {};
    Settings settings;
    {
        const sys::Fd root = sys::open(options.host_root, O_PATH | O_DIRECTORY);
        settings = read_settings(root, options.rootless);
    }
    const Host host = open_host(options.host_root, settings.driver_root);
    const auto inventory = read_inventory(host);
    if (!inventory) throw Error("no NVIDIA kernel driver is loaded");
    auto gpus = parse_usage(ask_helper(inventory->version, {"nvml", host.prefix + host.driver_prefix + "/", "usage"}));
    std::erase_if(gpus, [&](const Usage& gpu) {
        return std::none_of(inventory->gpus.begin(), inventory->gpus.end(), [&](const Gpu& known) {
            return known.bus_id == gpu.bus_id && std::find(minors.begin(), minors.end(), known.minor) != minors.end();
        });
    });
    const std::set<int> own(pids.begin(), pids.end());
    for (auto& gpu : gpus)
        std::erase_if(gpu.processes, [&](const Usage::Process& process) { return !own.contains(process.pid); });
    return gpus;
}

}  // namespace gpurun::gpu
