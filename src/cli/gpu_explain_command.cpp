#include <gpurun/error.h>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/gpu_command.h"
#include "cli/gpu_tables.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

constexpr std::size_t largest_config = 16u << 20;

constexpr Option explain_options[] = {
    {"config", 0, true, "another name for config.json"},
    {"gpu", 0, true, "GPU for the container, as with create; may be repeated"},
    {"format", 'f', true, "table or json"},
    {"host-root", 0, true, "explain for the host whose files are below this directory"}};

int explain(const container::Context&, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    const std::string bundle = absolute_path(arguments.positionals.at(0));
    const std::string path =
        arguments.has("config") ? absolute_path(arguments.value("config")) : bundle + "/config.json";
    if (!sys::exists(path)) throw Error(format("{}: there is no such file; explain wants a bundle's directory", path));
    const auto explanation =
        gpu::explain(spec::read_text(sys::read_file(path, largest_config), path), {.devices = arguments.values("gpu"),
                                                                                   .host_root = host_root(arguments),
                                                                                   .bundle = bundle,
                                                                                   .rootless = is_rootless()});
    print(wanted == "json" ? gpu::to_json(explanation) : explanation_text(explanation));
    return explanation.problem.empty() ? 0 : 1;
}

}  // namespace

const Command gpu_explain_command{.name = "explain",
                                  .usage = "[OPTION]... BUNDLE",
                                  .summary = "why a container gets which GPU, node, library and link",
                                  .options = explain_options,
                                  .order = Order::any,
                                  .fewest = 1,
                                  .most = 1,
                                  .protects = false,
                                  .run = explain};

}  // namespace gpurun::cli
