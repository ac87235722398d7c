#include <gpurun/container.h>
#include <gpurun/engine.h>
#include <gpurun/error.h>
#include <sys/prctl.h>

#include "container/facts.h"
#include "container/foreground.h"
#include "container/make.h"

namespace gpurun::container {

int run(const Context& context, const RunOptions& options) {
    if (options.detach) {
        const auto spec_terminal_needs_socket = options.create.console_socket.empty();
        CreateOptions create_options = options.create;
        if (spec_terminal_needs_socket) {
            // The same rule as for create: nobody is left to hold the terminal's master.
            const auto prepared = prepare(context, create_options, true, "/");
            if (prepared.spec.process && prepared.spec.process->terminal)
                throw Error("cannot allocate tty if runc will detach without setting console socket");
        }
    }
    if (!options.detach && !options.no_subreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    Foreground foreground;
    Made made = make(context, options.create, true);
    if (made.record.has_poststart) {
        try {
            engine::run_hooks(plan::HookKind::poststart, made.spec.hooks->poststart,
                              state::to_state(made.record, spec::Status::running), nullptr);
        } catch (const Error&) {
            remove(context, made.record.id, true);
            throw;
        }
    }
    if (options.detach) return 0;
    const int status = foreground.attend(made.started);
    if (!options.keep) remove(context, made.record.id, true);
    return status;
}

}  // namespace gpurun::container
