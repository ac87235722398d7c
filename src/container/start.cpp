#include <gpurun/container.h>
#include <gpurun/error.h>
#include <unistd.h>
#include "engine/engine.h"

#include <cerrno>

#include "base/text.h"
#include "container/facts.h"
#include "container/notify.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace gpurun::container {
namespace {

// runtime.md#lifecycle step 9: a failing poststart hook stops the container.
void run_poststart(const Context& context, const state::Record& record, const spec::Hooks& hooks) {
    try {
        engine::run_hooks(plan::HookKind::poststart, hooks.poststart, state::to_state(record, spec::Status::running),
                          nullptr);
    } catch (const Error&) {
        remove(context, record.id, true);
        throw;
    }
}

engine::SeccompAgent seccomp_agent(const state::Store& store, const state::Record& record) {
    const auto config = spec::parse(store.load_config(record.id), "the container's config");
    if (!config.linux || !config.linux->seccomp) throw Error("a seccomp listener without a profile");
    return {.path = config.linux->seccomp->listener_path,
            .metadata = config.linux->seccomp->listener_metadata,
            .state = state::to_state(record, spec::Status::created)};
}

Error not_created(spec::Status status) {
    return Error(status == spec::Status::stopped
                     ? "cannot start a container that has stopped"
                     : format("cannot start a container in the {} state", spec::name(status)));
}

}  // namespace

sys::Fd start(const Context& context, const std::string& id) {
    state::Store store(context.root);
    auto [record, lock] = store.load_locked(id);
    const auto status = state::status_of(store, record);
    if (status == spec::Status::running) throw Error("cannot start an already running container");
    if (status != spec::Status::created) throw not_created(status);
    const sys::Fd directory = store.directory();
    sys::Fd socket = sys::try_connect_in(directory, record.socket);
    if (!socket) throw Error(errno, "connect to the container's init");
    NotifyProxy notify;
    if (record.has_notify_socket && !notify_socket().empty()) notify = NotifyProxy(store.notify_directory(record.id));
    // From here on the container counts as running, whatever becomes of it.
    ::unlinkat(directory.get(), record.socket.c_str(), 0);
    try {
        engine::release(socket, static_cast<int>(record.pid), record.awaits_exec,
                        [&, &own = record] { return seccomp_agent(store, own); });
    } catch (const Error&) {
        lock.reset();
        remove(context, id, true);
        throw;
    }
    lock.reset();
    if (record.awaits_exec || notify.descriptor()) socket.reset();  // What comes next is about the running program.
    if (record.has_poststart)
        run_poststart(context, record, *spec::parse(store.load_config(id), "the container's config").hooks);
    if (notify.descriptor()) {
        const int pid = static_cast<int>(record.pid);
        notify.await_ready(sys::try_pidfd_open(pid), pid);
    }
    return socket;
}

}  // namespace gpurun::container
