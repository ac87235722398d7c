#include "cgroup/stats_parse.h"

#include <limits>

#include "base/text.h"

namespace gpurun::cgroup {
namespace {

// "12.34" without floating-point parsing, which musl's strtod would bring in with its locale.
double parse_share(std::string_view text) {
    const auto dot = text.find('.');
    const auto whole = parse_number<std::uint64_t>(text.substr(0, dot)).value_or(0);
    const auto part = dot == std::string_view::npos ? 0 : parse_number<std::uint64_t>(text.substr(dot + 1)).value_or(0);
    return static_cast<double>(whole) + static_cast<double>(part) / 100;
}

// Calls \a each(key, value) for the "key=value" words of a line from the second on.
template <typename Function>
void each_pair(const std::vector<std::string_view>& fields, Function each) {
    for (std::size_t at = 1; at < fields.size(); ++at) {
        const auto equals = fields[at].find('=');
        if (equals != std::string_view::npos) each(fields[at].substr(0, equals), fields[at].substr(equals + 1));
    }
}

bool parse_device(std::string_view text, BlkioStats::Entry& entry) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return false;
    const auto major = parse_number<std::uint64_t>(text.substr(0, colon)),
               minor = parse_number<std::uint64_t>(text.substr(colon + 1));
    entry.major = major.value_or(0);
    entry.minor = minor.value_or(0);
    return major && minor;
}

}  // namespace

std::map<std::string, std::uint64_t> parse_flat(std::string_view text) {
    std::map<std::string, std::uint64_t> values;
    for (const auto line : split(text, '\n')) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos) continue;
        if (const auto value = parse_number<std::uint64_t>(trim(line.substr(blank))))
            values.emplace(line.substr(0, blank), *value);
    }
    return values;
}

std::uint64_t parse_amount(std::string_view text) {
    text = trim(text);
    return text == "max" ? std::numeric_limits<std::uint64_t>::max() : parse_number<std::uint64_t>(text).value_or(0);
}

Pressure parse_pressure(std::string_view text) {
    Pressure pressure;
    for (const auto line : split(text, '\n')) {
        const auto fields = words(line);
        if (fields.empty()) continue;
        auto& target = fields.front() == "full" ? pressure.full : pressure.some;
        each_pair(fields, [&](std::string_view key, std::string_view value) {
            if (key == "avg10") target.avg10.value = parse_share(value);
            if (key == "avg60") target.avg60.value = parse_share(value);
            if (key == "avg300") target.avg300.value = parse_share(value);
            if (key == "total") target.total = parse_number<std::uint64_t>(value).value_or(0);
        });
    }
    return pressure;
}

std::vector<std::uint16_t> parse_list(std::string_view text) {
    std::vector<std::uint16_t> numbers;
    for (const auto part : split(trim(text), ',')) {
        const auto dash = part.find('-');
        const auto first = parse_number<std::uint16_t>(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_number<std::uint16_t>(part.substr(dash + 1));
        if (!first || !last) continue;
        for (unsigned number = *first; number <= *last; ++number) numbers.push_back(static_cast<std::uint16_t>(number));
    }
    return numbers;
}

void parse_blkio(std::string_view text, std::vector<BlkioStats::Entry>& entries) {
    for (const auto line : split(text, '\n')) {
        const auto fields = words(line);
        BlkioStats::Entry entry;
        if (fields.size() < 2 || !parse_device(fields[0], entry)) continue;
        if (fields.size() > 2) entry.op = fields[1];
        entry.value = parse_number<std::uint64_t>(fields.back()).value_or(0);
        entries.push_back(std::move(entry));
    }
}

void parse_io_stat(std::string_view text, BlkioStats& stats) {
    const struct {
        std::string_view key, op;
        std::vector<BlkioStats::Entry>& entries;
    } columns[] = {{"rbytes", "Read", stats.service_bytes},    {"wbytes", "Write", stats.service_bytes},
                   {"dbytes", "Discard", stats.service_bytes}, {"rios", "Read", stats.serviced},
                   {"wios", "Write", stats.serviced},          {"dios", "Discard", stats.serviced}};
    for (const auto line : split(text, '\n')) {
        const auto fields = words(line);
        BlkioStats::Entry device;
        if (fields.empty() || !parse_device(fields[0], device)) continue;
        each_pair(fields, [&](std::string_view key, std::string_view value) {
            for (const auto& column : columns)
                if (column.key == key)
                    column.entries.push_back({device.major, device.minor, std::string(column.op),
                                              parse_number<std::uint64_t>(value).value_or(0)});
        });
    }
}

std::map<std::string, RdmaStats> parse_rdma(std::string_view text) {
    std::map<std::string, RdmaStats> devices;
    for (const auto line : split(text, '\n')) {
        const auto fields = words(line);
        if (fields.size() < 2) continue;
        auto& device = devices[std::string(fields[0])];
        each_pair(fields, [&](std::string_view key, std::string_view value) {
            if (key == "hca_handle") device.hca_handle = parse_amount(value);
            if (key == "hca_object") device.hca_object = parse_amount(value);
        });
    }
    return devices;
}

std::string page_size_of(std::string_view directory) {
    constexpr std::string_view prefix = "hugepages-", suffix = "kB";
    if (!directory.starts_with(prefix) || !directory.ends_with(suffix)) return {};
    directory.remove_prefix(prefix.size());
    directory.remove_suffix(suffix.size());
    const auto kilobytes = parse_number<std::uint64_t>(directory);
    if (!kilobytes) return {};
    std::uint64_t size = *kilobytes;
    const char* units[] = {"KB", "MB", "GB"};
    std::size_t unit = 0;
    for (; size >= 1024 && size % 1024 == 0 && unit + 1 < std::size(units); ++unit) size /= 1024;
    return format("{}{}", size, units[unit]);
}

}  // namespace gpurun::cgroup
