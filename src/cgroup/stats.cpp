#include <fcntl.h>
#include <gpurun/cgroup.h>
#include <gpurun/error.h>

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "cgroup/parse.h"
#include "cgroup/stats_parse.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

// The files of one cgroup; absent ones read as empty.
class Files {
 public:
    explicit Files(std::string directory) : directory_(std::move(directory)) {}
    explicit operator bool() const { return !directory_.empty(); }
    std::string text(std::string_view file) const {
        return directory_.empty() ? std::string() : sys::try_read_file(format("{}/{}", directory_, file)).value_or("");
    }
    std::uint64_t amount(std::string_view file) const { return parse_amount(text(file)); }
    std::optional<Pressure> pressure(std::string_view file) const {
        const auto lines = text(file);
        return lines.empty() ? std::nullopt : std::optional(parse_pressure(lines));
    }

 private:
    std::string directory_;
};

Files files_of(const Location& location, std::string_view controller) {
    for (const auto& directory : location.directories) {
        const auto& names = directory.controllers;
        if (names.empty() ? controller.empty() : std::find(names.begin(), names.end(), controller) != names.end())
            return Files(directory.path);
    }
    return Files("");
}

std::vector<std::string> page_sizes() {
    std::vector<std::string> sizes;
    for (const auto& name : sys::list_directory(sys::FdRef(AT_FDCWD), "/sys/kernel/mm/hugepages"))
        if (auto size = page_size_of(name); !size.empty()) sizes.push_back(std::move(size));
    return sizes;
}

// ---- v1
// --------------------------------------------------------------------------------------------------------------------

void read_cpuacct(const Files& files, CpuStats::Usage& usage) {
    // cpuacct.stat counts in USER_HZ, which is 100 on every architecture for user space.
    constexpr std::uint64_t tick = 10'000'000;
    usage.total = files.amount("cpuacct.usage");
    const auto stat = parse_flat(files.text("cpuacct.stat"));
    const auto ticks = [&stat](const char* key) { return stat.contains(key) ? stat.at(key) : 0; };
    usage.user = ticks("user") * tick;
    usage.kernel = ticks("system") * tick;
    const auto percpu = files.text("cpuacct.usage_percpu");
    for (const auto word : words(percpu)) usage.percpu.push_back(parse_amount(word));
    const auto all = files.text("cpuacct.usage_all");  // "cpu user system" and a line for each CPU.
    for (const auto line : split(all, '\n')) {
        const auto fields = words(line);
        if (fields.size() != 3 || !parse_number<unsigned>(fields[0])) continue;
        usage.percpu_user.push_back(parse_amount(fields[1]));
        usage.percpu_kernel.push_back(parse_amount(fields[2]));
    }
}

void read_cpuset(const Files& files, CpusetStats& cpuset) {
    cpuset.cpus = parse_list(files.text("cpuset.cpus"));
    cpuset.mems = parse_list(files.text("cpuset.mems"));
    cpuset.cpu_exclusive = files.amount("cpuset.cpu_exclusive");
    cpuset.mem_hardwall = files.amount("cpuset.mem_hardwall");
    cpuset.mem_exclusive = files.amount("cpuset.mem_exclusive");
    cpuset.memory_migrate = files.amount("cpuset.memory_migrate");
    cpuset.memory_spread_page = files.amount("cpuset.memory_spread_page");
    cpuset.memory_spread_slab = files.amount("cpuset.memory_spread_slab");
    cpuset.memory_pressure = files.amount("cpuset.memory_pressure");
    cpuset.sched_load_balance = files.amount("cpuset.sched_load_balance");
    cpuset.sched_relax_domain_level =
        parse_number<std::int64_t>(trim(files.text("cpuset.sched_relax_domain_level"))).value_or(0);
}

