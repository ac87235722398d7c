#pragma once

#include <gpurun/plan.h>
#include <gpurun/spec.h>

#include "sys/fd.h"

namespace gpurun::engine {

/// Hands the listener of the container's seccomp filter to the agent at linux.seccomp.listenerPath, with the container
/// process state. Runs in the host process. Throws Error. config-linux.md#containerprocessstate
void send_listener(sys::FdRef listener, const plan::Plan& plan, const spec::State& state, int pid);

}  // namespace gpurun::engine
