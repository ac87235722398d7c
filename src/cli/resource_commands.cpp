#include <gpurun/error.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/table.h"
#include "base/text.h"
#include "cli/command.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

constexpr Option update_options[] = {{"resources", 'r', true, "JSON file with linux.resources, - for standard input"},
                                     {"blkio-weight", 0, true, "10 to 1000"},
                                     {"cpu-period", 0, true, "microseconds"},
                                     {"cpu-quota", 0, true, "microseconds a period, -1 for no limit"},
                                     {"cpu-burst", 0, true, "microseconds"},
                                     {"cpu-share", 0, true, "relative weight, 1024 by default"},
                                     {"cpu-rt-period", 0, true, "microseconds"},
                                     {"cpu-rt-runtime", 0, true, "microseconds"},
                                     {"cpuset-cpus", 0, true, "list such as 0-3,7"},
                                     {"cpuset-mems", 0, true, "list such as 0-1"},
                                     {"cpu-idle", 0, true, "1: SCHED_IDLE for the whole cgroup"},
                                     {"memory", 0, true, "bytes, also with b, k, m, g; -1 for no limit"},
                                     {"memory-reservation", 0, true, "bytes"},
                                     {"memory-swap", 0, true, "bytes of memory and swap together"},
                                     {"kernel-memory", 0, true, "ignored with a warning, as in runc"},
                                     {"kernel-memory-tcp", 0, true, "ignored with a warning, as in runc"},
                                     {"pids-limit", 0, true, "number of processes, -1 for no limit"},
                                     {"l3-cache-schema", 0, true, "Intel RDT: such as L3:0=f;1=ff"},
                                     {"mem-bw-schema", 0, true, "Intel RDT: such as MB:0=20;1=70"},
                                     {"gpu-add", 0, true, "GPU to add: index, UUID or bus id; may be repeated"},
                                     {"gpu-remove", 0, true, "GPU to take away; may be repeated"}};

template <typename Number>
void take(const Arguments& arguments, const char* option, std::optional<Number>& to) {
    const auto text = arguments.optional(option);
    if (!text) return;
    const auto number = parse_number<Number>(*text);
    if (!number) throw Error(format("invalid value \"{}\" for flag --{}: want a number", *text, option));
    to = *number;
}

// "64m", "-1": what runc takes for sizes.
void take_size(const Arguments& arguments, const char* option, std::optional<std::int64_t>& to) {
    const auto text = arguments.optional(option);
    if (!text) return;
    constexpr Name<int> units[] = {{"b", 0},    {"", 0},    {"k", 10},   {"kb", 10}, {"kib", 10},
                                   {"m", 20},   {"mb", 20}, {"mib", 20}, {"g", 30},  {"gb", 30},
                                   {"gib", 30}, {"t", 40},  {"tb", 40},  {"tib", 40}};
    const auto end = text->find_first_not_of("-0123456789");
    std::string unit = end == std::string::npos ? "" : text->substr(end);
    for (char& c : unit) c = static_cast<char>(c | 0x20);
    const auto number = parse_number<std::int64_t>(std::string_view(*text).substr(0, end));
    const auto shift = value_of(units, unit);
    if (!number || !shift || *number > (std::numeric_limits<std::int64_t>::max() >> *shift))
        throw Error(format("invalid value \"{}\" for flag --{}: want bytes such as 67108864 or 64m", *text, option));
    to = *number < 0 ? *number : *number << *shift;
}

