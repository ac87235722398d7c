#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// The system calls of the architectures this machine's kernel can run, as libseccomp knows them; the table is made at
/// build time.
namespace gpurun::security {

/// An ABI. Several share an audit architecture: x32 is x86-64 with `base` added to the numbers.
struct Architecture {
    std::string_view name;    ///< "SCMP_ARCH_X86_64"
    std::uint32_t audit;      ///< AUDIT_ARCH_… in seccomp_data.
    std::uint32_t base;       ///< The first number.
    bool wide;                ///< Arguments have 64 bits; else only the low half is looked at.
    std::int32_t socketcall;  ///< Number of the multiplexer; negative: none.
    std::int32_t ipc;
};

/// What a name means on one architecture; both may hold (i386's socket is 359 and part 1 of socketcall).
struct Call {
    std::int32_t number;  ///< -1: there is no such system call of its own.
    std::uint8_t part;    ///< 100 + n: part n of socketcall(2), 200 + n: of ipc(2); 0: not multiplexed.
};

/// All architectures of this build; the first is the native one.
std::span<const Architecture> architectures() noexcept;

/// True for every architecture name of the spec, also those that this machine's kernel never reports.
bool is_architecture(std::string_view name) noexcept;

/// The row of the system call \a name, -1 when it is unknown on all architectures.
int find_syscall(std::string_view name) noexcept;

/// What row \a row is on architecture number \a architecture.
Call call_on(int row, std::size_t architecture) noexcept;

}  // namespace gpurun::security
