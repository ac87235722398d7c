#include <gpurun/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <span>
#include <string_view>

#include <version.h>
#include "base/log.h"
#include "base/table.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/protect.h"
#include "cli/shim.h"

namespace gpurun::cli {
namespace {

constexpr Option global_options[] = {{"root", 0, true, "directory of the containers' records"},
                                     {"log", 0, true, "file for errors besides stderr, or syslog:NAME, journald:NAME"},
                                     {"log-format", 0, true, "text or json"},
                                     {"log-level", 0, true, "error, warning or debug"},
                                     {"debug", 0, false, "log every step"},
                                     {"systemd-cgroup", 0, false, "let systemd make the cgroups"},
                                     {"cgroup-manager", 0, true, "cgroupfs, systemd or disabled"},
                                     {"rootless", 0, true, "auto, true, false: for runc's sake, it is detected"},
                                     {"criu", 0, true, "the program CRIU, criu in PATH by default"},
                                     {"version", 'v', false, "print the version"}};

constexpr Name<log::Level> levels[] = {{"error", log::Level::error},
                                       {"warning", log::Level::warning},
                                       {"warn", log::Level::warning},
                                       {"info", log::Level::info},
                                       {"debug", log::Level::debug}};
constexpr Name<log::Format> formats[] = {{"text", log::Format::text}, {"json", log::Format::json}};
constexpr Name<bool> rootless_words[] = {{"auto", true}, {"true", true}, {"false", false}, {"1", true}, {"0", false}};
constexpr Name<cgroup::Driver> drivers[] = {{"cgroupfs", cgroup::Driver::cgroupfs},
                                            {"systemd", cgroup::Driver::systemd},
                                            {"disabled", cgroup::Driver::disabled}};

const Command* all[] = {&create_command,  &run_command,   &start_command,  &exec_command,     &kill_command,
                        &delete_command,  &pause_command, &resume_command, &update_command,   &events_command,
                        &state_command,   &list_command,  &ps_command,     &spec_command,     &features_command,
                        &plan_command,    &setup_command, &gpu_command,    &cdi_hook_command, &checkpoint_command,
                        &restore_command, &mounts_command};

// For the packages' sake, not for users: --help leaves it out.
int print_completion(const container::Context&, const Arguments& arguments) {
    print(completion(arguments.positionals.at(0), all, global_options));
    return 0;
}
const Command completion_command{.name = "completion",
                                 .usage = "bash|zsh|fish",
                                 .summary = "print a shell's completion script",
                                 .options = {},
                                 .order = Order::any,
                                 .fewest = 1,
                                 .most = 1,
                                 .protects = false,
                                 .run = print_completion};

template <typename Value, std::size_t Size>
Value choice(const Arguments& arguments, const char* option, const Name<Value> (&table)[Size]) {
    const auto value = value_of(table, arguments.value(option));
    if (value) return *value;
    std::vector<std::string> names;
    for (const auto& row : table) names.emplace_back(row.name);
    throw Error(
        format("invalid value \"{}\" for flag --{}: want {}", arguments.value(option), option, join(names, ", ")));
}

// Put in the place of runc or crun, gpurun goes by that name: callers look for it in what --version and --help print.
std::string own_name(int argc, char** argv) {
    constexpr std::string_view replaced[] = {"runc", "crun"};
    for (const auto name : replaced)
        if (argc > 0 && base_name(argv[0]) == name) return std::string(name);
    return "gpurun";
}

std::string version_text(const std::string& program) {
    return format("{} version {}\ncommit: {}\nspec: {}\n", program, GPURUN_VERSION, GPURUN_COMMIT, spec::version);
}

std::string help_text(std::span<const Command* const> commands) {
    std::string text = "Commands:\n";
    for (const Command* command : commands) text += format("  {:<12} {}\n", command->name, command->summary);
    return text;
}

std::string help_text(const std::string& program) {
    return format(
        "NAME:\n   {} - Open Container Initiative runtime, with the GPU built in\n\n"
        "Usage: {} [OPTION...] COMMAND [OPTION]... …\n\n{}\nGlobal options:\n{}",
        program, program, help_text(all), describe(global_options));
}

std::string help_text(const std::string& program, const std::string& name, const Command& command) {
    return format("NAME:\n   {} {} - {}\n\nUsage: {} [OPTION...] {} {}\n\n{}", program, name, command.summary, program,
                  name, command.usage,
                  command.children.empty() ? describe(command.options) : help_text(command.children));
}

void configure_log(const Arguments& arguments) {
    log::Settings settings{.target = arguments.value("log")};
    if (arguments.has("log-format")) settings.format = choice(arguments, "log-format", formats);
    if (arguments.has("log-level")) settings.level = choice(arguments, "log-level", levels);
    if (arguments.has("debug")) settings.level = log::Level::debug;
    log::configure(settings);
}

container::Context context_of(const Arguments& arguments) {
    container::Context context{.root = arguments.has("root") ? arguments.value("root") : state::default_root()};
    if (context.root == "/" || context.root.empty())
        throw Error(format("invalid value \"{}\" for flag --root: want a directory of its own, such as /run/gpurun",
                           context.root));
    if (arguments.has("cgroup-manager")) context.driver = choice(arguments, "cgroup-manager", drivers);
    if (arguments.has("rootless")) static_cast<void>(choice(arguments, "rootless", rootless_words));
    if (arguments.has("systemd-cgroup")) context.driver = cgroup::Driver::systemd;
    if (!arguments.value("criu").empty()) context.criu = arguments.value("criu");
    return context;
}

const Command& find_command(std::span<const Command* const> commands, const std::string& program,
                            const std::string& name) {
    for (const Command* command : commands)
        if (name == command->name) return *command;
    throw Error(format("unknown command \"{}\": No help topic for '{}'; {} --help lists them", name, name, program));
}

void check_count(const Command& command, const std::string& name, const Arguments& arguments) {
    const auto count = arguments.positionals.size();
    if (count >= command.fewest && count <= command.most) return;
    const bool exact = command.fewest == command.most;
    throw Error(format("\"gpurun {}\" needs {} argument{}, got {}; usage: gpurun {} {}", name,
                       exact ? format("exactly {}", command.fewest) : format("{} to {}", command.fewest, command.most),
                       exact && command.fewest == 1 ? "" : "s", count, name, command.usage));
}

int run_command_line(int argc, char** argv, int& failure) {
    const Arguments global = parse(argc, argv, global_options, Order::options_first);
    const std::string program = own_name(argc, argv);
    if (global.has("version")) return print(version_text(program)), 0;
    if (global.help || global.positionals.empty() || global.positionals[0] == "help") {
        print(help_text(program));
        return global.positionals.empty() && !global.help ? 1 : 0;
    }
    configure_log(global);
    // Where the words of the command begin that are not understood yet.
    int first = argc - static_cast<int>(global.positionals.size());
    std::string name = global.positionals[0];
    const Command* command = name == completion_command.name ? &completion_command : &find_command(all, program, name);
    while (!command->children.empty()) {
        const Arguments words = parse(argc - first, argv + first, {}, Order::options_first);
        if (words.help || words.positionals.empty())
            return print(help_text(program, name, *command)), words.help ? 0 : 1;
        first = argc - static_cast<int>(words.positionals.size());
        command = &find_command(command->children, format("{} {}", program, name), words.positionals[0]);
        name.append(" ").append(command->name);
    }
    failure = command->failure;
    const Arguments arguments = parse(argc - first, argv + first, command->options, command->order);
    if (arguments.help) return print(help_text(program, name, *command)), 0;
    check_count(*command, name, arguments);
    if (command->protects) protect_binary(argv);
    return command->run(context_of(global), arguments);
}

// Shells' statuses for a program that is not there or may not be executed, for `run`.
int exit_status(const Error& error, int failure) {
    if (failure != 1 || !error.message.starts_with("exec: ")) return failure;
    return error.code == EACCES || error.code == EPERM ? 126 : 127;
}

// Whether some word is a verb that protects; an id may look like one, too. Help is given under the name that we were
// called by, which a protected program has lost.
bool may_protect(std::span<char* const> words) {
    bool found = false;
    for (const std::string_view word : words) {
        if (word == "--help" || word == "-h") return false;
        for (const Command* command : all) found = found || (command->protects && command->name == word);
    }
    return found;
}

int run_main(int argc, char** argv) {
    if (may_protect({argv, static_cast<std::size_t>(argc)})) try_protect_binary(argv);
    int failure = 1;
    try {
        if (const auto status = run_as_named(argc, argv)) return *status;
        return run_command_line(argc, argv, failure);
    } catch (const Error& error) {
        log::error(error.text());
        return exit_status(error, failure);
    } catch (const std::exception& error) {
        log::error(error.what());
        return failure;
    }
}

}  // namespace
}  // namespace gpurun::cli

int main(int argc, char** argv) { return gpurun::cli::run_main(argc, argv); }
