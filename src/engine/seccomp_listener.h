#pragma once

#include "engine/engine.h"

#include "engine/channel.h"
#include "sys/fd.h"

/// Handing the listener of a seccomp filter over. Once the filter is loaded, the container process can call nothing but
/// execve: any other system call may be one that the filter sends to the very listener. So it announces the number that
/// the listener will have, loads, and waits on a page of memory until the host process has taken the listener out.
namespace gpurun::engine {

/// Host process: takes the listener that \a announcement tells of from the process behind \a pidfd and sends it to the
/// agent with the container process state; then lets the process go on. Returns early when \a channel has other news:
/// loading failed. Throws Error.
void deliver_listener(sys::FdRef channel, const Saying& announcement, sys::FdRef pidfd, int pid,
                      const SeccompAgent& agent);

}  // namespace gpurun::engine
