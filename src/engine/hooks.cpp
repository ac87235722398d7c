#include "engine/hooks.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <string.h>

#include <cctype>

#include "base/log.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/process.h"

namespace gpurun::engine {
namespace {

sys::Fd open_output(const spec::State& state, const char* annotation) {
    const auto path = state.annotations.find(annotation);
    if (path == state.annotations.end()) return sys::Fd();
    return sys::open(path->second, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

// "bad system call": Go's wording.
std::string signal_text(int signal) {
    std::string text = ::strsignal(signal);
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

// Empty when the hook succeeded, else why not.
std::string failure_of(const spec::Hook& hook, const std::string& state_json, const std::string& bundle,
                       const std::vector<std::string>* environment, const HookOutput& output) {
    sys::Program program{.path = hook.path,
                         .arguments = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args,
                         .environment = hook.env,
                         .input = state_json,
                         .directory = bundle,
                         .timeout_seconds = hook.timeout,
                         .out = output.out,
                         .err = output.err};
    if (!program.environment && environment != nullptr) program.environment = *environment;
    const auto finished = sys::run_program(program);
    if (finished.timed_out) return format("hook ran past specified timeout of {}.0s", *hook.timeout);
    if (finished.exit_code == 0) return {};
    const std::string how =
        finished.signal != 0 ? "signal: " + signal_text(finished.signal) : format("exit status {}", finished.exit_code);
    return format("{}, output: {}", how, finished.output);
}

}  // namespace

HookOutput open_hook_output(const spec::State& state) {
    return {.out = open_output(state, "run.oci.hooks.stdout"), .err = open_output(state, "run.oci.hooks.stderr")};
}

void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment) {
    if (!hooks.empty()) run_hooks(kind, hooks, state, environment, open_hook_output(state));
}

void run_hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks, const spec::State& state,
               const std::vector<std::string>* environment, const HookOutput& output) {
    const std::string json = spec::to_json(state);
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        log::debug("run {} hook {}", plan::name(kind), hooks[i].path);
        const std::string context = format("error running {} hook #{}", plan::name(kind), i);
        std::string failure;
        try {
            failure = failure_of(hooks[i], json, state.bundle, environment, output);
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
            log::warning("poststop hook failed with exit code or signal: {}", error.text());
        }
}

}  // namespace gpurun::engine
