#include <fcntl.h>
#include <gpurun/error.h>

#include <algorithm>

#include "base/log.h"
#include "base/table.h"
#include "base/text.h"
#include "cli/columns.h"
#include "cli/gpu_command.h"
#include "gpu/cdi_generate.h"
#include "gpu/cdi_registry.h"
#include "gpu/tegra.h"
#include "gpu/wsl.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

namespace cdi = gpu::cdi;

constexpr Name<cdi::Naming> namings[] = {
    {"index", cdi::Naming::index}, {"uuid", cdi::Naming::uuid}, {"type-index", cdi::Naming::type_index}};

/// What a file is written of, and the kind that it has unless told otherwise.
struct GenerateMode {
    std::string_view name;
    const char* kind;
    const char* request;  ///< For the device "all"; empty: single GPUs.
};

constexpr GenerateMode modes[] = {{"gpu", "nvidia.com/gpu", ""},
                                  {"wsl", "nvidia.com/gpu", "all"},
                                  {"csv", "nvidia.com/gpu", "all"},
                                  {"gds", "nvidia.com/gds", "nvidia.com/gds=all"},
                                  {"mofed", "nvidia.com/mofed", "nvidia.com/mofed=all"},
                                  {"gdrcopy", "nvidia.com/gdrcopy", "nvidia.com/gdrcopy=all"},
                                  {"nvswitch", "nvidia.com/nvswitch", "nvidia.com/nvswitch=all"},
                                  {"imex", "nvidia.com/imex-channel", ""}};

constexpr Option generate_options[] = {
    {"mode", 0, true, "gpu, wsl, csv, gds, mofed, gdrcopy, nvswitch or imex; by the machine without it"},
    {"imex", 0, true, "an IMEX channel for the mode imex; may be repeated; 0 without it"},
    {"thin", 0, false, "names only: gpurun injects what the machine has when the container starts"},
    {"full", 0, false, "nodes, libraries and hooks, for every runtime; the default"},
    {"output", 'o', true, "file to replace at once; standard output without it"},
    {"format", 'f', true, "yaml or json; by the name of the output, or yaml"},
    {"device-name-strategy", 0, true, "index, uuid or type-index; may be repeated; index and uuid without it"},
    {"kind", 0, true, "another kind than nvidia.com/gpu"},
    {"no-all-device", 0, false, "without the device \"all\""},
    {"hook-program", 0, true, "what a full file's hooks run under other runtimes: /usr/bin/nvidia-cdi-hook"},
    {"program", 0, true, "what a thin file's hook runs under other runtimes: /usr/sbin/gpurun"},
    {"host-root", 0, true, "for the host whose files are below this directory"}};

const GenerateMode& find_mode(const Arguments& arguments, const gpu::Survey& survey) {
    std::string name = arguments.optional("mode").value_or("auto");
    if (name == "nvml" || name == "auto") name = "gpu";
    if (!arguments.has("mode") && !survey.inventory && gpu::is_wsl(survey.host)) name = "wsl";
    if (!arguments.has("mode") && !survey.inventory && gpu::is_tegra(survey.host)) name = "csv";
    std::vector<std::string> names;
    for (const auto& mode : modes) {
        if (mode.name == name) return mode;
        names.emplace_back(mode.name);
    }
    throw Error(format("invalid value \"{}\" for flag --mode: want {}", name, join(names, ", ")));
}

cdi::GenerateOptions read_options(const Arguments& arguments, const GenerateMode& mode) {
    cdi::GenerateOptions options;
    options.all = !arguments.has("no-all-device");
    options.kind = arguments.optional("kind").value_or(mode.kind);
    if (!cdi::is_kind(options.kind))
        throw Error(format("invalid value \"{}\" for flag --kind: want vendor/class", options.kind));
    options.hook_program = arguments.optional("hook-program").value_or(options.hook_program);
    options.program = arguments.optional("program").value_or(options.program);
    if (arguments.has("device-name-strategy")) options.names.clear();
    for (const auto& list : arguments.values("device-name-strategy"))
        for (const auto word : split(list, ',')) {
            const auto naming = value_of(namings, word);
            if (!naming)
                throw Error(format(
                    "invalid value \"{}\" for flag --device-name-strategy: want index, uuid or type-index", word));
            if (std::find(options.names.begin(), options.names.end(), *naming) == options.names.end())
                options.names.push_back(*naming);
        }
    return options;
}

