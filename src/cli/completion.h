#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command.h"

namespace gpurun::cli {

/// The completion script of \a shell (bash, zsh or fish) for these commands: their options, the containers that
/// `gpurun list` knows, and the words that a usage gives as alternatives. Pure. Throws Error for another shell.
std::string completion(std::string_view shell, std::span<const Command* const> commands,
                       std::span<const Option> global_options);

}  // namespace gpurun::cli
