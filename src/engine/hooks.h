#pragma once

#include <gpurun/plan.h>
#include <gpurun/spec.h>

#include <string>
#include <vector>

#include "sys/fd.h"

namespace gpurun::engine {

/// Files that the annotations of crun name for the hooks' output. Unset where there is none.
struct HookOutput {
    sys::Fd out, err;
};

/// Opens them, in the host's mount namespace. Throws Error.
HookOutput open_hook_output(const spec::State& state);

/// Runs hooks in order with \a state on stdin, in the bundle's directory. \a environment is what a hook without `env`
/// gets; null: this process's. Stops at the first failure. Throws
/// Error("error running KIND hook #N: …"). config.md#posix-platform-hooks
void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment);

/// The same with output that is opened already.
void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment, const HookOutput& output);

/// The same for poststop: a failure is a warning and the next hook runs all the same. runtime.md#lifecycle, step 13
void run_poststop_hooks(const std::vector<spec::Hook>& hooks, const spec::State& state) noexcept;

}  // namespace gpurun::engine
