#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "cgroup/translate.h"

namespace gpurun::cgroup {
namespace {

using Writes = std::vector<Write>;

// The limits of v1 that no file of v2 can express: the spec wants an error, not silence. Zeros and "off" ask for
// nothing.
void refuse_unconvertible(const spec::Resources& resources) {
    const auto refuse = [](bool asked, const char* property) {
        if (asked) throw Error(format("linux.resources.{}: cgroup v2 has no such setting; leave it out", property));
    };
    if (const auto& memory = resources.memory) {
        refuse(memory->kernel.value_or(0) > 0, "memory.kernel");
        refuse(memory->kernel_tcp.value_or(0) > 0, "memory.kernelTCP");
        refuse(swappiness_of(*memory).has_value(), "memory.swappiness");
        refuse(memory->disable_oom_killer.value_or(false), "memory.disableOOMKiller");
        refuse(!memory->use_hierarchy.value_or(true), "memory.useHierarchy (false)");
    }
    if (const auto& cpu = resources.cpu) {
        refuse(is_set(cpu->realtime_runtime), "cpu.realtimeRuntime");
        refuse(is_set(cpu->realtime_period), "cpu.realtimePeriod");
    }
    if (const auto& io = resources.block_io) {
        refuse(is_set(io->leaf_weight), "blockIO.leafWeight");
        refuse(std::any_of(io->weight_device.begin(), io->weight_device.end(),
                           [](const auto& device) { return is_set(device.leaf_weight); }),
               "blockIO.weightDevice.leafWeight");
    }
    if (const auto& network = resources.network) {
        refuse(is_set(network->class_id), "network.classID");
        refuse(!network->priorities.empty(), "network.priorities");
    }
}

std::string max_or(std::int64_t value) { return value < 0 ? "max" : format("{}", value); }

void add_cpu(Writes& writes, const spec::Cpu& cpu) {
    if (cpu.idle) writes.push_back({.controller = "cpu", .file = "cpu.idle", .value = format("{}", *cpu.idle)});
    // The kernel refuses a weight for an idle cgroup.
    if (is_set(cpu.shares) && cpu.idle != 1)
        writes.push_back(
            {.controller = "cpu", .file = "cpu.weight", .value = format("{}", weight_of_shares(*cpu.shares))});
    if (is_set(cpu.quota) || is_set(cpu.period)) {
        std::string value = max_or(is_set(cpu.quota) ? *cpu.quota : -1);
        if (is_set(cpu.period)) value += format(" {}", *cpu.period);
        writes.push_back({.controller = "cpu", .file = "cpu.max", .value = value});
    }
    if (cpu.burst) writes.push_back({.controller = "cpu", .file = "cpu.max.burst", .value = format("{}", *cpu.burst)});
    if (!cpu.cpus.empty()) writes.push_back({.controller = "cpuset", .file = "cpuset.cpus", .value = cpu.cpus});
    if (!cpu.mems.empty()) writes.push_back({.controller = "cpuset", .file = "cpuset.mems", .value = cpu.mems});
}

void add_memory(Writes& writes, const spec::Memory& memory) {
    // Without swap in the kernel there is no file, and nothing to limit either.
    if (const auto swap = swap_alone(memory.swap, memory.limit))
        writes.push_back(
            {.controller = "memory", .file = "memory.swap.max", .value = max_or(*swap), .optional = *swap <= 0});
    if (is_set(memory.limit))
        writes.push_back(
            {.controller = "memory",
             .file = "memory.max",
             .value = max_or(*memory.limit),
             .floor = memory.check_before_update.value_or(false) && *memory.limit > 0 ? "memory.current" : ""});
    if (is_set(memory.reservation))
        writes.push_back({.controller = "memory", .file = "memory.low", .value = max_or(*memory.reservation)});
}

// BFQ keeps the range of v1; io.weight (io.cost) has one of its own.
void add_weight(Writes& writes, const std::string& device, std::uint64_t weight) {
    writes.push_back(
        {.controller = "io", .file = "io.bfq.weight", .value = format("{} {}", device, weight), .or_next = true});
    writes.push_back({.controller = "io", .file = "io.weight", .value = format("{} {}", device, io_weight_of(weight))});
}

// All limits of a device are one line: "8:0 rbps=1048576 wiops=100".
void add_throttles(Writes& writes, const spec::BlockIo& io) {
    struct Line {
        std::int64_t major, minor;
        std::string limits;
    };
    std::vector<Line> lines;
    const struct {
        const char* key;
        const std::vector<spec::ThrottleDevice>& devices;
    } throttles[] = {{"rbps", io.throttle_read_bps_device},
                     {"wbps", io.throttle_write_bps_device},
                     {"riops", io.throttle_read_iops_device},
                     {"wiops", io.throttle_write_iops_device}};
    for (const auto& [key, devices] : throttles)
        for (const auto& device : devices) {
            auto line = std::find_if(lines.begin(), lines.end(), [&](const Line& known) {
                return known.major == device.major && known.minor == device.minor;
            });
            if (line == lines.end()) line = lines.insert(line, {device.major, device.minor, {}});
            line->limits += device.rate == 0 ? format(" {}=max", key) : format(" {}={}", key, device.rate);
        }
    for (const auto& line : lines)
        writes.push_back(
            {.controller = "io", .file = "io.max", .value = format("{}:{}{}", line.major, line.minor, line.limits)});
}

void add_block_io(Writes& writes, const spec::BlockIo& io) {
    if (const auto weight = checked_weight(io.weight, "weight")) add_weight(writes, "default", *weight);
    for (const auto& device : io.weight_device)
        if (const auto weight = checked_weight(device.weight, "weightDevice.weight"))
            add_weight(writes, format("{}:{}", device.major, device.minor), *weight);
    add_throttles(writes, io);
}

}  // namespace

void add_pids_and_rdma(Writes& writes, const spec::Resources& resources) {
    if (resources.pids && resources.pids->limit) {
        // 0 would refuse the container's own first process (CLONE_INTO_CGROUP counts it); 1 means the same: it can't
        // fork.
        const auto limit = *resources.pids->limit;
        writes.push_back({.controller = "pids",
                          .file = "pids.max",
                          .value = limit < 0    ? "max"
                                   : limit == 0 ? "1"
                                                : format("{}", limit),
                          .optional = limit < 0});
    }
    for (const auto& [device, limits] : resources.rdma) {
        require_word(device, "linux.resources.rdma");
        std::string value = device;
        if (limits.hca_handles) value += format(" hca_handle={}", *limits.hca_handles);
        if (limits.hca_objects) value += format(" hca_object={}", *limits.hca_objects);
        if (value == device)
            throw Error(format("linux.resources.rdma.{}: hcaHandles or hcaObjects must be given", device));
        writes.push_back({.controller = "rdma", .file = "rdma.max", .value = value});
    }
}

std::vector<Write> translate_v2(const spec::Resources& resources) {
    refuse_unconvertible(resources);
    Writes writes;
    if (resources.cpu) add_cpu(writes, *resources.cpu);
    if (resources.memory) add_memory(writes, *resources.memory);
    if (resources.block_io) add_block_io(writes, *resources.block_io);
    for (const auto& limit : resources.hugepage_limits) {
        require_page_size(limit.page_size);
        const auto value = format("{}", limit.limit);
        writes.push_back({.controller = "hugetlb", .file = format("hugetlb.{}.max", limit.page_size), .value = value});
        writes.push_back({.controller = "hugetlb",
                          .file = format("hugetlb.{}.rsvd.max", limit.page_size),
                          .value = value,
                          .optional = true});
    }
    add_pids_and_rdma(writes, resources);
    add_unified(writes, resources, false);
    return writes;
}

}  // namespace gpurun::cgroup