MemoryStats::Entry memory_entry(const Files& files, std::string_view name) {
    const auto read = [&](std::string_view file) { return files.amount(format("memory.{}{}", name, file)); };
    return {.limit = read("limit_in_bytes"),
            .usage = read("usage_in_bytes"),
            .max = read("max_usage_in_bytes"),
            .failcnt = read("failcnt")};
}

void read_memory_v1(const Files& files, MemoryStats& memory) {
    if (!files) return;
    memory.raw = parse_flat(files.text("memory.stat"));
    memory.cache = memory.raw.contains("cache") ? memory.raw.at("cache") : 0;
    memory.usage = memory_entry(files, "");
    memory.swap = memory_entry(files, "memsw.");
    memory.kernel = memory_entry(files, "kmem.");
    memory.kernel_tcp = memory_entry(files, "kmem.tcp.");
}

void read_blkio_v1(const Files& files, BlkioStats& blkio) {
    // Each scheduler counts in files of its own; throttling counts everything.
    const auto read = [&](std::string_view what, std::vector<BlkioStats::Entry>& entries) {
        for (const char* scheduler : {"bfq.", "", "throttle."})
            if (entries.empty()) parse_blkio(files.text(format("blkio.{}{}", scheduler, what)), entries);
    };
    read("io_service_bytes_recursive", blkio.service_bytes);
    read("io_serviced_recursive", blkio.serviced);
    read("io_queued_recursive", blkio.queued);
    read("io_service_time_recursive", blkio.service_time);
    read("io_wait_time_recursive", blkio.wait_time);
    read("io_merged_recursive", blkio.merged);
    read("time_recursive", blkio.time);
    read("sectors_recursive", blkio.sectors);
}

// ---- v2
// --------------------------------------------------------------------------------------------------------------------

void read_memory_v2(const Files& files, MemoryStats& memory) {
    memory.raw = parse_flat(files.text("memory.stat"));
    memory.cache = memory.raw.contains("file") ? memory.raw.at("file") : 0;
    const auto events = parse_flat(files.text("memory.events"));
    const auto count = [&events](const char* key) { return events.contains(key) ? events.at(key) : 0; };
    if (!events.empty())
        memory.event_count = {.low = count("low"),
                              .high = count("high"),
                              .max = count("max"),
                              .oom = count("oom"),
                              .oom_kill = count("oom_kill"),
                              .oom_group_kill = count("oom_group_kill")};
    memory.usage = {.limit = files.amount("memory.max"),
                    .usage = files.amount("memory.current"),
                    .max = files.amount("memory.peak"),
                    .failcnt = count("max")};
    // v1 counts memory and swap together, and that is what readers of these statistics expect.
    memory.swap = {.limit = files.amount("memory.swap.max"),
                   .usage = files.amount("memory.swap.current") + memory.usage.usage};
    if (memory.swap.limit != unlimited)
        memory.swap.limit = memory.usage.limit == unlimited ? unlimited : memory.swap.limit + memory.usage.limit;
    memory.kernel.usage = memory.raw.contains("kernel") ? memory.raw.at("kernel") : 0;
    memory.kernel_tcp.usage = memory.raw.contains("sock") ? memory.raw.at("sock") : 0;
    memory.psi = files.pressure("memory.pressure");
}

void read_cpu_v2(const Files& files, CpuStats& cpu) {
    const auto stat = parse_flat(files.text("cpu.stat"));
    const auto read = [&stat](const char* key) { return stat.contains(key) ? stat.at(key) : 0; };
    cpu.usage = {
        .total = read("usage_usec") * 1000, .kernel = read("system_usec") * 1000, .user = read("user_usec") * 1000};
    cpu.throttling = {.periods = read("nr_periods"),
                      .throttled_periods = read("nr_throttled"),
                      .throttled_time = read("throttled_usec") * 1000};
    cpu.psi = files.pressure("cpu.pressure");
}

