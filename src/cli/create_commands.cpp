#include "base/text.h"
#include "cli/command.h"

namespace gpurun::cli {
namespace {

// What create and run share comes first, so that run's table continues create's.
#define CREATE_OPTIONS                                                                                \
    {"bundle", 'b', true, "directory with config.json, the current one by default"},                  \
        {"config", 'f', true, "another name for config.json"},                                        \
        {"console-socket", 0, true, "socket that gets the pty's master"},                             \
        {"pid-file", 0, true, "file to write the init's pid to"},                                     \
        {"pidfd-socket", 0, true, "socket that gets the init's pidfd"},                               \
        {"no-pivot", 0, false, "move the root instead of pivoting, for initramfs"},                   \
        {"no-new-keyring", 0, false, "keep the caller's session keyring"},                            \
        {"preserve-fds", 0, true, "pass file descriptors 3 to 2+VALUE on"},                           \
        {"gpu", 0, true, "GPU for the container: index, UUID, all or a CDI name; may be repeated"}, { \
        "no-subreaper", 0, false, "don't adopt orphaned processes"                                    \
    }

constexpr Option create_options[] = {CREATE_OPTIONS};
constexpr Option run_options[] = {CREATE_OPTIONS,
                                  {"detach", 'd', false, "return as soon as the container runs"},
                                  {"keep", 0, false, "keep the container's record when it has ended"}};
#undef CREATE_OPTIONS

container::CreateOptions read_options(const Arguments& arguments) {
    return {.id = arguments.positionals.at(0),
            .bundle = arguments.has("bundle") ? arguments.value("bundle") : ".",
            .config_file = arguments.value("config"),
            .console_socket = arguments.value("console-socket"),
            .pid_file = arguments.value("pid-file"),
            .pidfd_socket = arguments.value("pidfd-socket"),
            .no_pivot = arguments.has("no-pivot"),
            .no_new_keyring = arguments.has("no-new-keyring"),
            .preserve_fds = arguments.number("preserve-fds", 0),
            .gpus = arguments.values("gpu")};
}

int create(const container::Context& context, const Arguments& arguments) {
    container::create(context, read_options(arguments));
    return 0;
}

int run(const container::Context& context, const Arguments& arguments) {
    return container::run(context, {.create = read_options(arguments),
                                    .detach = arguments.has("detach"),
                                    .keep = arguments.has("keep"),
                                    .no_subreaper = arguments.has("no-subreaper")});
}

int start(const container::Context& context, const Arguments& arguments) {
    // Closed by the end of this process, which wakes its caller next: else the program may take that one's CPU first.
    static_cast<void>(container::start(context, arguments.positionals.at(0)).release());
    return 0;
}

constexpr Option plan_options[] = {{"bundle", 'b', true, "directory with config.json, the current one by default"},
                                   {"config", 'f', true, "another name for config.json"},
                                   {"gpu", 0, true, "GPU for the container, as with create"},
                                   {"host-root", 0, true, "plan for the host whose files are below this directory"}};

int plan(const container::Context& context, const Arguments& arguments) {
    const container::CreateOptions options{.id = arguments.positionals.empty() ? "plan" : arguments.positionals[0],
                                           .bundle = arguments.has("bundle") ? arguments.value("bundle") : ".",
                                           .config_file = arguments.value("config"),
                                           .gpus = arguments.values("gpu")};
    const auto plan =
        container::plan_create(context, options, arguments.has("host-root") ? arguments.value("host-root") : "/");
    print(plan::print(plan));
    return 0;
}

}  // namespace

const Command create_command{.name = "create",
                             .usage = "[OPTION]... CONTAINER",
                             .summary = "create a container from a bundle",
                             .options = create_options,
                             .order = Order::any,
                             .fewest = 1,
                             .most = 1,
                             .protects = true,
                             .run = create};
const Command run_command{.name = "run",
                          .usage = "[OPTION]... CONTAINER",
                          .summary = "create a container, start it and wait for it",
                          .options = run_options,
                          .order = Order::any,
                          .fewest = 1,
                          .most = 1,
                          .protects = true,
                          .run = run};
const Command start_command{.name = "start",
                            .usage = "CONTAINER",
                            .summary = "execute the program of a created container",
                            .options = {},
                            .order = Order::any,
                            .fewest = 1,
                            .most = 1,
                            .protects = false,
                            .run = start};
const Command plan_command{.name = "plan",
                           .usage = "[OPTION]... [CONTAINER]",
                           .summary = "print the steps that create would carry out",
                           .options = plan_options,
                           .order = Order::any,
                           .fewest = 0,
                           .most = 1,
                           .protects = false,
                           .run = plan};

}  // namespace gpurun::cli
