#include "base/text.h"
#include "cli/command.h"

namespace gpurun::cli {
namespace {

constexpr Option kill_options[] = {{"all", 'a', false, "signal every process of the container"}};

int kill(const container::Context& context, const Arguments& arguments) {
    const std::string signal = arguments.positionals.size() > 1 ? arguments.positionals[1] : "SIGTERM";
    container::kill(context, arguments.positionals.at(0), container::signal_number(signal),
                    arguments.has("all") ? container::Reach::all : container::Reach::init);
    return 0;
}

constexpr Option delete_options[] = {{"force", 'f', false, "kill it first; no error when it does not exist"}};

int remove(const container::Context& context, const Arguments& arguments) {
    container::remove(context, arguments.positionals.at(0), arguments.has("force"));
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
                           .usage = "[options] CONTAINER [SIGNAL]",
                           .summary = "send a signal, SIGTERM by default, to the container's init",
                           .options = kill_options,
                           .order = Order::any,
                           .fewest = 1,
                           .most = 2,
                           .protects = false,
                           .run = kill};
const Command delete_command{.name = "delete",
                             .usage = "[options] CONTAINER",
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
