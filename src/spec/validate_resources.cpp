#include <algorithm>
#include <limits>

#include "spec/invalid.h"

namespace gpurun::spec {
namespace {

constexpr std::int64_t unlimited = -1;

void check_device_rule(const DeviceRule& rule, const std::string& at) {
    const auto is_wrong = [](const std::optional<std::int64_t>& number) { return number && *number < unlimited; };
    if (!rule.type.empty() && rule.type != "a" && rule.type != "b" && rule.type != "c")
        throw Invalid(at + ".type", format("expected one of a, b, c, got \"{}\"", rule.type));
    // 'a' is the kernel's word for all types, which runc's users have written here for years; it grants nothing.
    if (rule.access.find_first_not_of("rwma") != std::string::npos)
        throw Invalid(at + ".access", format("expected some of rwm, got \"{}\"", rule.access));
    if (is_wrong(rule.major) || is_wrong(rule.minor))
        throw Invalid(at, "expected device numbers from 0, or -1 for all");
}

struct MemoryLimit {
    std::string_view name;
    std::optional<std::int64_t> Memory::*value;
};
constexpr MemoryLimit memory_limits[] = {
    {"limit", &Memory::limit},   {"reservation", &Memory::reservation}, {"swap", &Memory::swap},
    {"kernel", &Memory::kernel}, {"kernelTCP", &Memory::kernel_tcp},
};

void check_memory(const Memory& memory, const std::string& at) {
    constexpr std::uint64_t most_swappy = 100;
    // -1 that has been through an unsigned number: engines' way to say "not set".
    constexpr auto unset = std::numeric_limits<std::uint64_t>::max();
    for (const auto& [name, value] : memory_limits)
        if (memory.*value && *(memory.*value) < unlimited)
            throw Invalid(below(at, name),
                          format("expected a number of bytes, or -1 for no limit, got {}", *(memory.*value)));
    if (memory.swappiness && *memory.swappiness > most_swappy && *memory.swappiness != unset)
        throw Invalid(below(at, "swappiness"), format("expected 0 to {}, got {}", most_swappy, *memory.swappiness));
}

void check_cpu(const Cpu& cpu, const std::string& at) {
    if (cpu.idle && *cpu.idle != 0 && *cpu.idle != 1)
        throw Invalid(below(at, "idle"), format("expected 0 or 1, got {}", *cpu.idle));
    require_one_line(cpu.cpus, below(at, "cpus"));
    require_one_line(cpu.mems, below(at, "mems"));
}

void check_weight(const std::optional<std::uint16_t>& weight, const std::string& at) {
    constexpr std::uint16_t lowest = 10, highest = 1000;
    // 0 is what engines write for "not set".
    if (weight && *weight != 0 && (*weight < lowest || *weight > highest))
        throw Invalid(at, format("expected {} to {}, got {}", lowest, highest, *weight));
}

void check_block_io(const BlockIo& io, const std::string& at) {
    check_weight(io.weight, below(at, "weight"));
    check_weight(io.leaf_weight, below(at, "leafWeight"));
    for (std::size_t place = 0; place < io.weight_device.size(); ++place) {
        const WeightDevice& device = io.weight_device[place];
        const std::string here = format("{}[{}]", below(at, "weightDevice"), place);
        if (!device.weight && !device.leaf_weight) throw Invalid(here, "expected weight or leafWeight, got neither");
        check_weight(device.weight, below(here, "weight"));
        check_weight(device.leaf_weight, below(here, "leafWeight"));
        if (device.major < 0 || device.minor < 0) throw Invalid(here, "expected device numbers from 0");
    }
}

/// "2MB": a number that does not begin with 0, and the unit as the kernel's file names have it.
bool is_page_size(std::string_view text) {
    if (!text.ends_with("KB") && !text.ends_with("MB") && !text.ends_with("GB")) return false;
    text.remove_suffix(2);
    return !text.empty() && text[0] != '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
}

void check_unified(const std::map<std::string, std::string>& unified, const std::string& at) {
    for (const auto& entry : unified) {
        const std::string& file = entry.first;
        if (file.find('/') != std::string::npos)
            throw Invalid(at, format("unified resource \"{}\" must be a file name (no slashes)", file));
        const auto dot = file.find('.');
        if (dot == std::string::npos || dot == 0 || dot + 1 == file.size())
            throw Invalid(at, format("the specified key has not the form CONTROLLER.VALUE `{}`", file));
    }
}

}  // namespace

void check_resources(const Resources& resources, const std::string& at) {
    for (std::size_t place = 0; place < resources.devices.size(); ++place)
        check_device_rule(resources.devices[place], format("{}[{}]", below(at, "devices"), place));
    if (resources.memory) check_memory(*resources.memory, below(at, "memory"));
    if (resources.cpu) check_cpu(*resources.cpu, below(at, "cpu"));
    if (resources.block_io) check_block_io(*resources.block_io, below(at, "blockIO"));
    for (std::size_t place = 0; place < resources.hugepage_limits.size(); ++place)
        if (!is_page_size(resources.hugepage_limits[place].page_size))
            throw Invalid(format("{}[{}].pageSize", below(at, "hugepageLimits"), place),
                          format("expected a size such as \"2MB\" or \"1GB\", got \"{}\"",
                                 resources.hugepage_limits[place].page_size));
    if (resources.network)
        for (std::size_t place = 0; place < resources.network->priorities.size(); ++place)
            if (const auto& name = resources.network->priorities[place].name;
                words(name).size() != 1 || words(name)[0] != name)
                throw Invalid(format("{}[{}].name", below(at, "network.priorities"), place),
                              format("expected the name of a network interface, got \"{}\"", name));
    for (const auto& [device, limits] : resources.rdma)
        if (!limits.hca_handles && !limits.hca_objects)
            throw Invalid(format("{}[{}]", below(at, "rdma"), device),
                          "expected hcaHandles or hcaObjects, got neither");
    check_unified(resources.unified, below(at, "unified"));
}

}  // namespace gpurun::spec
