#pragma once

#include <gpurun/container.h>

#include <span>

#include "cli/options.h"

namespace gpurun::cli {

/// A verb of the command line, or a word that verbs follow ("gpu" of "gpu list").
struct Command {
    const char* name;
    const char* usage;  ///< What follows the name: "[OPTION]... CONTAINER".
    const char* summary;
    std::span<const Option> options;
    Order order;
    std::size_t fewest, most;  ///< Positionals.
    bool protects;  ///< It makes a process inside a container: the binary must be out of the container's reach.
    int (*run)(const container::Context& context, const Arguments& arguments);
    int failure = 1;                                ///< Exit status when it throws.
    std::span<const Command* const> children = {};  ///< The verbs behind this word, which then does nothing itself.
};

// One per file of commands.
extern const Command create_command, run_command, start_command, exec_command, kill_command, delete_command,
    pause_command, resume_command, update_command, events_command, state_command, list_command, ps_command,
    spec_command, features_command, plan_command, setup_command, gpu_command, cdi_hook_command, checkpoint_command,
    restore_command, mounts_command;

/// Prints to stdout; throws Error when that fails.
void print(std::string_view text);

}  // namespace gpurun::cli