std::string file_format(const Arguments& arguments, const std::string& output) {
    const std::string wanted = arguments.optional("format").value_or(output.ends_with(".json") ? "json" : "yaml");
    if (wanted != "yaml" && wanted != "json")
        throw Error(format("invalid format option \"{}\": want yaml or json", wanted));
    // Readers tell by the name what is in it.
    if (!output.empty() && !output.ends_with("." + wanted))
        throw Error(format("--output {}: its name must end in .{}, or engines will not read it", output, wanted));
    return wanted;
}

// Beside the old one, then in its place: a reader sees the one or the other.
void write_or_print(const std::string& output, const std::string& text) {
    if (output.empty()) return print(text);
    const std::string folder(parent_of(output));
    if (!folder.empty()) sys::make_directories(folder);
    sys::replace_file_at(sys::open(folder.empty() ? "." : folder, O_PATH | O_DIRECTORY), std::string(base_name(output)),
                         text, 0644);
}

// What of the mode's devices is a request like others.
std::vector<cdi::NamedRequest> requests_of(const GenerateMode& mode, const Arguments& arguments) {
    if (mode.name != "imex") return {{"all", mode.request}};
    std::vector<cdi::NamedRequest> requests;
    auto channels = arguments.values("imex");
    if (channels.empty()) channels = {"0"};
    for (const auto& channel : channels) {
        if (!parse_number<unsigned>(channel))
            throw Error(format("invalid value \"{}\" for flag --imex: want a number", channel));
        requests.push_back({channel, format("nvidia.com/imex-channel={}", channel)});
    }
    return requests;
}

cdi::File gpu_file(const gpu::Survey& survey, bool thin, const cdi::GenerateOptions& options) {
    for (const auto* problem : {&survey.settings_problem, &survey.root_problem, &survey.inventory_problem})
        if (!problem->empty()) throw Error(*problem);
    if (!survey.inventory)
        throw Error(
            "no NVIDIA kernel driver is loaded, so there is no GPU to write a CDI file for: `gpurun gpu "
            "doctor` says why");
    if (survey.inventory->gpus.empty()) throw Error("the driver has no usable GPU, so a CDI file would be empty");
    if (thin) return cdi::thin_file(*survey.inventory, options);
    if (!survey.files_problem.empty()) throw Error(survey.files_problem);
    return cdi::full_file(cdi::discover_all(survey), survey.host, options);
}

int generate(const container::Context&, const Arguments& arguments) {
    const std::string root = host_root(arguments);
    const auto survey = gpu::survey(root, is_rootless());
    const GenerateMode& mode = find_mode(arguments, survey);
    const auto options = read_options(arguments, mode);
    const std::string output = arguments.value("output");
    const std::string wanted = file_format(arguments, output);
    const bool thin = arguments.has("thin");
    if (thin && arguments.has("full")) throw Error("--thin and --full exclude each other");
    const cdi::File file = mode.name == "gpu"
                               ? gpu_file(survey, thin, options)
                               : cdi::request_file(requests_of(mode, arguments), thin, root, is_rootless(), options);
    if (file.devices.empty()) throw Error(format("this machine has nothing for the mode {}", mode.name));
    write_or_print(output, wanted == "json" ? cdi::write_json(file) : cdi::write_yaml(file));
    return 0;
}

constexpr Option list_options[] = {
    {"format", 'f', true, "table or json"},
    {"spec-dir", 0, true, "directory to look in; may be repeated; those of the settings without it"},
    {"quiet", 'q', false, "names only"},
    {"host-root", 0, true, "of the host whose files are below this directory"}};

