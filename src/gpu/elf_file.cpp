#include "gpu/elf_file.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace gpurun::gpu {
namespace {

static_assert(std::endian::native == std::endian::little);

// More than any real library has; what a hostile file claims beyond is not looked at.
constexpr std::size_t max_headers = 4096;
constexpr std::size_t max_dynamic = 16384;
constexpr std::size_t max_needed = 256;
constexpr std::size_t max_name = 4096;
constexpr std::size_t max_note_section = 64u << 10;

struct Class32 {
    static constexpr int bits = 32;
    using Header = Elf32_Ehdr;
    using Program = Elf32_Phdr;
    using Section = Elf32_Shdr;
    using Dynamic = Elf32_Dyn;
};

struct Class64 {
    static constexpr int bits = 64;
    using Header = Elf64_Ehdr;
    using Program = Elf64_Phdr;
    using Section = Elf64_Shdr;
    using Dynamic = Elf64_Dyn;
};

template <typename Row>
std::optional<std::vector<Row>> read_table(const ElfSource& source, std::uint64_t offset, std::size_t count) {
    std::vector<Row> rows(count);
    if (!source.read(offset, rows.data(), count * sizeof(Row))) return std::nullopt;
    return rows;
}

// The NUL-terminated string at \a offset; nothing when it has no end within max_name bytes or goes past \a end.
std::optional<std::string> read_string(const ElfSource& source, std::uint64_t offset, std::uint64_t end) {
    if (offset >= end) return std::nullopt;
    std::string text;
    // Names are short: a first small read nearly always holds all of it.
    for (const std::size_t limit : {std::size_t{128}, max_name}) {
        text = source.read_up_to(offset, std::min<std::uint64_t>(limit, end - offset));
        if (const auto stop = text.find('\0'); stop != std::string::npos) return text.substr(0, stop);
    }
    return std::nullopt;
}

// The place in the file of an address in memory, and how many bytes of the segment follow.
struct Place {
    std::uint64_t offset, available;
};

template <typename Program>
std::optional<Place> place_of(const std::vector<Program>& programs, std::uint64_t address) {
    for (const auto& program : programs) {
        if (program.p_type != PT_LOAD || address < program.p_vaddr) continue;
        const std::uint64_t inside = address - program.p_vaddr;
        if (inside >= program.p_filesz) continue;
        if (program.p_offset > UINT64_MAX - inside) return std::nullopt;
        return Place{program.p_offset + inside, program.p_filesz - inside};
    }
    return std::nullopt;
}

template <typename Class>
bool read_dynamic(const ElfSource& source, const std::vector<typename Class::Program>& programs, Elf& elf) {
    const auto dynamic =
        std::find_if(programs.begin(), programs.end(), [](const auto& row) { return row.p_type == PT_DYNAMIC; });
    if (dynamic == programs.end()) return true;
    const std::size_t count = std::min<std::uint64_t>(dynamic->p_filesz / sizeof(typename Class::Dynamic), max_dynamic);
    const auto rows = read_table<typename Class::Dynamic>(source, dynamic->p_offset, count);
    if (!rows) return false;

    std::uint64_t strings = 0, strings_size = 0;
    std::optional<std::uint64_t> soname;
    std::vector<std::uint64_t> needed;
    for (const auto& row : *rows) {
        if (row.d_tag == DT_NULL) break;
        if (row.d_tag == DT_STRTAB) strings = row.d_un.d_ptr;
        if (row.d_tag == DT_STRSZ) strings_size = row.d_un.d_val;
        if (row.d_tag == DT_SONAME) soname = row.d_un.d_val;
        if (row.d_tag == DT_NEEDED && needed.size() < max_needed) needed.push_back(row.d_un.d_val);
    }
    if (!soname && needed.empty()) return true;
    const auto table = place_of(programs, strings);
    if (!table) return false;
    const std::uint64_t size = std::min(strings_size, table->available);
    if (table->offset > UINT64_MAX - size) return false;
    const auto name = [&](std::uint64_t at) -> std::optional<std::string> {
        if (at >= size) return std::nullopt;
        return read_string(source, table->offset + at, table->offset + size);
    };
    if (soname) {
        const auto text = name(*soname);
        if (!text) return false;
        elf.soname = *text;
    }
    for (const auto at : needed) {
        auto text = name(at);
        if (!text) return false;
        elf.needed.push_back(std::move(*text));
    }
    return true;
}

template <typename Class>
std::optional<Elf> read_class(const ElfSource& source) {
    typename Class::Header header{};
    if (!source.read(0, &header, sizeof header)) return std::nullopt;
    Elf elf{.bits = Class::bits, .machine = header.e_machine, .type = header.e_type, .soname = {}, .needed = {}};
    if (header.e_phnum == 0) return elf;
    if (header.e_phentsize != sizeof(typename Class::Program) || header.e_phnum > max_headers) return std::nullopt;
    const auto programs = read_table<typename Class::Program>(source, header.e_phoff, header.e_phnum);
    if (!programs || !read_dynamic<Class>(source, *programs, elf)) return std::nullopt;
    return elf;
}

// The descriptor by \a owner among the notes of a section's \a bytes.
std::optional<std::string> find_note(std::string_view bytes, std::string_view owner) {
    const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    while (bytes.size() >= sizeof(Elf32_Nhdr)) {
        Elf32_Nhdr header;
        std::memcpy(&header, bytes.data(), sizeof header);
        bytes.remove_prefix(sizeof header);
        const std::uint64_t name_size = header.n_namesz, content_size = header.n_descsz;
        if (padded(name_size) > bytes.size()) return std::nullopt;
        std::string_view name = bytes.substr(0, name_size);
        bytes.remove_prefix(padded(name_size));
        if (content_size > bytes.size()) return std::nullopt;
        while (name.ends_with('\0')) name.remove_suffix(1);
        if (name == owner) return std::string(bytes.substr(0, content_size));
        bytes.remove_prefix(std::min<std::uint64_t>(padded(content_size), bytes.size()));
    }
    return std::nullopt;
}

template <typename Class>
std::optional<std::string> read_note(const ElfSource& source, std::string_view section, std::string_view owner) {
    using Section = typename Class::Section;
    typename Class::Header header{};
    if (!source.read(0, &header, sizeof header) || header.e_shoff == 0) return std::nullopt;
    if (header.e_shentsize != sizeof(Section) || header.e_shnum > max_headers || header.e_shstrndx >= header.e_shnum)
        return std::nullopt;
    const auto sections = read_table<Section>(source, header.e_shoff, header.e_shnum);
    if (!sections) return std::nullopt;
    const auto& names = (*sections)[header.e_shstrndx];
    const std::uint64_t names_offset = names.sh_offset, names_size = names.sh_size;
    if (names_offset > UINT64_MAX - names_size) return std::nullopt;
    for (const auto& row : *sections) {
        if (row.sh_type != SHT_NOTE || row.sh_name >= names_size || row.sh_size > max_note_section) continue;
        const auto name = read_string(source, names_offset + row.sh_name, names_offset + names_size);
        if (!name || *name != section) continue;
        const std::string bytes = source.read_up_to(row.sh_offset, row.sh_size);
        if (auto note = find_note(bytes, owner)) return note;
    }
    return std::nullopt;
}

// ELFCLASS32 or ELFCLASS64 of a little-endian ELF file, else 0.
int class_of(const ElfSource& source) {
    unsigned char identity[EI_NIDENT] = {};
    if (!source.read(0, identity, sizeof identity) || std::memcmp(identity, ELFMAG, SELFMAG) != 0) return ELFCLASSNONE;
    if (identity[EI_DATA] != ELFDATA2LSB || identity[EI_VERSION] != EV_CURRENT) return ELFCLASSNONE;
    return identity[EI_CLASS];
}

}  // namespace

