#include <gpurun/error.h>

#include "base/text.h"
#include "cli/setup.h"

namespace gpurun::cli {
namespace {

constexpr std::string_view mark = "# Written by `gpurun setup`; `gpurun setup ENGINE --remove` takes it away.\n";

/// \a content under the mark; throws Error when the file that is there has no mark.
std::string owned(std::string_view text, const Registration& registration, const std::string& content) {
    if (!trim(text).empty() && !text.starts_with(mark))
        throw Error(format("{}: not written by gpurun setup; move it away first", registration.file));
    return registration.remove ? "" : std::string(mark) + content;
}

}  // namespace

std::string register_with_crio(std::string_view text, const Registration& registration) {
    std::string content;
    if (registration.is_default) content = "[crio.runtime]\ndefault_runtime = \"gpurun\"\n\n";
    content += format(
        "[crio.runtime.runtimes.gpurun]\nruntime_path = \"{}\"\nruntime_type = \"oci\"\nruntime_root = "
        "\"/run/gpurun\"\n",
        registration.program);
    return owned(text, registration, content);
}

std::string register_with_podman(std::string_view text, const Registration& registration) {
    // Podman reads a runtime's errors as JSON, and lets it do without cgroups, only where its name is in these lists.
    std::string content = "[engine]\n";
    if (registration.is_default) content += "runtime = \"gpurun\"\n";
    content +=
        "runtime_supports_json = [\"crun\", \"runc\", \"kata\", \"runsc\", \"youki\", \"krun\", \"gpurun\"]\n"
        "runtime_supports_nocgroups = [\"crun\", \"krun\", \"gpurun\"]\n"
        "runtime_supports_nocgroup = [\"crun\", \"krun\", \"gpurun\"]  # which of the two is read depends on Podman's "
        "version\n";
    content += format("\n[engine.runtimes]\ngpurun = [\"{}\"]\n", registration.program);
    return owned(text, registration, content);
}

}  // namespace gpurun::cli
