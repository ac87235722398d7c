#include "gpu/nvml.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/process.h"

#ifndef GPURUN_HELPER
#define GPURUN_HELPER "/usr/libexec/gpurun-helper"
#endif

namespace gpurun::gpu {
namespace {

constexpr int helper_seconds = 60;  // NVML takes up to three seconds for each GPU that nobody has used yet.

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

NvmlFacts HelperNvml::ask() {
    const std::string helper = GPURUN_HELPER;
    if (!sys::exists(helper))
        throw Error(
            format("this GPU can only be found by NVML, and {} is not installed: name the GPU by index or PCI address",
                   helper));
    std::vector<std::string> arguments{"gpurun-helper", "nvml", host_.prefix + host_.driver_prefix + "/"};
    const auto end = sys::run_program({.path = helper,
                                       .arguments = std::move(arguments),
                                       .environment = {{"PATH=/usr/bin:/bin"}},
                                       .input = {},
                                       .directory = "/",
                                       .timeout_seconds = helper_seconds});
    if (end.timed_out)
        throw Error(format("NVML of driver {} did not answer within {} seconds", inventory_.version, helper_seconds));
    if (end.exit_code != 0) throw Error(format("NVML of driver {}: {}", inventory_.version, end.output));
    return parse_nvml(end.output);
}

}  // namespace gpurun::gpu
