#include "security/syscalls.h"

#include <algorithm>
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

static_assert(std::is_sorted(std::begin(syscall_table), std::end(syscall_table),
                             [](const auto& left, const auto& right) { return left.name < right.name; }));

}  // namespace

std::span<const Architecture> architectures() noexcept { return architecture_table; }

bool is_architecture(std::string_view name) noexcept {
    return std::find(std::begin(spec::seccomp_architectures), std::end(spec::seccomp_architectures), name) !=
           std::end(spec::seccomp_architectures);
}

int find_syscall(std::string_view name) noexcept {
    const auto* const row =
        std::lower_bound(std::begin(syscall_table), std::end(syscall_table), name,
                         [](const auto& left, std::string_view right) { return left.name < right; });
    return row == std::end(syscall_table) || row->name != name ? -1 : static_cast<int>(row - std::begin(syscall_table));
}

Call call_on(int row, std::size_t architecture) noexcept {
    const auto& found = syscall_table[row];
    return {.number = found.numbers[architecture], .part = found.parts[architecture]};
}

}  // namespace gpurun::security