void read_misc(const Files& files, std::map<std::string, MiscStats>& misc) {
    for (const auto& [name, usage] : parse_flat(files.text("misc.current"))) misc[name].usage = usage;
    const auto limits = files.text("misc.max");
    for (auto& [name, stats] : misc) stats.limit = parse_amount(flat_value(limits, name));
}

void read_hugetlb_v2(const Files& files, std::map<std::string, HugetlbStats>& hugetlb) {
    for (const auto& size : page_sizes()) {
        const auto current = files.text(format("hugetlb.{}.current", size));
        if (current.empty()) continue;
        const auto events = parse_flat(files.text(format("hugetlb.{}.events", size)));
        hugetlb[size] = {.usage = parse_amount(current), .failcnt = events.contains("max") ? events.at("max") : 0};
    }
}

void read_v1(const Location& location, Stats& stats) {
    read_cpuacct(files_of(location, "cpuacct"), stats.cpu.usage);
    const auto throttling = parse_flat(files_of(location, "cpu").text("cpu.stat"));
    const auto read = [&throttling](const char* key) { return throttling.contains(key) ? throttling.at(key) : 0; };
    stats.cpu.throttling = {.periods = read("nr_periods"),
                            .throttled_periods = read("nr_throttled"),
                            .throttled_time = read("throttled_time")};
    read_cpuset(files_of(location, "cpuset"), stats.cpuset);
    read_memory_v1(files_of(location, "memory"), stats.memory);
    read_blkio_v1(files_of(location, "blkio"), stats.blkio);
    const auto hugetlb = files_of(location, "hugetlb");
    for (const auto& size : hugetlb ? page_sizes() : std::vector<std::string>{})
        stats.hugetlb[size] = {.usage = hugetlb.amount(format("hugetlb.{}.usage_in_bytes", size)),
                               .max = hugetlb.amount(format("hugetlb.{}.max_usage_in_bytes", size)),
                               .failcnt = hugetlb.amount(format("hugetlb.{}.failcnt", size))};
    if (location.layout != Layout::hybrid) return;
    // The pressure of a v1 container is counted in its cgroup2 directory, and so are the controllers that v1 does not
    // have.
    const auto unified = files_of(location, "");
    if (!hugetlb) read_hugetlb_v2(unified, stats.hugetlb);
    stats.cpu.psi = unified.pressure("cpu.pressure");
    stats.memory.psi = unified.pressure("memory.pressure");
    stats.blkio.psi = unified.pressure("io.pressure");
    read_misc(unified, stats.misc);
}

void read_v2(const Files& files, Stats& stats) {
    read_cpu_v2(files, stats.cpu);
    stats.cpuset.cpus = parse_list(files.text("cpuset.cpus.effective"));
    stats.cpuset.mems = parse_list(files.text("cpuset.mems.effective"));
    read_memory_v2(files, stats.memory);
    parse_io_stat(files.text("io.stat"), stats.blkio);
    stats.blkio.psi = files.pressure("io.pressure");
    read_hugetlb_v2(files, stats.hugetlb);
    read_misc(files, stats.misc);
}

}  // namespace

Stats read_stats(const Location& location) {
    Stats stats;
    if (location.directories.empty()) return stats;
    if (!sys::exists(location.directories.front().path))
        throw Error(format("the container's cgroup {} does not exist", location.directories.front().path));
    if (location.layout == Layout::v2)
        read_v2(files_of(location, ""), stats);
    else
        read_v1(location, stats);
    const auto unified = files_of(location, "");
    auto pids = files_of(location, "pids");
    if (!pids) pids = unified;
    stats.pids.current = pids.amount("pids.current");
    const auto limit = pids.amount("pids.max");
    stats.pids.limit = limit == unlimited ? 0 : limit;
    auto rdma = files_of(location, "rdma");
    stats.rdma = parse_rdma((rdma ? rdma : unified).text("rdma.current"));
    return stats;
}

}  // namespace gpurun::cgroup
