#include "sys/helper.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::sys {
namespace {

std::string find_helper() {
    // A protected binary runs from memory: the link then names no file, and argv[0] is no authority.
    const std::string self = try_read_link(FdRef(AT_FDCWD), "/proc/self/exe").value_or("");
    const std::string directory(parent_of(self));
    for (const std::string& candidate :
         {directory + "/gpurun-helper", directory + "/../helper/gpurun-helper", directory + "/../libexec/gpurun-helper",
          std::string("/usr/libexec/gpurun-helper"), std::string("/usr/local/libexec/gpurun-helper")})
        if (candidate.starts_with('/') && exists(candidate)) return candidate;
    throw Error("gpurun-helper is not installed; it belongs into /usr/libexec or beside gpurun");
}

}  // namespace

Finished run_helper(std::vector<std::string> arguments, std::string input, int timeout_seconds) {
    arguments.insert(arguments.begin(), "gpurun-helper");
    return run_program({.path = find_helper(),
                        .arguments = std::move(arguments),
                        .input = std::move(input),
                        .timeout_seconds = timeout_seconds});
}

}  // namespace gpurun::sys
