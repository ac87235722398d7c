#include <gpurun/error.h>

#include <map>

#include "base/text.h"
#include "cli/json_edit.h"
#include "cli/setup.h"
#include "json/json.h"

namespace {

/// What of daemon.json must be as expected before it is edited.
struct Runtime {
    std::string path;
    bool operator==(const Runtime&) const = default;
};
struct Daemon {
    std::map<std::string, Runtime> runtimes;
    std::string default_runtime;
};

}  // namespace

template <>
struct gpurun::json::Fields<Runtime> {
    static constexpr Field value[] = {field<&Runtime::path>("path")};
};
template <>
struct gpurun::json::Fields<Daemon> {
    static constexpr Field value[] = {field<&Daemon::runtimes>("runtimes"),
                                      field<&Daemon::default_runtime>("default-runtime")};
};

namespace gpurun::cli {

std::string register_with_docker(std::string_view text, const Registration& registration) {
    const bool absent = trim(text).empty();
    if (absent && registration.remove) return std::string(text);
    std::string edited = absent ? "{}\n" : std::string(text);
    const auto daemon = json::read<Daemon>(registration.file, edited);
    if (registration.remove) {
        edited = without_json_value(edited, {"runtimes", "gpurun"});
        if (daemon.runtimes.size() == 1 && daemon.runtimes.contains("gpurun"))
            edited = without_json_value(edited, {"runtimes"});
        if (daemon.default_runtime == "gpurun") edited = without_json_value(edited, {"default-runtime"});
        return edited;
    }
    if (!json_value(edited, {"runtimes"})) edited = with_json_value(edited, {"runtimes"}, "{}");
    const auto known = daemon.runtimes.find("gpurun");
    if (known == daemon.runtimes.end())
        edited =
            with_json_value(edited, {"runtimes", "gpurun"}, "{\"path\": " + json::write(registration.program) + "}");
    else if (known->second.path != registration.program)  // other settings of the entry, such as runtimeArgs, stay
        edited = with_json_value(edited, {"runtimes", "gpurun", "path"}, json::write(registration.program));
    if (registration.is_default && daemon.default_runtime != "gpurun")
        edited = with_json_value(edited, {"default-runtime"}, "\"gpurun\"");
    return edited;
}

}  // namespace gpurun::cli
