#pragma once

#include <string>

namespace gpurun::sys {

/// The absolute path of the program that this process was started from, also while it runs protected; "" when it is not
/// known. A copy in memory is asked by its name (copy_name). In a mount that no path leads to argv[0] tells the path,
/// and is believed only if the file there is the very one that runs: a caller can't name another.
std::string own_program();

/// The name for a memfd that \a program is copied into: the kernel tells it in /proc/self/exe of the copy, and neither
/// environment, arguments nor descriptors could claim another one.
std::string copy_name(const std::string& program);

}  // namespace gpurun::sys
