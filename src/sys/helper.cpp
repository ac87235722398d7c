#include "sys/helper.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "sys/file.h"
#include "sys/own_program.h"

namespace gpurun::sys {

std::string helper_path() {
    const std::string program = own_program();
    if (program.starts_with('/'))
        for (const char* place : {"/gpurun-helper", "/../helper/gpurun-helper", "/../libexec/gpurun-helper"})
            if (std::string candidate = std::string(parent_of(program)) + place; exists(candidate)) return candidate;
    for (const char* place : {"/usr/libexec/gpurun-helper", "/usr/local/libexec/gpurun-helper"})
        if (exists(place)) return place;
    throw Error("gpurun-helper is not installed; it belongs into /usr/libexec or beside gpurun");
}

Finished run_helper(std::vector<std::string> arguments, std::string input, int timeout_seconds) {
    arguments.insert(arguments.begin(), "gpurun-helper");
    return run_program({.path = helper_path(),
                        .arguments = std::move(arguments),
                        .input = std::move(input),
                        .timeout_seconds = timeout_seconds});
}

}  // namespace gpurun::sys