int list(const container::Context&, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    const std::string root = host_root(arguments);
    auto directories = arguments.values("spec-dir");
    if (directories.empty()) {
        const auto survey = gpu::survey(root, is_rootless());
        if (!survey.settings_problem.empty()) throw Error(survey.settings_problem);
        directories = survey.settings.cdi_directories;
    }
    const cdi::Registry registry(directories, root);
    if (wanted == "json") return print(cdi::to_json(registry)), 0;
    std::string text;
    std::vector<std::vector<std::string>> rows{{"NAME", "FILE"}};
    for (const auto& name : registry.names()) {
        text += cdi::text_of(name) + "\n";
        rows.push_back({cdi::text_of(name), registry.file_of(name)});
    }
    print(arguments.has("quiet") ? text : columns(rows));
    for (const auto& problem : registry.problems()) log::warning("cdi: {}", problem);
    return 0;
}

constexpr Option transform_options[] = {
    {"input", 'i', true, "CDI file to read"},
    {"output", 'o', true, "file to replace at once, may be the input; standard output without it"},
    {"format", 'f', true, "yaml or json; by the name of the output, or yaml"},
    {"from", 0, true, "root in front of host paths, / without it"},
    {"to", 0, true, "root to put in its place, / without it"}};

int transform_root(const container::Context&, const Arguments& arguments) {
    const std::string input = arguments.value("input");
    if (input.empty()) throw Error("--input is missing: which CDI file?");
    const std::string output = arguments.value("output");
    const std::string wanted = file_format(arguments, output);
    cdi::File file = cdi::read(input, sys::read_file(input, 16u << 20));
    cdi::transform_root(file, arguments.optional("from").value_or("/"), arguments.optional("to").value_or("/"));
    write_or_print(output, wanted == "json" ? cdi::write_json(file) : cdi::write_yaml(file));
    return 0;
}

// gpurun finds this call in config.json and injects the devices itself; that it runs at all means another runtime.
int refuse_hook(const container::Context&, const Arguments& arguments) {
    const std::vector<std::string> names(arguments.positionals.begin() + 1, arguments.positionals.end());
    throw Error(
        format("{}: this CDI device needs the gpurun runtime, but another one makes the container: use gpurun (`gpurun "
               "setup`), "
               "or write a file for every runtime with `gpurun gpu cdi generate --full --output /etc/cdi/nvidia.yaml`",
               gpurun::join(names, ", ")));
}

const Command cdi_generate_command{.name = "generate",
                                   .usage = "[OPTION]...",
                                   .summary = "write a CDI file of this machine's GPUs",
                                   .options = generate_options,
                                   .order = Order::any,
                                   .fewest = 0,
                                   .most = 0,
                                   .protects = false,
                                   .run = generate};
const Command cdi_list_command{.name = "list",
                               .usage = "[OPTION]...",
                               .summary = "list CDI devices of every vendor, their files and what is wrong with these",
                               .options = list_options,
                               .order = Order::any,
                               .fewest = 0,
                               .most = 0,
                               .protects = false,
                               .run = list};
const Command cdi_root_command{.name = "root",
                               .usage = "--input FILE [OPTION]...",
                               .summary = "replace the root in front of a CDI file's host paths",
                               .options = transform_options,
                               .order = Order::any,
                               .fewest = 0,
                               .most = 0,
                               .protects = false,
                               .run = transform_root};
const Command* const transforms[] = {&cdi_root_command};
const Command cdi_transform_command{.name = "transform",
                                    .usage = "root [OPTION]...",
                                    .summary = "change a CDI file",
                                    .options = {},
                                    .order = Order::options_first,
                                    .fewest = 0,
                                    .most = 0,
                                    .protects = false,
                                    .run = nullptr,
                                    .children = transforms};
const Command* const verbs[] = {&cdi_generate_command, &cdi_list_command, &cdi_transform_command};

}  // namespace

const Command gpu_cdi_command{.name = "cdi",
                              .usage = "generate|list|transform [OPTION]...",
                              .summary = "write and list CDI files",
                              .options = {},
                              .order = Order::options_first,
                              .fewest = 0,
                              .most = 0,
                              .protects = false,
                              .run = nullptr,
                              .children = verbs};
const Command cdi_hook_command{.name = "cdi-hook",
                               .usage = "inject NAME …",
                               .summary = "the hook of thin CDI files; other runtimes than gpurun are refused",
                               .options = {},
                               .order = Order::any,
                               .fewest = 2,
                               .most = 1000,
                               .protects = false,
                               .run = refuse_hook};

}  // namespace gpurun::cli