spec::Resources from_options(const Arguments& arguments) {
    spec::Resources resources;
    spec::Memory memory;
    take_size(arguments, "memory", memory.limit);
    take_size(arguments, "memory-reservation", memory.reservation);
    take_size(arguments, "memory-swap", memory.swap);
    if (memory.limit || memory.reservation || memory.swap) resources.memory = memory;
    for (const char* option : {"kernel-memory", "kernel-memory-tcp"})
        if (arguments.has(option)) log::warning("--{} is ignored: --memory counts the kernel's memory too", option);
    spec::Cpu cpu{.cpus = arguments.value("cpuset-cpus"), .mems = arguments.value("cpuset-mems")};
    take(arguments, "cpu-share", cpu.shares);
    take(arguments, "cpu-period", cpu.period);
    take(arguments, "cpu-quota", cpu.quota);
    take(arguments, "cpu-burst", cpu.burst);
    take(arguments, "cpu-rt-period", cpu.realtime_period);
    take(arguments, "cpu-rt-runtime", cpu.realtime_runtime);
    take(arguments, "cpu-idle", cpu.idle);
    if (cpu.shares || cpu.period || cpu.quota || cpu.burst || cpu.realtime_period || cpu.realtime_runtime || cpu.idle ||
        !cpu.cpus.empty() || !cpu.mems.empty())
        resources.cpu = cpu;
    std::optional<std::int64_t> pids;
    take(arguments, "pids-limit", pids);
    if (pids) resources.pids = spec::Pids{.limit = pids};
    std::optional<std::uint16_t> weight;
    take(arguments, "blkio-weight", weight);
    if (weight) resources.block_io = spec::BlockIo{.weight = weight};
    return resources;
}

// True when the command line has an option that changes limits.
bool changes_limits(const Arguments& arguments) {
    return std::any_of(std::begin(update_options), std::end(update_options), [&](const Option& option) {
        return !std::string_view(option.name).starts_with("gpu-") && arguments.has(option.name);
    });
}

int update(const container::Context& context, const Arguments& arguments) {
    const auto add = arguments.values("gpu-add"), remove = arguments.values("gpu-remove");
    if (!add.empty() || !remove.empty()) {
        container::update_gpus(context, arguments.positionals.at(0), add, remove);
        if (!changes_limits(arguments)) return 0;
    }
    const std::string file = arguments.value("resources");
    spec::Resources resources;
    if (file.empty()) {
        resources = from_options(arguments);
    } else {
        const std::string text =
            file == "-" ? sys::read_all(sys::FdRef(STDIN_FILENO), "standard input") : sys::read_file(file);
        resources = spec::read_resources(text, file == "-" ? "resources" : file);
    }
    const spec::IntelRdt rdt{.clos_id = {},
                             .l3_cache_schema = arguments.value("l3-cache-schema"),
                             .mem_bw_schema = arguments.value("mem-bw-schema"),
                             .schemata = {}};
    container::update(context, arguments.positionals.at(0), resources, rdt);
    return 0;
}

constexpr Option events_options[] = {{"stats", 0, false, "print statistics once"},
                                     {"interval", 0, true, "time between statistics, 5s by default"}};

// "5s", "250ms", "1m30s" would be Go's; one unit is enough here.
int milliseconds(const std::string& text) {
    constexpr Name<int> units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const auto end = text.find_first_not_of("0123456789");
    const auto number = parse_number<int>(std::string_view(text).substr(0, end));
    const auto unit =
        end == std::string::npos ? std::optional<int>() : value_of(units, std::string_view(text).substr(end));
    if (!number || !unit || *number <= 0 || *number > 86400000 / *unit)
        throw Error(format("invalid value \"{}\" for flag --interval: want a duration such as 5s", text));
    return *number * *unit;
}

int events(const container::Context& context, const Arguments& arguments) {
    const std::string& id = arguments.positionals.at(0);
    if (arguments.has("stats")) return print(container::stats(context, id) + "\n"), 0;
    const int interval = milliseconds(arguments.has("interval") ? arguments.value("interval") : "5s");
    container::events(context, id, interval, [](const std::string& line) { print(line + "\n"); });
    return 0;
}

}  // namespace

const Command update_command{.name = "update",
                             .usage = "[OPTION]... CONTAINER",
                             .summary = "change a container's limits",
                             .options = update_options,
                             .order = Order::any,
                             .fewest = 1,
                             .most = 1,
                             .protects = false,
                             .run = update};
const Command events_command{.name = "events",
                             .usage = "[OPTION]... CONTAINER",
                             .summary = "print statistics and OOM kills as JSON lines",
                             .options = events_options,
                             .order = Order::any,
                             .fewest = 1,
                             .most = 1,
                             .protects = false,
                             .run = events};

}  // namespace gpurun::cli
