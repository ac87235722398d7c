#include "cgroup/unit.h"

#include <gpurun/error.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "base/text.h"
#include "cgroup/device_rules.h"
#include "cgroup/stats_parse.h"

namespace gpurun::cgroup {
namespace {

constexpr std::uint64_t infinity = std::numeric_limits<std::uint64_t>::max();

// Files whose one number is a property; "max" and -1 are infinity. The left column is of both versions.
constexpr struct {
    std::string_view file;
    const char* property;
} amounts[] = {{"memory.max", "MemoryMax"},
               {"memory.high", "MemoryHigh"},
               {"memory.low", "MemoryLow"},
               {"memory.min", "MemoryMin"},
               {"memory.swap.max", "MemorySwapMax"},
               {"memory.zswap.max", "MemoryZSwapMax"},
               {"memory.limit_in_bytes", "MemoryLimit"},
               {"pids.max", "TasksMax"},
               {"cpu.weight", "CPUWeight"},
               {"cpu.shares", "CPUShares"},
               {"blkio.weight", "BlockIOWeight"}};

// The words of an io.max line and the properties that take them.
constexpr struct {
    std::string_view key;
    const char* property;
} throttles[] = {{"rbps", "IOReadBandwidthMax"},
                 {"wbps", "IOWriteBandwidthMax"},
                 {"riops", "IOReadIOPSMax"},
                 {"wiops", "IOWriteIOPSMax"}};

std::uint64_t amount_of(std::string_view text) {
    return text.starts_with('-') || text == "max" ? infinity : parse_number<std::uint64_t>(text).value_or(0);
}

std::string uint64_text(std::uint64_t value) { return format("uint64 {}", value); }

// "0-1,9" as systemd wants CPUs and nodes: one bit each, the lowest byte first.
std::string bit_mask(std::string_view list) {
    std::vector<unsigned> bytes;
    for (const unsigned number : parse_list(list)) {
        if (number / 8 >= bytes.size()) bytes.resize(number / 8 + 1);
        bytes[number / 8] |= 1u << number % 8;
    }
    if (bytes.empty()) throw Error(format("\"{}\" is not a list of CPUs or memory nodes such as 0-3,7", list));
    std::string text;
    for (const unsigned byte : bytes) text += format("{}{:#04x}", text.empty() ? "byte " : ", ", byte);
    return "[" + text + "]";
}

struct Quota {
    std::optional<std::int64_t> quota;  // Microseconds per period, negative: unlimited.
    std::uint64_t period = 100000;
    bool has_period = false;
};

bool read_quota(const Write& write, Quota& quota) {
    const auto set_period = [&quota](std::string_view text) {
        quota.period = parse_number<std::uint64_t>(text).value_or(quota.period);
        quota.has_period = true;
    };
    if (write.file == "cpu.cfs_period_us") return set_period(write.value), true;
    if (write.file != "cpu.max" && write.file != "cpu.cfs_quota_us") return false;
    const auto fields = words(write.value);
    if (!fields.empty()) quota.quota = fields[0] == "max" ? -1 : parse_number<std::int64_t>(fields[0]).value_or(-1);
    if (fields.size() > 1) set_period(fields[1]);
    return true;
}

void add_quota(const Quota& quota, std::vector<Property>& properties) {
    constexpr std::uint64_t second = 1000000, percent = second / 100;
    if (quota.has_period) properties.push_back({"CPUQuotaPeriodUSec", uint64_text(quota.period)});
    if (!quota.quota) return;
    std::uint64_t per_second = infinity;
    if (*quota.quota >= 0 && quota.period > 0) {
        per_second = static_cast<std::uint64_t>(*quota.quota) * second / quota.period;
        per_second = (per_second + percent - 1) / percent * percent;
    }
    properties.push_back({"CPUQuotaPerSecUSec", uint64_text(per_second)});
}

// io.weight and io.max, whose lines are about one device each.
bool read_io(const Write& write, std::vector<Property>& properties) {
    const auto fields = words(write.value);
    if (fields.size() < 2) return false;
    const std::string device = format("/dev/block/{}", fields[0]);
    if (write.file == "io.weight") {
        if (fields[0] == "default")
            properties.push_back({"IOWeight", uint64_text(amount_of(fields[1]))});
        else
            properties.push_back({"IODeviceWeight", format("[('{}', uint64 {})]", device, amount_of(fields[1]))});
        return true;
    }
    if (write.file != "io.max") return false;
    for (const auto& throttle : throttles)
        for (const auto field : fields)
            if (field.starts_with(throttle.key) && field.substr(throttle.key.size()).starts_with('='))
                properties.push_back({throttle.property, format("[('{}', uint64 {})]", device,
                                                                amount_of(field.substr(throttle.key.size() + 1)))});
    return true;
}

std::string access_text(std::uint32_t access) {
    std::string text;
    if ((access & access_read) != 0) text += 'r';
    if ((access & access_write) != 0) text += 'w';
    if ((access & access_mknod) != 0) text += 'm';
    return text;
}

// "('/dev/char/195:0', 'rw')"; empty when systemd has no words for it.
std::string device_entry(const DeviceMatch& rule, char type, std::string_view proc_devices) {
    const char* const group = type == 'c' ? "char" : "block";
    std::string device;
    if (rule.major == -1 && rule.minor == -1)
        device = format("{}-*", group);
    else if (rule.major == -1)
        return {};
    else if (rule.minor != -1)
        device = format("/dev/{}/{}:{}", group, rule.major, rule.minor);
    else if (const std::string name = major_name(proc_devices, type, rule.major); !name.empty())
        device = format("{}-{}", group, name);
    else
        device = format("{}-{}", group, rule.major);
    return format("('{}', '{}')", device, access_text(rule.access));
}

}  // namespace

std::vector<Property> limit_properties(const std::vector<Write>& writes) {
    std::vector<Property> properties;
    Quota quota;
    for (const auto& write : writes) {
        if (read_quota(write, quota) || read_io(write, properties)) continue;
        for (const auto& row : amounts)
            if (row.file == write.file) properties.push_back({row.property, uint64_text(amount_of(write.value))});
        if (write.file == "cpu.idle" && write.value == "1") properties.push_back({"CPUWeight", "uint64 0"});
        // Taken on v2 alone; on v1 systemd has no cpusets and ignores it.
        if (write.file == "cpuset.cpus") properties.push_back({"AllowedCPUs", bit_mask(write.value)});
        if (write.file == "cpuset.mems") properties.push_back({"AllowedMemoryNodes", bit_mask(write.value)});
        if (write.file == "memory.oom.group")
            properties.push_back({"OOMPolicy", write.value == "1" ? "'kill'" : "'continue'"});
    }
    add_quota(quota, properties);
    return properties;
}

std::vector<Property> device_properties(const std::vector<spec::DeviceRule>& rules, std::string_view proc_devices) {
    const auto reduced = reduce(rules);
    const bool open = !reduced.empty() && reduced.front().is_everything() && reduced.front().allow;
    std::vector<Property> properties = {{"DevicePolicy", open ? "'auto'" : "'strict'"}, {"DeviceAllow", "@a(ss) []"}};
    if (open) return properties;
    std::string entries;
    for (const auto& rule : reduced) {
        if (!rule.allow) continue;
        for (const char type : {'c', 'b'}) {
            if (rule.type != 'a' && rule.type != type) continue;
            const auto entry = device_entry(rule, type, proc_devices);
            if (!entry.empty()) entries += (entries.empty() ? "" : ", ") + entry;
        }
    }
    if (!entries.empty()) properties.push_back({"DeviceAllow", "[" + entries + "]"});
    return properties;
}

std::vector<Property> unit_properties(const Location& location) {
    const bool scope = location.unit.ends_with(".scope");
    std::vector<Property> properties = {{"Description", format("'container {}'", location.unit)}};
    if (scope) {
        properties.push_back({"Slice", format("'{}'", location.slice)});
        properties.push_back({"Delegate", "true"});
        properties.push_back({"CollectMode", "'inactive-or-failed'"});
    } else {
        properties.push_back({"Wants", format("['{}']", location.slice)});
    }
    for (const char* accounting : {"MemoryAccounting", "CPUAccounting", "TasksAccounting"})
        properties.push_back({accounting, "true"});
    properties.push_back({location.layout == Layout::v2 ? "IOAccounting" : "BlockIOAccounting", "true"});
    properties.push_back({"DefaultDependencies", "false"});
    return properties;
}

std::string major_name(std::string_view proc_devices, char section, std::int64_t major) {
    bool here = false;
    for (const auto line : split(proc_devices, '\n')) {
        if (line.ends_with("devices:")) here = line.starts_with(section == 'c' ? "Character" : "Block");
        const auto fields = words(line);
        if (here && fields.size() == 2 && parse_number<std::int64_t>(fields[0]) == major) return std::string(fields[1]);
    }
    return {};
}

std::map<std::string, std::string> annotated_properties(const std::map<std::string, std::string>& annotations) {
    constexpr std::string_view prefix = "org.systemd.property.", seconds = "Sec", microseconds = "USec";
    std::map<std::string, std::string> properties;
    for (auto one = annotations.lower_bound(std::string(prefix));
         one != annotations.end() && one->first.starts_with(prefix); ++one) {
        std::string name = one->first.substr(prefix.size()), value = one->second;
        const bool is_name = name.size() > 2 && std::all_of(name.begin(), name.end(),
                                                            [](unsigned char c) { return std::isalpha(c) != 0; });
        if (!is_name) throw Error(format("annotation {}: \"{}\" is not the name of a unit property", one->first, name));
        // People think in seconds; the bus has microseconds.
        if (name.ends_with(seconds) && !name.ends_with(microseconds)) {
            const auto number = parse_number<std::uint64_t>(std::string_view(value).substr(value.rfind(' ') + 1));
            if (!number) throw Error(format("annotation {}: \"{}\" is not a number of seconds", one->first, value));
            name.replace(name.size() - seconds.size(), seconds.size(), microseconds);
            value = uint64_text(*number * 1000000);
        }
        properties[name] = value;
    }
    return properties;
}

}  // namespace gpurun::cgroup
