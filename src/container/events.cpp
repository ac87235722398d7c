#include <gpurun/container.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>
#include <poll.h>

#include <cerrno>
#include <ctime>
#include <optional>

#include "base/log.h"
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

// What only GPU containers have: asking for it takes a process of its own.
void add_gpus(cgroup::Stats& stats, const spec::Spec& config, const state::Record& record) {
    if (!gpu::has_gpu(config)) return;
    try {
        for (auto& gpu : gpu::usage(config, manager_of(record)->processes(), {})) {
            auto& entry = stats.gpus.emplace_back(cgroup::GpuStats{.index = gpu.index,
                                                                   .uuid = std::move(gpu.uuid),
                                                                   .bus_id = std::move(gpu.bus_id),
                                                                   .memory = {.total = gpu.total, .used = gpu.used},
                                                                   .processes = {}});
            for (const auto& process : gpu.processes) entry.processes.push_back({process.pid, process.memory});
        }
    } catch (const Error& error) {
        log::warning("no statistics of the container's GPUs: {}", error.text());
    }
}

std::string stats_line(const state::Record& record, const spec::Spec& config) {
    auto stats = cgroup::read_stats(record.cgroup);
    add_gpus(stats, config, record);
    return cgroup::stats_event(record.id, stats);
}

spec::Spec config_of(const state::Store& store, const std::string& id) {
    return spec::parse(store.load_config(id), "the container's config");
}

}  // namespace

std::string stats(const Context& context, const std::string& id) {
    state::Store store(context.root);
    const auto record = store.load(id);
    if (state::status_of(store, record) == spec::Status::stopped) throw Error("container not running");
    return stats_line(record, config_of(store, id));
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
        emit(stats_line(record, config_of(store, id)));
        next = milliseconds_now() + interval_ms;
    }
}

}  // namespace gpurun::container
