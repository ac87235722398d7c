#pragma once

#include <string>
#include <vector>

#include "sys/process.h"

namespace gpurun::sys {

/// Where `gpurun-helper` is. Throws Error when it is not there.
std::string helper_path();

/// Runs `gpurun-helper` with \a arguments (its name is put in front): what needs a shared library or must not run in
/// the privileged process. It lies beside this binary, in ../libexec of it, or in the installed libexec directory; no
/// environment variable chooses it. Throws Error as helper_path() does.
Finished run_helper(std::vector<std::string> arguments, std::string input = {}, int timeout_seconds = 60);

}  // namespace gpurun::sys
