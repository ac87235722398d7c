#include "sys/process_attributes.h"

#include <gpurun/error.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#define MPOL_WEIGHTED_INTERLEAVE_VALUE 6  // Linux 6.9, newer than Debian 12's headers.

// <linux/ioprio.h> names a parameter "class" in newer Debian 12 releases: no C++ can include it.
constexpr int ioprio_who_process = 1, ioprio_class_shift = 13;

namespace gpurun::sys {

constinit const Name<int> rlimit_names[16] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

constinit const Name<int> scheduler_policies[7] = {{"SCHED_OTHER", 0},   {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                                                   {"SCHED_BATCH", 3},   {"SCHED_ISO", 4},  {"SCHED_IDLE", 5},
                                                   {"SCHED_DEADLINE", 6}};

constinit const Name<std::uint64_t> scheduler_flags[7] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01}, {"SCHED_FLAG_RECLAIM", 0x02},     {"SCHED_FLAG_DL_OVERRUN", 0x04},
    {"SCHED_FLAG_KEEP_POLICY", 0x08},   {"SCHED_FLAG_KEEP_PARAMS", 0x10}, {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}};

constinit const Name<int> io_priority_classes[3] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};

constinit const Name<int> memory_policy_modes[7] = {{"MPOL_DEFAULT", MPOL_DEFAULT},
                                                    {"MPOL_PREFERRED", MPOL_PREFERRED},
                                                    {"MPOL_BIND", MPOL_BIND},
                                                    {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
                                                    {"MPOL_LOCAL", MPOL_LOCAL},
                                                    {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
                                                    {"MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE_VALUE}};

constinit const Name<int> memory_policy_flags[3] = {{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
                                                    {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
                                                    {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES}};

void set_rlimit(int type, std::uint64_t soft, std::uint64_t hard) {
    const struct { std::uint64_t current, maximum; } limit{soft, hard};
    if (::syscall(SYS_prlimit64, 0, type, &limit, nullptr) != 0)
        throw Error(errno,
                    format("error setting rlimit {} to {}:{}", name_of(rlimit_names, type).value_or("?"), soft, hard));
}

void set_scheduling(const Scheduling& scheduling) {
    struct {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
        std::uint32_t util_min, util_max;
    } attributes{};
    attributes.size = sizeof attributes;
    attributes.policy = static_cast<std::uint32_t>(scheduling.policy);
    attributes.flags = scheduling.flags;
    attributes.nice = scheduling.nice;
    attributes.priority = scheduling.priority;
    attributes.runtime = scheduling.runtime;
    attributes.deadline = scheduling.deadline;
    attributes.period = scheduling.period;
    if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0)
        throw Error(errno,
                    format("error setting scheduler {}", name_of(scheduler_policies, scheduling.policy).value_or("?")));
}

void set_io_priority(int io_class, int priority) {
    if (::syscall(SYS_ioprio_set, ioprio_who_process, 0, (io_class << ioprio_class_shift) | priority) != 0)
        throw Error(errno, format("error setting io priority {} {}",
                                  name_of(io_priority_classes, io_class).value_or("?"), priority));
}

void set_memory_policy(int mode, std::string_view nodes) {
    const auto mask = parse_list(nodes);
    // The kernel reads one bit less than it is told.
    const unsigned long bits = mask.empty() ? 0 : mask.size() * 64 + 1;
    if (::syscall(SYS_set_mempolicy, mode, mask.empty() ? nullptr : mask.data(), bits) != 0)
        throw Error(errno, format("error setting memory policy {}: set_mempolicy", nodes));
}

void set_cpu_affinity(std::string_view cpus) {
    // All ones means every CPU there is: the kernel intersects with the cpuset.
    const auto mask = cpus.empty() ? std::vector<std::uint64_t>(CpuMask{}.size(), ~std::uint64_t{0}) : parse_list(cpus);
    if (::syscall(SYS_sched_setaffinity, 0, mask.size() * 8, mask.data()) != 0)
        throw Error(errno, format("error setting CPU affinity {}", cpus));
}

OneCpu::OneCpu() noexcept {
    unsigned cpu = 0;
    if (::syscall(SYS_getcpu, &cpu, nullptr, nullptr) != 0 || cpu / 64 >= before_.size()) return;
    if (::syscall(SYS_sched_getaffinity, 0, sizeof before_, before_.data()) < 0) return;
    CpuMask mask{};
    mask[cpu / 64] = std::uint64_t{1} << (cpu % 64);
    holds_ = ::syscall(SYS_sched_setaffinity, 0, sizeof mask, mask.data()) == 0;
}

void OneCpu::release() noexcept {
    if (holds_) ::syscall(SYS_sched_setaffinity, 0, sizeof before_, before_.data());
    holds_ = false;
}

std::vector<std::uint64_t> parse_list(std::string_view list) {
    constexpr unsigned most = 1u << 16;
    std::vector<std::uint64_t> mask;
    if (trim(list).empty()) return mask;
    for (auto part : split(trim(list), ',')) {
        part = trim(part);
        const auto dash = part.find('-');
        const auto first = parse_number<unsigned>(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_number<unsigned>(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= most)
            throw Error(format("invalid list \"{}\": want numbers and ranges such as 0-3,7", list));
        if (mask.size() <= *last / 64) mask.resize(*last / 64 + 1);
        for (unsigned number = *first; number <= *last; ++number)
            mask[number / 64] |= std::uint64_t{1} << (number % 64);
    }
    return mask;
}

}  // namespace gpurun::sys
