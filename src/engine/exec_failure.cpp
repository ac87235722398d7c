#include "engine/exec_failure.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::engine {
namespace {

// Where loaders are named: the program headers follow the header in every linker's output.
constexpr std::size_t head_size = 4096;

#if defined(__x86_64__)
constexpr unsigned own_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned own_machine = EM_AARCH64;
#else
constexpr unsigned own_machine = EM_NONE;
#endif

// The structure at \a offset, if the text reaches that far.
template <typename T>
bool copy_at(std::string_view text, std::size_t offset, T& to) {
    if (offset > text.size() || text.size() - offset < sizeof to) return false;
    std::memcpy(&to, text.data() + offset, sizeof to);
    return true;
}

// PT_INTERP of a 64-bit ELF file; empty when there is none.
std::string loader_of(std::string_view head) {
    Elf64_Ehdr header{};
    if (!copy_at(head, 0, header) || header.e_ident[EI_CLASS] != ELFCLASS64) return {};
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        if (!copy_at(head, header.e_phoff + i * sizeof segment, segment)) return {};
        if (segment.p_type != PT_INTERP || segment.p_offset >= head.size()) continue;
        const std::string_view name = head.substr(segment.p_offset, segment.p_filesz);
        return std::string(name.substr(0, name.find('\0')));
    }
    return {};
}

std::string why_not_found(std::string_view head) {
    std::string interpreter;
    if (head.starts_with("#!")) {
        const std::string_view line = head.substr(2, head.find('\n') - 2);
        if (line.ends_with('\r')) return "its first line ends with a carriage return, as on Windows";
        if (const auto parts = words(line); !parts.empty()) interpreter = parts.front();
    } else {
        interpreter = loader_of(head);
    }
    if (interpreter.empty() || sys::exists(interpreter)) return {};
    return format("its interpreter {} is not in the container", interpreter);
}

std::string why_not_a_program(std::string_view head) {
    if (head.empty()) return "the file is empty";
    if (!head.starts_with(ELFMAG)) return head.starts_with("#!") ? "" : "it is neither an ELF file nor begins with #!";
    Elf32_Ehdr header{};  // Up to e_machine the same for 64 bits.
    if (!copy_at(head, 0, header)) return "the file is cut short";
    if (own_machine == EM_NONE || header.e_machine == own_machine) return {};
    return format("it is made for another machine: ELF machine {}, this is {}", header.e_machine, own_machine);
}

}  // namespace

std::string why_not_executed(const std::string& program, int errno_value) {
    if (errno_value != ENOENT && errno_value != ENOEXEC) return {};
    const sys::Fd file = sys::try_open(program, O_RDONLY);
    if (!file) return {};
    std::string head(head_size, '\0');
    const auto length = ::pread(file.get(), head.data(), head.size(), 0);
    if (length < 0) return {};
    head.resize(static_cast<std::size_t>(length));
    return errno_value == ENOENT ? why_not_found(head) : why_not_a_program(head);
}

}  // namespace gpurun::engine
