#include "cli/shim.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include "base/table.h"
#include "base/text.h"
#include "cli/command.h"
#include "gpu/request.h"
#include "gpu/settings.h"
#include "json/json.h"
#include "sys/file.h"

namespace {

/// What the hook needs of the state on its standard input.
struct HookState {
    std::string bundle;
};

}  // namespace

template <>
struct gpurun::json::Fields<HookState> {
    static constexpr Field value[] = {required<&HookState::bundle>("bundle")};
};

namespace gpurun::cli {
namespace {

using Words = std::span<char* const>;

int runtime_hook(Words words) {
    // poststart and poststop never had anything to do.
    if (words.empty() || std::string_view(words.back()) != "prestart") return 0;
    const auto state =
        json::read<HookState>("the container's state", sys::read_all(sys::FdRef(STDIN_FILENO), "standard input"));
    const std::string config = state.bundle + "/config.json";
    const auto spec = spec::parse(sys::read_file(config), config);
    if (!gpu::may_request(spec, {})) return 0;
    const sys::Fd root = sys::open("/", O_PATH | O_DIRECTORY);
    const auto request = gpu::parse_request(spec, {}, gpu::read_settings(root, false));
    if (!request || request->implied) return 0;
    throw Error(
        format("{} asks for a GPU, which only gpurun itself puts into a container, but another runtime was chosen: "
               "use --runtime=gpurun or `gpurun setup docker --default`",
               request->origin));
}

constexpr Name<int (*)(Words)> shims[] = {{"nvidia-container-runtime-hook", runtime_hook},
                                          {"nvidia-container-toolkit", runtime_hook}};

}  // namespace

std::optional<int> run_as_named(int argc, char** argv) {
    if (argc == 0) return std::nullopt;
    const auto shim = value_of(shims, base_name(argv[0]));
    if (!shim) return std::nullopt;
    return (*shim)(Words(argv + 1, static_cast<std::size_t>(argc - 1)));
}

}  // namespace gpurun::cli
