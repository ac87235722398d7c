#pragma once

#include "cli/command.h"

namespace gpurun::cli {

/// The verbs of `gpurun gpu`, by files.
extern const Command gpu_list_command, gpu_info_command, gpu_check_command, gpu_doctor_command, gpu_explain_command,
    gpu_cdi_command, gpu_create_nodes_command;

/// \a path from the root; relative ones mean the current directory.
std::string absolute_path(const std::string& path);

/// What --host-root names, from the root; "/" without it. Throws Error when it is not there.
std::string host_root(const Arguments& arguments);

/// Settings of the caller's own count as well: gpurun was started by another user than root.
bool is_rootless();

}  // namespace gpurun::cli
