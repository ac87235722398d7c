#include <fcntl.h>
#include <gpurun/state.h>

#include <ctime>

#include "base/text.h"
#include "sys/file.h"
#include "sys/process.h"

namespace gpurun::state {
namespace {

bool is_process(std::int64_t pid, std::uint64_t start_time) {
    if (pid <= 0) return false;
    const auto facts = sys::process_facts(static_cast<pid_t>(pid));
    return facts && facts->start_time == start_time && facts->state != 'Z' && facts->state != 'X';
}

}  // namespace

bool is_alive(const Record& record) { return is_process(record.pid, record.start_time); }

spec::Status status_of(const Store& store, const Record& record) {
    if (!record.complete && is_process(record.creator, record.creator_start_time)) return spec::Status::creating;
    if (!record.complete || !is_alive(record)) return spec::Status::stopped;
    if (record.socket.empty()) return spec::Status::running;
    const sys::Fd root = store.directory();
    return sys::try_stat(root, record.socket, AT_SYMLINK_NOFOLLOW) ? spec::Status::created : spec::Status::running;
}

spec::State to_state(const Record& record, spec::Status status) {
    return {.oci_version = record.oci_version,
            .id = record.id,
            .status = status,
            .pid = status == spec::Status::stopped ? 0 : record.pid,
            .bundle = record.bundle,
            .annotations = record.annotations};
}

std::string timestamp() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                  utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec);
}

}  // namespace gpurun::state
