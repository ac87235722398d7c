#include <gpurun/error.h>

#include "base/text.h"
#include "cgroup/translate.h"

namespace gpurun::cgroup {
namespace {

using Writes = std::vector<Write>;

template <typename Number>
void add(Writes& writes, const char* controller, const char* file, const std::optional<Number>& value) {
    if (value) writes.push_back({.controller = controller, .file = file, .value = format("{}", *value)});
}

template <typename Number>
void add_set(Writes& writes, const char* controller, const char* file, const std::optional<Number>& value) {
    if (is_set(value)) add(writes, controller, file, value);
}

void add_cpu(Writes& writes, const spec::Cpu& cpu) {
    // A weight is refused while the cgroup is idle, and lost when it becomes idle.
    add(writes, "cpu", "cpu.idle", cpu.idle);
    if (cpu.idle != 1) add_set(writes, "cpu", "cpu.shares", cpu.shares);
    add_set(writes, "cpu", "cpu.rt_period_us", cpu.realtime_period);
    add_set(writes, "cpu", "cpu.rt_runtime_us", cpu.realtime_runtime);
    add_set(writes, "cpu", "cpu.cfs_period_us", cpu.period);
    add_set(writes, "cpu", "cpu.cfs_quota_us", cpu.quota);
    add(writes, "cpu", "cpu.cfs_burst_us", cpu.burst);
}

void add_cpuset(Writes& writes, const spec::Cpu& cpu) {
    if (!cpu.cpus.empty()) writes.push_back({.controller = "cpuset", .file = "cpuset.cpus", .value = cpu.cpus});
    if (!cpu.mems.empty()) writes.push_back({.controller = "cpuset", .file = "cpuset.mems", .value = cpu.mems});
}

// The order for a new cgroup; Manager::apply turns limit and memsw round when the kernel refuses it (raising a limit).
void add_memory(Writes& writes, const spec::Memory& memory) {
    if (is_set(memory.limit))
        writes.push_back(
            {.controller = "memory",
             .file = "memory.limit_in_bytes",
             .value = format("{}", *memory.limit),
             .floor = memory.check_before_update.value_or(false) && *memory.limit > 0 ? "memory.usage_in_bytes" : ""});
    // An unlimited memory.limit_in_bytes needs an unlimited memsw.
    if (is_set(memory.limit) && is_set(memory.swap)) require_sum(*memory.swap, *memory.limit);
    const std::int64_t swap = is_set(memory.swap) ? *memory.swap : memory.limit == -1 ? -1 : 0;
    if (swap != 0)
        writes.push_back({.controller = "memory",
                          .file = "memory.memsw.limit_in_bytes",
                          .value = format("{}", swap),
                          .optional = swap == -1});
    add_set(writes, "memory", "memory.soft_limit_in_bytes", memory.reservation);
    // memory.kernel: the file of that limit has done nothing since Linux 5.16 and config-linux.md advises against it.
    add_set(writes, "memory", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp);
    add(writes, "memory", "memory.swappiness", swappiness_of(memory));
    if (memory.use_hierarchy)
        writes.push_back({.controller = "memory",
                          .file = "memory.use_hierarchy",
                          .value = *memory.use_hierarchy ? "1" : "0",
                          .optional = true});
    if (memory.disable_oom_killer)
        writes.push_back(
            {.controller = "memory", .file = "memory.oom_control", .value = *memory.disable_oom_killer ? "1" : "0"});
}

// The weight belongs to the I/O scheduler: BFQ's file, or CFQ's (before Linux 5.0).
void add_weight(Writes& writes, const char* suffix, const std::string& value) {
    writes.push_back({.controller = "blkio", .file = format("blkio.bfq.{}", suffix), .value = value, .or_next = true});
    writes.push_back({.controller = "blkio", .file = format("blkio.{}", suffix), .value = value});
}

void add_block_io(Writes& writes, const spec::BlockIo& io) {
    if (const auto weight = checked_weight(io.weight, "weight")) add_weight(writes, "weight", format("{}", *weight));
    if (const auto weight = checked_weight(io.leaf_weight, "leafWeight"))
        writes.push_back({.controller = "blkio", .file = "blkio.leaf_weight", .value = format("{}", *weight)});
    for (const auto& device : io.weight_device) {
        if (const auto weight = checked_weight(device.weight, "weightDevice.weight"))
            add_weight(writes, "weight_device", format("{}:{} {}", device.major, device.minor, *weight));
        if (const auto weight = checked_weight(device.leaf_weight, "weightDevice.leafWeight"))
            writes.push_back({.controller = "blkio",
                              .file = "blkio.leaf_weight_device",
                              .value = format("{}:{} {}", device.major, device.minor, *weight)});
    }
    const struct {
        const char* file;
        const std::vector<spec::ThrottleDevice>& devices;
    } throttles[] = {{"blkio.throttle.read_bps_device", io.throttle_read_bps_device},
                     {"blkio.throttle.write_bps_device", io.throttle_write_bps_device},
                     {"blkio.throttle.read_iops_device", io.throttle_read_iops_device},
                     {"blkio.throttle.write_iops_device", io.throttle_write_iops_device}};
    for (const auto& [file, devices] : throttles)
        for (const auto& device : devices)
            writes.push_back({.controller = "blkio",
                              .file = file,
                              .value = format("{}:{} {}", device.major, device.minor, device.rate)});
}

void add_network(Writes& writes, const spec::Network& network) {
    add(writes, "net_cls", "net_cls.classid", network.class_id);
    for (const auto& priority : network.priorities) {
        require_word(priority.name, "linux.resources.network.priorities.name");
        writes.push_back({.controller = "net_prio",
                          .file = "net_prio.ifpriomap",
                          .value = format("{} {}", priority.name, priority.priority)});
    }
}

}  // namespace

std::vector<Write> translate_v1(const spec::Resources& resources) {
    Writes writes;
    if (resources.cpu) {
        add_cpuset(writes, *resources.cpu);
        add_cpu(writes, *resources.cpu);
    }
    if (resources.memory) add_memory(writes, *resources.memory);
    if (resources.block_io) add_block_io(writes, *resources.block_io);
    for (const auto& limit : resources.hugepage_limits) {
        require_page_size(limit.page_size);
        const auto value = format("{}", limit.limit);
        writes.push_back(
            {.controller = "hugetlb", .file = format("hugetlb.{}.limit_in_bytes", limit.page_size), .value = value});
        writes.push_back({.controller = "hugetlb",
                          .file = format("hugetlb.{}.rsvd.limit_in_bytes", limit.page_size),
                          .value = value,
                          .optional = true});
    }
    add_pids_and_rdma(writes, resources);
    if (resources.network) add_network(writes, *resources.network);
    return writes;
}

}  // namespace gpurun::cgroup
