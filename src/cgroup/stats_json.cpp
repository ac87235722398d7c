#include <gpurun/cgroup.h>

#include <limits>

#include "base/text.h"
#include "json/json.h"

// The names are runc's (`events --stats`), which containerd's and others' clients parse; what runc leaves out when it
// is zero is left out here too.
namespace gpurun::json {

using namespace cgroup;

// Percentages with two digits are the only fractions.
template <>
struct TypeOf<Pressure::Share> {
    static constexpr Type value{
        .kind = Kind::integer,
        .is_empty = [](const void* share) { return static_cast<const Pressure::Share*>(share)->value == 0; },
        .reset = detail::reset<Pressure::Share>,
        .print =
            [](const void* share, std::string& to) {
                // Hundredths as an integer: formatting floating-point numbers would cost 20 KB of the binary.
                const auto hundredths =
                    static_cast<std::uint64_t>(static_cast<const Pressure::Share*>(share)->value * 100 + 0.5);
                to += format("{}", hundredths / 100);
                if (hundredths % 100 != 0) to += format(".{:02}", hundredths % 100);
            },
        .maximum = std::numeric_limits<std::uint64_t>::max()};
};

template <>
struct Fields<Pressure::Line> {
    static constexpr Field value[] = {always<&Pressure::Line::avg10>("avg10"), always<&Pressure::Line::avg60>("avg60"),
                                      always<&Pressure::Line::avg300>("avg300"),
                                      always<&Pressure::Line::total>("total")};
};
template <>
struct Fields<Pressure> {
    static constexpr Field value[] = {always<&Pressure::some>("some"), always<&Pressure::full>("full")};
};
template <>
struct Fields<CpuStats::Usage> {
    using S = CpuStats::Usage;
    static constexpr Field value[] = {field<&S::total>("total"),
                                      field<&S::percpu>("percpu"),
                                      field<&S::percpu_kernel>("percpu_kernel"),
                                      field<&S::percpu_user>("percpu_user"),
                                      always<&S::kernel>("kernel"),
                                      always<&S::user>("user")};
};
template <>
struct Fields<CpuStats::Throttling> {
    using S = CpuStats::Throttling;
    static constexpr Field value[] = {field<&S::periods>("periods"), field<&S::throttled_periods>("throttledPeriods"),
                                      field<&S::throttled_time>("throttledTime")};
};
template <>
struct Fields<CpuStats> {
    static constexpr Field value[] = {always<&CpuStats::usage>("usage"), always<&CpuStats::throttling>("throttling"),
                                      field<&CpuStats::psi>("psi")};
};
template <>
struct Fields<CpusetStats> {
    using S = CpusetStats;
    static constexpr Field value[] = {field<&S::cpus>("cpus"),
                                      always<&S::cpu_exclusive>("cpu_exclusive"),
                                      field<&S::mems>("mems"),
                                      always<&S::mem_hardwall>("mem_hardwall"),
                                      always<&S::mem_exclusive>("mem_exclusive"),
                                      always<&S::memory_migrate>("memory_migrate"),
                                      always<&S::memory_spread_page>("memory_spread_page"),
                                      always<&S::memory_spread_slab>("memory_spread_slab"),
                                      always<&S::memory_pressure>("memory_pressure"),
                                      always<&S::sched_load_balance>("sched_load_balance"),
                                      always<&S::sched_relax_domain_level>("sched_relax_domain_level")};
};
template <>
struct Fields<MemoryStats::Entry> {
    using S = MemoryStats::Entry;
    static constexpr Field value[] = {always<&S::limit>("limit"), field<&S::usage>("usage"), field<&S::max>("max"),
                                      always<&S::failcnt>("failcnt")};
};
template <>
struct Fields<MemoryEvents> {
    using S = MemoryEvents;
    static constexpr Field value[] = {always<&S::low>("low"),           always<&S::high>("high"),
                                      always<&S::max>("max"),           always<&S::oom>("oom"),
                                      always<&S::oom_kill>("oom_kill"), always<&S::oom_group_kill>("oom_group_kill")};
};
template <>
struct Fields<MemoryStats> {
    using S = MemoryStats;
    static constexpr Field value[] = {
        field<&S::cache>("cache"),    always<&S::usage>("usage"),           always<&S::swap>("swap"),
        always<&S::kernel>("kernel"), always<&S::kernel_tcp>("kernelTCP"),  field<&S::raw>("raw"),
        field<&S::psi>("psi"),        field<&S::event_count>("event_count")};
};
template <>
struct Fields<PidsStats> {
    static constexpr Field value[] = {field<&PidsStats::current>("current"), field<&PidsStats::limit>("limit")};
};
template <>
struct Fields<BlkioStats::Entry> {
    using S = BlkioStats::Entry;
    static constexpr Field value[] = {field<&S::major>("major"), field<&S::minor>("minor"), field<&S::op>("op"),
                                      field<&S::value>("value")};
};
template <>
struct Fields<BlkioStats> {
    using S = BlkioStats;
    static constexpr Field value[] = {field<&S::service_bytes>("ioServiceBytesRecursive"),
                                      field<&S::serviced>("ioServicedRecursive"),
                                      field<&S::queued>("ioQueueRecursive"),
                                      field<&S::service_time>("ioServiceTimeRecursive"),
                                      field<&S::wait_time>("ioWaitTimeRecursive"),
                                      field<&S::merged>("ioMergedRecursive"),
                                      field<&S::time>("ioTimeRecursive"),
                                      field<&S::sectors>("sectorsRecursive"),
                                      field<&S::psi>("psi")};
};
template <>
struct Fields<HugetlbStats> {
    using S = HugetlbStats;
    static constexpr Field value[] = {field<&S::usage>("usage"), field<&S::max>("max"), always<&S::failcnt>("failcnt")};
};
template <>
struct Fields<RdmaStats> {
    static constexpr Field value[] = {always<&RdmaStats::hca_handle>("hca_handle"),
                                      always<&RdmaStats::hca_object>("hca_object")};
};
template <>
struct Fields<MiscStats> {
    static constexpr Field value[] = {always<&MiscStats::usage>("usage"), always<&MiscStats::limit>("limit")};
};
template <>
struct Fields<GpuStats::Memory> {
    using S = GpuStats::Memory;
    static constexpr Field value[] = {always<&S::total>("total"), always<&S::used>("used")};
};
template <>
struct Fields<GpuStats::Process> {
    using S = GpuStats::Process;
    static constexpr Field value[] = {always<&S::pid>("pid"), always<&S::memory>("memory")};
};
template <>
struct Fields<GpuStats> {
    using S = GpuStats;
    static constexpr Field value[] = {always<&S::index>("index"), always<&S::uuid>("uuid"),
                                      always<&S::bus_id>("bus_id"), always<&S::memory>("memory"),
                                      always<&S::processes>("processes")};
};
template <>
struct Fields<Stats> {
    static constexpr Field value[] = {
        always<&Stats::cpu>("cpu"),   always<&Stats::cpuset>("cpuset"), always<&Stats::memory>("memory"),
        always<&Stats::pids>("pids"), always<&Stats::blkio>("blkio"),   always<&Stats::hugetlb>("hugetlb"),
        field<&Stats::rdma>("rdma"),  field<&Stats::misc>("misc"),      field<&Stats::gpus>("gpus")};
};

}  // namespace gpurun::json

namespace gpurun::cgroup {
namespace {

struct Event {
    std::string type, id;
    std::optional<Stats> data;
};

}  // namespace
}  // namespace gpurun::cgroup

template <>
struct gpurun::json::Fields<gpurun::cgroup::Event> {
    using S = cgroup::Event;
    static constexpr Field value[] = {always<&S::type>("type"), always<&S::id>("id"), field<&S::data>("data")};
};

namespace gpurun::cgroup {

std::string stats_event(const std::string& id, const Stats& stats) { return json::write(Event{"stats", id, stats}); }

std::string oom_event(const std::string& id) { return json::write(Event{"oom", id, {}}); }

}  // namespace gpurun::cgroup
