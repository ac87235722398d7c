#include <gpurun/error.h>
#include <gpurun/state.h>
#include <regex.h>

#include "base/scope.h"
#include "base/text.h"
#include "cli/command.h"

namespace gpurun::cli {
namespace {

// crun's: the identity is a regular expression, and the verb is for each container that it matches.
constexpr Option regex_option{"regex", 'r', false, "CONTAINER is an extended regular expression for several"};

std::vector<std::string> chosen(const container::Context& context, const Arguments& arguments) {
    const std::string& wanted = arguments.positionals.at(0);
    if (!arguments.has("regex")) return {wanted};
    regex_t pattern{};
    if (::regcomp(&pattern, wanted.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
        throw Error(format("\"{}\" is not an extended regular expression", wanted));
    const ScopeExit free([&pattern] { ::regfree(&pattern); });
    std::vector<std::string> ids;
    for (const auto& id : state::Store(context.root).ids())
        if (::regexec(&pattern, id.c_str(), 0, nullptr, 0) == 0) ids.push_back(id);
    return ids;
}

constexpr Option kill_options[] = {{"all", 'a', false, "signal every process of the container"}, regex_option};

int kill(const container::Context& context, const Arguments& arguments) {
    const std::string signal = arguments.positionals.size() > 1 ? arguments.positionals[1] : "SIGTERM";
    const int number = container::signal_number(signal);
    for (const auto& id : chosen(context, arguments))
        container::kill(context, id, number, arguments.has("all") ? container::Reach::all : container::Reach::init);
    return 0;
}

constexpr Option delete_options[] = {{"force", 'f', false, "kill it first; no error when it does not exist"},
                                     regex_option};

int remove(const container::Context& context, const Arguments& arguments) {
    for (const auto& id : chosen(context, arguments)) container::remove(context, id, arguments.has("force"));
    return 0;
}

int pause(const container::Context& context, const Arguments& arguments) {
    container::pause(context, arguments.positionals.at(0));
    return 0;
}

int resume(const container::Context& context, const Arguments& arguments) {
    container::resume(context, arguments.positionals.at(0));
    return 0;
}

}  // namespace

const Command kill_command{.name = "kill",
                           .usage = "[OPTION]... CONTAINER [SIGNAL]",
                           .summary = "send a signal, SIGTERM by default, to the container's init",
                           .options = kill_options,
                           .order = Order::any,
                           .fewest = 1,
                           .most = 2,
                           .protects = false,
                           .run = kill};
const Command delete_command{.name = "delete",
                             .usage = "CONTAINER",
                             .summary = "delete what a stopped container holds",
                             .options = delete_options,
                             .order = Order::any,
                             .fewest = 1,
                             .most = 1,
                             .protects = false,
                             .run = remove};
const Command pause_command{.name = "pause",
                            .usage = "CONTAINER",
                            .summary = "freeze every process of a container",
                            .options = {},
                            .order = Order::any,
                            .fewest = 1,
                            .most = 1,
                            .protects = false,
                            .run = pause};
const Command resume_command{.name = "resume",
                             .usage = "CONTAINER",
                             .summary = "let a paused container go on",
                             .options = {},
                             .order = Order::any,
                             .fewest = 1,
                             .most = 1,
                             .protects = false,
                             .run = resume};

}  // namespace gpurun::cli
