#include <gpurun/container.h>
#include <gpurun/error.h>
#include <sys/prctl.h>
#include "engine/engine.h"

#include "container/facts.h"
#include "container/foreground.h"
#include "container/make.h"

namespace gpurun::container {

int run(const Context& context, const RunOptions& options) {
    if (!options.detach && !options.no_subreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    Foreground foreground;
    Made made = make(context, options.create, options.detach ? Mode::run_detached : Mode::run_attached);
    if (made.record.has_poststart) {
        try {
            engine::run_hooks(plan::HookKind::poststart, made.spec.hooks->poststart,
                              state::to_state(made.record, spec::Status::running), nullptr);
        } catch (const Error&) {
            remove(context, made.record.id, true);
            throw;
        }
    }
    if (options.detach) {
        made.notify.await_ready(made.started.child.pidfd, made.started.child.pid);
        return 0;
    }
    const int status = foreground.attend(made.started, &made.notify);
    if (!options.keep) remove(context, made.record.id, true);
    return status;
}

}  // namespace gpurun::container
