#include "gpu/survey.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr std::size_t largest_fact = 256u << 10;

// The sentence of what \a look throws; empty when it doesn't.
template <typename Look>
std::string problem_of(Look look) {
    try {
        look();
    } catch (const Error& error) {
        return error.text();
    }
    return {};
}

}  // namespace

std::optional<std::string> read_fact(const Host& host, const std::string& path) {
    return sys::try_read_file_at(host.root, path, Resolve::in_root, largest_fact);
}

bool has_path(const Host& host, const std::string& path) {
    return static_cast<bool>(sys::try_open_at(host.root, path, O_PATH | O_NOFOLLOW, Resolve::in_root));
}

bool has_module(const Host& host, const std::string& name) {
    if (name == "nvidia" && driver_loaded(host)) return true;
    return has_path(host, "/sys/module/" + name);
}

Survey survey(const std::string& host_root, bool rootless) {
    Survey survey;
    survey.host = open_host(host_root);
    survey.settings_problem = problem_of([&] { survey.settings = read_settings(survey.host.root, rootless); });
    if (survey.settings.driver_root != "/")
        survey.root_problem = problem_of([&] { survey.host = open_host(host_root, survey.settings.driver_root); });
    survey.inventory_problem = problem_of([&] { survey.inventory = read_inventory(survey.host); });
    if (survey.inventory)
        survey.files_problem = problem_of([&] {
            survey.files = find_driver_files(survey.host, survey.inventory->version, CapabilitySet::all(),
                                             survey.settings.library_paths);
        });
    return survey;
}

}  // namespace gpurun::gpu
