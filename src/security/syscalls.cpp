#include "security/syscalls.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "spec/seccomp_names.h"

namespace gpurun::security {
namespace {

template <std::size_t Count>
struct Row {
    std::string_view name;
    std::int32_t numbers[Count];
    std::uint8_t parts[Count];
};

#include "syscall_table.inc"

constexpr std::size_t slot_count = 2048;  // A power of two, at least twice the rows.
static_assert(std::size(syscall_table) <= slot_count / 2);

// FNV-1a.
constexpr std::size_t slot_of(std::string_view name) {
    std::uint32_t hash = 2166136261;
    for (const char character : name) hash = (hash ^ static_cast<unsigned char>(character)) * 16777619;
    return (hash ^ hash >> 16) % slot_count;
}

// A row's number plus one in the first free slot from its name's on; a profile looks up a thousand names.
constexpr auto slots = [] {
    std::array<std::uint16_t, slot_count> made{};
    for (std::size_t row = 0; row < std::size(syscall_table); ++row) {
        std::size_t slot = slot_of(syscall_table[row].name);
        while (made[slot] != 0) slot = (slot + 1) % slot_count;
        made[slot] = static_cast<std::uint16_t>(row + 1);
    }
    return made;
}();

}  // namespace

std::span<const Architecture> architectures() noexcept { return architecture_table; }

bool is_architecture(std::string_view name) noexcept {
    return std::find(std::begin(spec::seccomp_architectures), std::end(spec::seccomp_architectures), name) !=
           std::end(spec::seccomp_architectures);
}

int find_syscall(std::string_view name) noexcept {
    for (std::size_t slot = slot_of(name); slots[slot] != 0; slot = (slot + 1) % slot_count)
        if (syscall_table[slots[slot] - 1].name == name) return slots[slot] - 1;
    return -1;
}

Call call_on(int row, std::size_t architecture) noexcept {
    const auto& found = syscall_table[row];
    return {.number = found.numbers[architecture], .part = found.parts[architecture]};
}

}  // namespace gpurun::security
