#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/table.h"

/// What a process can be given besides credentials: limits, scheduling, placement. Names are the kernel's, as the OCI
/// spec uses them; the tables serve validation and `features` too. The setters act on the calling process and throw
/// Error(errno, "what(value)").
namespace gpurun::sys {

extern const Name<int> rlimit_names[16];
extern const Name<int> scheduler_policies[7];
extern const Name<std::uint64_t> scheduler_flags[7];
extern const Name<int> io_priority_classes[3];
extern const Name<int> memory_policy_modes[7];
extern const Name<int> memory_policy_flags[3];

/// \a type: RLIMIT_…; the hard limit may need CAP_SYS_RESOURCE.
void set_rlimit(int type, std::uint64_t soft, std::uint64_t hard);

struct Scheduling {
    int policy = 0;  ///< SCHED_…
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0, deadline = 0, period = 0;  ///< Nanoseconds.
};
void set_scheduling(const Scheduling& scheduling);

void set_io_priority(int io_class, int priority);

/// \a nodes: a list such as "0-3,7"; empty: none. \a mode includes the flags.
void set_memory_policy(int mode, std::string_view nodes);

/// A bit for each CPU of the kernel's largest NR_CPUS, 8192.
using CpuMask = std::array<std::uint64_t, 128>;

/// CPUs of a list such as "0-3,1030"; empty: every CPU that the cpuset allows.
void set_cpu_affinity(std::string_view cpus);

/// Keeps the calling thread on the CPU it runs on, until released or destroyed. A child cloned meanwhile begins there
/// and stays until its own affinity is set. For two that take turns: to wake the other on an idle CPU takes longer than
/// to make room for it here. What the kernel refuses is left as it is.
class OneCpu {
 public:
    OneCpu() noexcept;
    ~OneCpu() { release(); }
    OneCpu(const OneCpu&) = delete;
    OneCpu& operator=(const OneCpu&) = delete;
    void release() noexcept;

 private:
    CpuMask before_{};
    bool holds_ = false;
};

/// The bits of a list such as "0-3,7" as an array of 64-bit words. Throws Error("invalid list …").
std::vector<std::uint64_t> parse_list(std::string_view list);

}  // namespace gpurun::sys
