#pragma once

#include <gpurun/error.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace gpurun {

/// Runs \a body in a forked child, whose attributes may be spoiled; true when it returned true.
template <typename Body>
bool in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        bool good = false;
        try {
            good = body();
        } catch (const Error& error) {
            ::dprintf(STDERR_FILENO, "%s\n", error.text().c_str());
        }
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace gpurun
