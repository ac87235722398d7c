#include "cli/command.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

using Change = void (*)(const container::Context&, const std::string&, const std::vector<spec::Mount>&);

template <Change change>
int change_mounts(const container::Context& context, const Arguments& arguments) {
    const std::string& file = arguments.positionals.at(1);
    change(context, arguments.positionals.at(0), spec::read_mounts(sys::read_file(file), file));
    return 0;
}

const Command mounts_add_command{.name = "add",
                                 .usage = "CONTAINER FILE",
                                 .summary = "add the binds and tmpfs of a JSON file to a running container",
                                 .options = {},
                                 .order = Order::any,
                                 .fewest = 2,
                                 .most = 2,
                                 .protects = false,
                                 .run = change_mounts<container::add_mounts>};
const Command mounts_remove_command{.name = "remove",
                                    .usage = "CONTAINER FILE",
                                    .summary = "unmount the destinations of a JSON file's mounts",
                                    .options = {},
                                    .order = Order::any,
                                    .fewest = 2,
                                    .most = 2,
                                    .protects = false,
                                    .run = change_mounts<container::remove_mounts>};
const Command* const verbs[] = {&mounts_add_command, &mounts_remove_command};

}  // namespace

const Command mounts_command{.name = "mounts",
                             .usage = "[add|remove] CONTAINER FILE",
                             .summary = "change the mounts of a running container",
                             .options = {},
                             .order = Order::options_first,
                             .fewest = 0,
                             .most = 0,
                             .protects = false,
                             .run = nullptr,
                             .children = verbs};

}  // namespace gpurun::cli
