#pragma once

#include <string>

namespace gpurun::engine {

/// Why execve(2) of \a program, which is there and may be executed, failed with \a errno_value: what the program's
/// first bytes say about its interpreter, its machine or its kind. Empty when they say nothing. Runs in the container.
std::string why_not_executed(const std::string& program, int errno_value);

}  // namespace gpurun::engine
