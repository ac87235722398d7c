// Any text as environment, kernel facts, settings or requirement is understood or refused with an Error.
#include <gpurun/error.h>

#include <cstdint>
#include <string>

#include "base/text.h"
#include "gpu/inventory.h"
#include "gpu/nvml.h"
#include "gpu/request.h"
#include "gpu/requirement.h"
#include "gpu/settings.h"

namespace {

template <typename Function>
void attempt(Function function) {
    try {
        function();
    } catch (const gpurun::Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun;
    const std::string text(reinterpret_cast<const char*>(data), size);
    spec::Spec spec;
    spec.process.emplace();
    for (const auto line : split(text, '\n')) spec.process->env.emplace_back(line);
    attempt([&] {
        const bool may = gpu::may_request(spec, {});
        if (gpu::parse_request(spec, {}, {}) && !may) __builtin_trap();
    });
    // The same text as annotations and as mounts, where these are asked to count.
    spec::Spec other;
    for (const auto line : split(text, '\n')) {
        const auto equals = line.find('=');
        if (equals != std::string_view::npos)
            other.annotations.emplace(line.substr(0, equals), line.substr(equals + 1));
        other.mounts.push_back({.destination = std::string(line), .source = "/dev/null"});
    }
    attempt([&] {
        gpu::Settings settings;
        settings.accept_volume_mounts = true;
        const bool may = gpu::may_request(other, {});
        if (gpu::parse_request(other, {}, settings) && !may) __builtin_trap();
    });
    attempt([&] {
        gpu::check_requirement({"NVIDIA_REQUIRE_CUDA", text}, gpu::properties_of("580.159.04", "NVIDIA H200"));
    });
    attempt([&] { gpu::parse_settings(text, "gpurun.toml"); });
    attempt([&] { gpu::parse_nvidia_settings(text, "config.toml"); });
    attempt([&] { gpu::parse_nvml(text); });
    attempt([&] { gpu::parse_usage(text); });
    gpu::parse_driver_version(text);
    gpu::parse_majors(text);
    gpu::parse_gpu(text, text);
    gpu::parse_capability(text);
    return 0;
}
