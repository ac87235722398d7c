#include "cli/gpu_command.h"

#include <gpurun/error.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/gpu_tables.h"
#include "gpu/modules.h"
#include "gpu/nvml.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

constexpr Option look_options[] = {{"format", 'f', true, "table or json"},
                                   {"host-root", 0, true, "look at the host whose files are below this directory"}};

int list(const container::Context&, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    const auto survey = gpu::survey(host_root(arguments), is_rootless());
    std::optional<gpu::HelperNvml> nvml;
    if (survey.inventory && survey.host.prefix.empty()) nvml.emplace(survey.host, *survey.inventory);
    const auto gpus = gpu::describe_gpus(survey, nvml ? &*nvml : nullptr);
    print(wanted == "json" ? gpu::to_json(gpus) : gpu_table(gpus));
    return 0;
}

int info(const container::Context&, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    const auto host = gpu::describe_host(gpu::survey(host_root(arguments), is_rootless()));
    print(wanted == "json" ? gpu::to_json(host) : host_text(host));
    return 0;
}

constexpr Option node_options[] = {{"dry-run", 'n', false, "show the nodes and their state, change nothing"},
                                   {"load-modules", 0, false, "load nvidia, nvidia-uvm and nvidia-modeset first"},
                                   {"dev-char", 0, false, "make links in /dev/char too, for systemd before 240"},
                                   {"imex", 0, true, "an IMEX channel's number; may be repeated"},
                                   {"host-root", 0, true, "make them for the host below this directory"}};

std::vector<unsigned> channels(const Arguments& arguments) {
    std::vector<unsigned> numbers;
    for (const auto& value : arguments.values("imex")) {
        const auto number = parse_number<unsigned>(value);
        if (!number || *number >= 1u << 20)
            throw Error(format("invalid value \"{}\" for flag --imex: want a number below {}", value, 1u << 20));
        numbers.push_back(*number);
    }
    return numbers;
}

int create_nodes(const container::Context&, const Arguments& arguments) {
    const auto wanted_channels = channels(arguments);
    auto survey = gpu::survey(host_root(arguments), is_rootless());
    const auto* inventory = survey.inventory ? &*survey.inventory : nullptr;
    if (arguments.has("load-modules") && !arguments.has("dry-run") &&
        gpu::load_modules(survey.host, inventory, gpu::CapabilitySet::all()))
        survey = gpu::survey(host_root(arguments), is_rootless());
    if (!survey.inventory_problem.empty()) throw Error(survey.inventory_problem);
    if (!survey.inventory)
        throw Error(
            "no NVIDIA kernel driver is loaded, so no node has a number: run `gpurun gpu create-nodes --load-modules`");
    const auto nodes = gpu::wanted_nodes(survey, wanted_channels);
    std::vector<gpu::NodeState> states;
    for (const auto& node : nodes) states.push_back(gpu::state_of(survey.host, node));
    if (arguments.has("dry-run")) return print(node_table(nodes, states)), 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        gpu::make_node(survey.host, nodes[i]);
        if (states[i] != gpu::NodeState::right)
            print(format("{} {}\n", states[i] == gpu::NodeState::missing ? "made" : "corrected", nodes[i].path));
        if (arguments.has("dev-char") && gpu::link_by_number(survey.host, nodes[i]))
            print(format("linked /dev/char/{}:{}\n", nodes[i].major, nodes[i].minor));
    }
    return 0;
}

const Command* const verbs[] = {&gpu_list_command,    &gpu_info_command, &gpu_check_command,       &gpu_doctor_command,
                                &gpu_explain_command, &gpu_cdi_command,  &gpu_create_nodes_command};

}  // namespace

std::string absolute_path(const std::string& path) {
    if (path.starts_with('/')) return clean_path(path);
    char directory[PATH_MAX];
    if (::getcwd(directory, sizeof directory) == nullptr) throw Error(errno, "getcwd");
    return clean_path(format("{}/{}", directory, path));
}

std::string host_root(const Arguments& arguments) {
    const std::string root = absolute_path(arguments.optional("host-root").value_or("/"));
    if (!sys::exists(root)) throw Error(format("--host-root {}: there is no such directory", root));
    return root;
}

bool is_rootless() { return ::geteuid() != 0; }

const Command gpu_list_command{.name = "list",
                               .usage = "[OPTION]...",
                               .summary = "list GPUs and MIG instances",
                               .options = look_options,
                               .order = Order::any,
                               .fewest = 0,
                               .most = 0,
                               .protects = false,
                               .run = list};
const Command gpu_info_command{.name = "info",
                               .usage = "[OPTION]...",
                               .summary = "show the driver, its files and the settings in effect",
                               .options = look_options,
                               .order = Order::any,
                               .fewest = 0,
                               .most = 0,
                               .protects = false,
                               .run = info};
const Command gpu_create_nodes_command{.name = "create-nodes",
                                       .usage = "[OPTION]...",
                                       .summary = "make the host's device nodes",
                                       .options = node_options,
                                       .order = Order::any,
                                       .fewest = 0,
                                       .most = 0,
                                       .protects = false,
                                       .run = create_nodes};
const Command gpu_command{.name = "gpu",
                          .usage = "list|info|check|doctor|explain|cdi|create-nodes [OPTION]...",
                          .summary = "look at GPUs, find what is wrong, write CDI files",
                          .options = {},
                          .order = Order::options_first,
                          .fewest = 0,
                          .most = 0,
                          .protects = false,
                          .run = nullptr,
                          .children = verbs};

}  // namespace gpurun::cli
