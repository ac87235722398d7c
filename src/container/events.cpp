#include <gpurun/container.h>
#include <gpurun/error.h>
#include <poll.h>

#include <cerrno>
#include <ctime>
#include <optional>

#include "container/facts.h"
#include "sys/process.h"

namespace gpurun::container {
namespace {

long milliseconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

std::optional<cgroup::OomWatch> watch(const cgroup::Location& location) {
    try {
        return std::optional<cgroup::OomWatch>(std::in_place, location);
    } catch (const Error&) {
        return std::nullopt;  // No memory controller: statistics alone.
    }
}

}  // namespace

std::string stats(const Context& context, const std::string& id) {
    state::Store store(context.root);
    const auto record = store.load(id);
    if (state::status_of(store, record) == spec::Status::stopped) throw Error("container not running");
    return cgroup::stats_event(id, cgroup::read_stats(record.cgroup));
}

void events(const Context& context, const std::string& id, int interval_ms,
            const std::function<void(const std::string&)>& emit) {
    state::Store store(context.root);
    const auto record = store.load(id);
    const sys::Fd pidfd = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    if (!pidfd || !state::is_alive(record)) throw Error("container not running");
    auto ooms = watch(record.cgroup);
    long next = milliseconds_now() + interval_ms;
    for (;;) {
        pollfd watched[2] = {{pidfd.get(), POLLIN, 0}, {ooms ? ooms->descriptor().get() : -1, POLLIN, 0}};
        const long wait = next - milliseconds_now();
        if (::poll(watched, 2, wait > 0 ? static_cast<int>(wait) : 0) < 0 && errno != EINTR) throw Error(errno, "poll");
        if (watched[1].revents != 0) {
            const auto news = ooms->next();
            if (news == cgroup::OomWatch::News::oom) emit(cgroup::oom_event(id));
            if (news == cgroup::OomWatch::News::gone) return;
        }
        if (watched[0].revents != 0) return;
        if (milliseconds_now() < next) continue;
        emit(cgroup::stats_event(id, cgroup::read_stats(record.cgroup)));
        next = milliseconds_now() + interval_ms;
    }
}

}  // namespace gpurun::container
