#include "engine/hooks.h"

#include <gpurun/error.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/process.h"

namespace gpurun::engine {
namespace {

// Empty when the hook succeeded, else why not.
std::string failure_of(const spec::Hook& hook, const std::string& state_json, const std::string& bundle,
                       const std::vector<std::string>* environment) {
    sys::Program program{.path = hook.path,
                         .arguments = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args,
                         .environment = hook.env,
                         .input = state_json,
                         .directory = bundle,
                         .timeout_seconds = hook.timeout};
    if (!program.environment && environment != nullptr) program.environment = *environment;
    const auto finished = sys::run_program(program);
    if (finished.timed_out) return format("hook ran past specified timeout of {}.0s", *hook.timeout);
    if (finished.exit_code == 0) return {};
    return format("exit status {}, output: {}", finished.exit_code, finished.output);
}

}  // namespace

void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment) {
    const std::string json = spec::to_json(state);
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        log::debug("run {} hook {}", plan::name(kind), hooks[i].path);
        const std::string context = format("error running {} hook #{}", plan::name(kind), i);
        std::string failure;
        try {
            failure = failure_of(hooks[i], json, state.bundle, environment);
        } catch (const Error& error) {
            throw with_context(context, error);
        }
        if (!failure.empty()) throw Error(context + ": " + failure);
    }
}

void run_poststop_hooks(const std::vector<spec::Hook>& hooks, const spec::State& state) noexcept {
    for (const auto& hook : hooks) try {
            run_hooks(plan::HookKind::poststop, {hook}, state, nullptr);
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
}

}  // namespace gpurun::engine
