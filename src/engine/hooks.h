#pragma once

#include <gpurun/plan.h>
#include <gpurun/spec.h>

#include <string>
#include <vector>

namespace gpurun::engine {

/// Runs hooks in order with \a state on stdin, in the bundle's directory. \a environment is what a hook without `env`
/// gets; null: this process's. Stops at the first failure. Throws Error("error running KIND hook #N: …").
/// config.md#posix-platform-hooks
void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment);

/// The same for poststop: a failure is a warning and the next hook runs all the same. runtime.md#lifecycle, step 13
void run_poststop_hooks(const std::vector<spec::Hook>& hooks, const spec::State& state) noexcept;

}  // namespace gpurun::engine
