#include "cgroup/translate.h"

#include <gpurun/error.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace gpurun::cgroup {

std::vector<Write> translate(Layout layout, const spec::Resources& resources) {
    if (layout == Layout::v2) return translate_v2(resources);
    auto writes = translate_v1(resources);
    if (layout == Layout::hybrid)
        add_unified(writes, resources, true);
    else if (!resources.unified.empty())
        throw Error(format(
            "invalid configuration: linux.resources.unified.{}: this machine has cgroup v1 only; use memory, cpu, "
            "pids … instead",
            resources.unified.begin()->first));
    return writes;
}

bool comes_last(const Write& write) { return write.file == "cpu.idle" && write.value == "1"; }

void add_unified(std::vector<Write>& writes, const spec::Resources& resources, bool hybrid) {
    for (const auto& [file, value] : resources.unified) {
        const auto dot = file.find('.');
        if (dot == std::string::npos || dot == 0 || dot + 1 == file.size() ||
            file.find_first_of("/\n") != std::string::npos || file.find('\0') != std::string::npos)
            throw Error(format("linux.resources.unified: \"{}\" is not a cgroup file such as memory.max", file));
        for (const auto line : split(value, '\n'))
            if (!line.empty() || value.empty())
                writes.push_back(
                    {.controller = hybrid ? "unified" : file.substr(0, dot), .file = file, .value = std::string(line)});
    }
}

std::uint64_t weight_of_shares(std::uint64_t shares) {
    if (shares <= 2) return 1;
    if (shares >= 262144) return 10000;
    const double l = std::log2(static_cast<double>(shares));
    const double exponent = (l * l + 125 * l) / 612 - 7.0 / 34;
    // A hair less, so that 1024 gives 100 whatever the last bit of the sum is.
    return static_cast<std::uint64_t>(std::ceil(std::pow(10, exponent) - 1e-9));
}

std::uint64_t io_weight_of(std::uint64_t weight) { return 1 + (weight - 10) * 9999 / 990; }

std::optional<std::int64_t> swap_alone(std::optional<std::int64_t> swap, std::optional<std::int64_t> memory) {
    if (!is_set(swap)) return memory == -1 ? memory : std::nullopt;
    if (*swap == -1) return swap;
    if (!is_set(memory) || *memory < 0)
        throw Error(
            "linux.resources.memory.swap counts memory and swap together, so it needs linux.resources.memory.limit");
    require_sum(*swap, *memory);
    return *swap - *memory;
}

void require_sum(std::int64_t swap, std::int64_t memory) {
    if (swap == -1 || (memory != -1 && swap >= memory)) return;
    throw Error(
        format("linux.resources.memory.swap {} is below linux.resources.memory.limit {}; it counts both "
               "together, and -1 is no limit",
               swap, memory));
}

std::optional<std::uint64_t> swappiness_of(const spec::Memory& memory) {
    constexpr std::uint64_t most = 100, unset = std::numeric_limits<std::uint64_t>::max();
    if (!memory.swappiness || memory.swappiness == unset) return std::nullopt;
    if (*memory.swappiness > most)
        throw Error(format("linux.resources.memory.swappiness {}: it goes from 0 to 100", *memory.swappiness));
    return memory.swappiness;
}

void require_word(std::string_view text, std::string_view property) {
    const bool word =
        !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 0x7f; });
    if (!word) throw Error(format("{}: \"{}\" is not one word", property, text));
}

std::optional<std::uint64_t> checked_weight(std::optional<std::uint16_t> weight, std::string_view property) {
    if (!is_set(weight)) return std::nullopt;
    if (*weight < 10 || *weight > 1000)
        throw Error(format("linux.resources.blockIO.{} {}: weights are from 10 to 1000", property, *weight));
    return *weight;
}

void require_page_size(const std::string& size) {
    const auto digits = std::find_if(size.begin(), size.end(), [](char c) { return c < '0' || c > '9'; });
    const std::string unit(digits, size.end());
    if (digits == size.begin() || (unit != "KB" && unit != "MB" && unit != "GB"))
        throw Error(format(
            "linux.resources.hugepageLimits: page size \"{}\" is not spelled as the kernel does, such as 2MB or 1GB",
            size));
}

}  // namespace gpurun::cgroup