bool ElfSource::read(std::uint64_t offset, void* to, std::size_t size) const noexcept {
    if (!file_) {
        if (offset > bytes_.size() || size > bytes_.size() - offset) return false;
        if (size != 0) std::memcpy(to, bytes_.data() + offset, size);
        return true;
    }
    char* next = static_cast<char*>(to);
    while (size > 0) {
        if (offset > INT64_MAX) return false;
        const auto got = ::pread(file_.get(), next, size, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        next += got;
        offset += static_cast<std::uint64_t>(got);
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

std::string ElfSource::read_up_to(std::uint64_t offset, std::size_t limit) const {
    if (!file_) return offset < bytes_.size() ? std::string(bytes_.substr(offset, limit)) : std::string();
    std::string text(limit, '\0');
    std::size_t used = 0;
    while (used < limit && offset + used <= INT64_MAX) {
        const auto got = ::pread(file_.get(), text.data() + used, limit - used, static_cast<off_t>(offset + used));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return text;
}

std::optional<Elf> read_elf(const ElfSource& source) {
    switch (class_of(source)) {
        case ELFCLASS32: return read_class<Class32>(source);
        case ELFCLASS64: return read_class<Class64>(source);
        default: return std::nullopt;
    }
}

std::optional<std::string> read_elf_note(const ElfSource& source, std::string_view section, std::string_view owner) {
    switch (class_of(source)) {
        case ELFCLASS32: return read_note<Class32>(source, section, owner);
        case ELFCLASS64: return read_note<Class64>(source, section, owner);
        default: return std::nullopt;
    }
}

std::optional<std::int32_t> loader_cache_flags(const Elf& elf) {
    struct Row {
        std::uint16_t machine;
        int bits;
        std::int32_t flags;
    };
    // The low byte is "ELF, libc 6", the next the ABI (glibc's FLAG_X8664_LIB64 and friends).
    static constexpr Row rows[] = {{EM_X86_64, 64, 0x0303},  {EM_386, 32, 0x0003}, {EM_X86_64, 32, 0x0803},
                                   {EM_AARCH64, 64, 0x0a03}, {EM_ARM, 32, 0x0903}, {EM_PPC64, 64, 0x0503},
                                   {EM_RISCV, 64, 0x1003}};
    for (const auto& row : rows)
        if (row.machine == elf.machine && row.bits == elf.bits) return row.flags;
    return std::nullopt;
}

}  // namespace gpurun::gpu
