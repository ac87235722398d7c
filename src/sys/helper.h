#pragma once

#include <string>
#include <vector>

#include "sys/process.h"

namespace gpurun::sys {

/// Runs `gpurun-helper` with \a arguments (its name is put in front): what needs a shared library or must not run in
/// the privileged process. It lies beside this binary, in ../libexec of it, or in the installed libexec directory; no
/// environment variable chooses it. Throws Error when it is not there.
Finished run_helper(std::vector<std::string> arguments, std::string input = {}, int timeout_seconds = 60);

}  // namespace gpurun::sys
