#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"

/// What a shared library says about itself. Every offset is checked: the files come from the image as well as from the
/// host. Little endian only, which all GPU hosts are.
namespace gpurun::gpu {

/// Where a library's bytes are. A file is read by pread and not mapped: somebody may shorten a file of the image
/// meanwhile, and a mapping would answer that with SIGBUS.
class ElfSource {
 public:
    explicit ElfSource(sys::FdRef file) noexcept : file_(file) {}
    explicit ElfSource(std::string_view bytes) noexcept : bytes_(bytes) {}

    /// Copies \a size bytes at \a offset; false when the file ends before.
    bool read(std::uint64_t offset, void* to, std::size_t size) const noexcept;
    /// At most \a limit bytes from \a offset, fewer at the end.
    std::string read_up_to(std::uint64_t offset, std::size_t limit) const;

 private:
    sys::FdRef file_;
    std::string_view bytes_;
};

/// The facts of an ELF file that decide how a loader treats it.
struct Elf {
    int bits = 0;                     ///< 32 or 64.
    std::uint16_t machine = 0;        ///< EM_X86_64 = 62, EM_AARCH64 = 183, …
    std::uint16_t type = 0;           ///< ET_EXEC = 2, ET_DYN = 3.
    std::string soname;               ///< DT_SONAME; empty when there is none.
    std::vector<std::string> needed;  ///< DT_NEEDED, in order.
};

/// Nothing when \a source is no ELF file or contradicts itself.
std::optional<Elf> read_elf(const ElfSource& source);

/// The descriptor of the first note by \a owner in the section \a section, at most 64 KiB; nothing when there is none.
std::optional<std::string> read_elf_note(const ElfSource& source, std::string_view section, std::string_view owner);

/// The flags under which the loader's cache lists such a library (0x0303 for x86-64); nothing for machines without
/// NVIDIA drivers.
std::optional<std::int32_t> loader_cache_flags(const Elf& elf);

}  // namespace gpurun::gpu
