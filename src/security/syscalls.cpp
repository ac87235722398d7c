#include "security/syscalls.h"

#include <gpurun/security.h>

#include <algorithm>
#include <iterator>

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

// config-linux.md#seccomp
constexpr std::string_view architecture_names[] = {
    "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64", "SCMP_ARCH_X32",       "SCMP_ARCH_ARM",     "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",        "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",    "SCMP_ARCH_PPC64",     "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",       "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",  "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",        "SCMP_ARCH_SH",     "SCMP_ARCH_SHEB",
};

}  // namespace

std::span<const Architecture> architectures() noexcept { return architecture_table; }

bool is_architecture(std::string_view name) noexcept {
    return std::find(std::begin(architecture_names), std::end(architecture_names), name) !=
           std::end(architecture_names);
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

std::vector<std::string> seccomp_architectures() {
    return {std::begin(architecture_names), std::end(architecture_names)};
}

}  // namespace gpurun::security
