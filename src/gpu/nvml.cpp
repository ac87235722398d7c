#include "gpu/nvml.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "gpu/kept.h"
#include "sys/helper.h"

namespace gpurun::gpu {
namespace {

// What the answer depends on: UUIDs of MIG instances follow from GPU and place, so the layout is enough.
std::string key_of(const Inventory& inventory) {
    std::string key = inventory.version;
    for (const auto& gpu : inventory.gpus) {
        key += ' ' + gpu.bus_id;
        for (const auto& instance : gpu.mig) key += format(" {}/{}", instance.gpu_instance, instance.compute_instance);
    }
    return key;
}

}  // namespace

NvmlFacts parse_nvml(std::string_view text) {
    NvmlFacts facts;
    for (const auto line : split(text, '\n')) {
        const auto parts = words(line);
        if (parts.empty()) continue;
        if (parts.size() == 3 && parts[0] == "gpu") {
            facts.push_back({.bus_id = std::string(parts[1]), .uuid = std::string(parts[2]), .mig = {}});
            continue;
        }
        const auto gpu_instance = parts.size() == 4 ? parse_number<unsigned>(parts[1]) : std::nullopt;
        const auto compute_instance = parts.size() == 4 ? parse_number<unsigned>(parts[2]) : std::nullopt;
        if (parts[0] != "mig" || !gpu_instance || !compute_instance || facts.empty())
            throw Error(format("gpurun-helper nvml: \"{}\" is no line of its answer", line));
        facts.back().mig.push_back(
            {.gpu_instance = *gpu_instance, .compute_instance = *compute_instance, .uuid = std::string(parts[3])});
    }
    return facts;
}

std::string ask_helper(const std::string& version, std::vector<std::string> arguments) {
    const auto end = sys::run_helper(std::move(arguments));
    if (end.timed_out) throw Error(format("NVML of driver {} does not answer", version));
    if (end.exit_code == 0) return end.output;
    const std::string reason = !end.output.empty() ? end.output
                               : end.signal != 0   ? format("the helper was ended by signal {}", end.signal)
                                                   : format("the helper ended with {}", end.exit_code);
    throw Error(format("NVML of driver {}: {}", version, reason));
}

NvmlFacts HelperNvml::ask() {
    const std::string key = key_of(inventory_);
    if (const auto kept = read_kept(host_, "nvml", key)) return parse_nvml(*kept);
    const std::string answer = ask_helper(inventory_.version, {"nvml", host_.prefix + host_.driver_prefix + "/"});
    auto facts = parse_nvml(answer);
    keep(host_, "nvml", key, answer + "\n");
    return facts;
}

}  // namespace gpurun::gpu
