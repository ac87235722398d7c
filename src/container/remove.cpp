#include <gpurun/container.h>
#include <gpurun/error.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>
#include "engine/engine.h"

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "container/facts.h"
#include "container/notify.h"
#include "sys/process.h"

namespace gpurun::container {
namespace {

// Kills init and waits until it is gone; the others of its pid namespace die with it.
void end_process(const state::Record& record, cgroup::Manager& manager) {
    constexpr int patience_ms = 10000;
    const sys::Fd pidfd = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    if (pidfd && state::is_alive(record)) {
        sys::try_signal(pidfd, SIGKILL);
        if (manager.is_frozen()) manager.freeze(cgroup::Freeze::thawed);
        pollfd ended{pidfd.get(), POLLIN, 0};
        if (::poll(&ended, 1, patience_ms) == 0)
            throw Error(format("process {} of the container does not end", record.pid));
    }
    if (!record.cgroup.directories.empty() && !manager.processes().empty()) manager.kill(SIGKILL);
}

// Strangers in the cgroup of a container whose own processes have gone are ended only by force.
void remove_cgroup(const state::Record& record, cgroup::Manager& manager, bool force) {
    constexpr int rounds = 3;  // On a busy machine the dying take their time.
    for (int round = 0;; ++round) try {
            return manager.remove();
        } catch (const Error& error) {
            if (error.code != EBUSY || round == rounds || (!force && record.own_pids)) throw;
            end_process(record, manager);
        }
}

void clear(state::Store& store, const state::Record& record, cgroup::Manager& manager, bool force) {
    remove_cgroup(record, manager, force);
    if (record.shares_mounts) ::umount2(record.rootfs.c_str(), MNT_DETACH);
    if (!record.resctrl_group.empty()) ::rmdir(record.resctrl_group.c_str());
    if (record.has_notify_socket) remove_notify_socket(store.notify_directory(record.id));
    spec::Hooks hooks;
    if (record.has_poststop)
        hooks = spec::parse(store.load_config(record.id), "the container's config").hooks.value_or(spec::Hooks{});
    store.remove(record);
    engine::run_poststop_hooks(hooks.poststop, state::to_state(record, spec::Status::stopped));
}

// The record to go by, if there is one. One that can't be read would keep its id taken for ever, so it goes.
std::optional<state::LockedRecord> try_load(state::Store& store, const std::string& id) {
    try {
        return store.try_load_locked(id);
    } catch (const Error& error) {
        state::check_id(id);
        if (error.code == EACCES) throw;
        log::warning("{}; the record is removed, what else is left of the container is not known", error.text());
        store.remove({.id = id});
        return std::nullopt;
    }
}

}  // namespace

void remove(const Context& context, const std::string& id, bool force) {
    state::Store store(context.root);
    const auto locked = force ? try_load(store, id) : store.load_locked(id);
    if (!locked) return;
    const auto& record = locked->record;
    const auto status = state::status_of(store, record);
    const auto manager = manager_of(record);
    if (status == spec::Status::created || (force && status != spec::Status::stopped)) {
        end_process(record, *manager);
    } else if (status != spec::Status::stopped) {
        throw Error(format("cannot delete container {} that is not stopped: {}", id,
                           spec::name(current_status(store, record))));
    } else if (!record.complete || !record.own_pids) {
        // A create that was killed may have left its process; without a pid namespace of its own a container's
        // processes outlive its init.
        end_process(record, *manager);
    }
    clear(store, record, *manager, force);
}

}  // namespace gpurun::container
