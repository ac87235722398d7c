#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/plan.h>
#include <gpurun/spec.h>

#include <functional>
#include <string>
#include <vector>

#include <gpurun/fd.h>
#include "base/scope.h"
#include "sys/process.h"

/// Carries plans out: the host's lane in this process, the container's lane in the process that step::Clone makes.
namespace gpurun::engine {

class NewNetwork;

/// What the host's lane needs beside the plan. Borrowed things outlive the call.
struct HostSide {
    const plan::Options* options = nullptr;
    cgroup::Manager* cgroup = nullptr;       ///< Null: the process stays in the caller's cgroup.
    spec::State state;                       ///< For hooks; pid and status are filled in.
    const spec::Seccomp* seccomp = nullptr;  ///< linux.seccomp, for its agent.
    sys::FdRef console_socket{};
    sys::FdRef start_listener{};    ///< Handed to the container process.
    NewNetwork* network = nullptr;  ///< What step::MakeNetwork is about; begun before, since it takes longest.
    sys::FdRef target{};            ///< exec: pidfd of the container's init.
    int target_pid = 0;             ///< exec: its pid, for the process's cgroup when it moved.
    /// Called once the container process exists: the record learns its pid.
    std::function<void(int pid)> on_cloned;
    /// Called with the resctrl group that was made.
    std::function<void(const std::string& group)> on_resctrl;
};

/// A process that the plan made: it stands before its program (create) or its program has been executed (run, exec).
struct Started {
    sys::Child child;
    sys::Fd terminal;  ///< The pty's master, when no console socket took it.
};

/// Carries out \a plan. On failure the process is killed and reaped, \a undo holds what else is to be undone, and the
/// Error that either side met is thrown. With \a wait_for_exec returns only when the program has been executed.
Started execute(const plan::Plan& plan, HostSide& side, Undo& undo, bool wait_for_exec);

/// Where the listener of a process's seccomp filter goes, and what the agent there is told.
/// config-linux.md#containerprocessstate
struct SeccompAgent {
    std::string path, metadata;  ///< linux.seccomp.listenerPath, listenerMetadata.
    spec::State state;           ///< Of the container.
};

/// `start`: lets process \a pid behind \a socket go on. With \a await_exec waits until its program has been executed
/// and throws what it reports; without, it goes on once \a socket is closed and tells on its own stderr why its program
/// can't be executed. \a agent gives its seccomp agent and is asked only when its filter notifies.
void release(sys::FdRef socket, int pid, bool await_exec, const std::function<SeccompAgent()>& agent);

/// `/proc` of the host, verified, as every write below it needs it. Throws Error.
sys::Fd open_proc();

/// `update`: writes the schemata of \a changes to the resctrl group of container \a id, whose config has \a rdt. Throws
/// Error.
void update_resctrl(const spec::IntelRdt& rdt, const spec::IntelRdt& changes, const std::string& id);

void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment);
void run_poststop_hooks(const std::vector<spec::Hook>& hooks, const spec::State& state) noexcept;

}  // namespace gpurun::engine
