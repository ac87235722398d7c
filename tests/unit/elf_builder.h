#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Makes small shared libraries for tests: one segment, a dynamic section, strings, and notes where asked for.
namespace gpurun::test {

struct ElfRecipe {
    std::string soname;
    std::vector<std::string> needed;
    std::string note_section;  ///< Empty: no section headers.
    std::string note_owner, note;
};

namespace elf_detail {

template <typename Record>
void put(std::string& text, std::size_t offset, const Record& record) {
    std::memcpy(text.data() + offset, &record, sizeof record);
}

inline std::size_t align(std::string& text) {
    text.resize((text.size() + 7) & ~std::size_t{7});
    return text.size();
}

template <typename Section>
Section section(std::uint32_t name, std::uint32_t type, std::size_t offset, std::size_t size) {
    Section row{};
    row.sh_name = name;
    row.sh_type = type;
    row.sh_offset = static_cast<decltype(row.sh_offset)>(offset);
    row.sh_size = static_cast<decltype(row.sh_size)>(size);
    return row;
}

template <typename Header, typename Program, typename Dynamic, typename Section>
std::string build(const ElfRecipe& recipe, unsigned char elf_class, std::uint16_t machine) {
    using Word = decltype(Header::e_phoff);
    std::string strings(1, '\0');
    std::vector<Dynamic> dynamic;
    const auto row = [&](auto tag, std::size_t value) {
        Dynamic entry{};
        entry.d_tag = static_cast<decltype(entry.d_tag)>(tag);
        entry.d_un.d_val = static_cast<decltype(entry.d_un.d_val)>(value);
        dynamic.push_back(entry);
    };
    const auto string_row = [&](auto tag, const std::string& text) {
        row(tag, strings.size());
        strings.append(text).push_back('\0');
    };
    if (!recipe.soname.empty()) string_row(DT_SONAME, recipe.soname);
    for (const auto& name : recipe.needed) string_row(DT_NEEDED, name);

    std::string file(sizeof(Header) + 2 * sizeof(Program), '\0');
    const auto strings_at = file.size();
    file += strings;
    const auto dynamic_at = align(file);
    row(DT_STRTAB, strings_at);
    row(DT_STRSZ, strings.size());
    row(DT_NULL, 0);
    file.append(reinterpret_cast<const char*>(dynamic.data()), dynamic.size() * sizeof(Dynamic));

    Header header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = elf_class;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof(Header);
    header.e_phoff = sizeof(Header);
    header.e_phentsize = sizeof(Program);
    header.e_phnum = 2;
    if (!recipe.note_section.empty()) {
        const auto note_at = align(file);
        const Elf32_Nhdr note{static_cast<std::uint32_t>(recipe.note_owner.size() + 1),
                              static_cast<std::uint32_t>(recipe.note.size()), 1};
        file.append(reinterpret_cast<const char*>(&note), sizeof note);
        std::string name = recipe.note_owner + '\0';
        name.resize((name.size() + 3) & ~std::size_t{3});
        file += name + recipe.note;
        const auto note_size = file.size() - note_at;
        const auto names_at = align(file);
        const std::string names = std::string(1, '\0') + recipe.note_section + '\0';
        file += names;
        header.e_shoff = static_cast<Word>(align(file));
        header.e_shentsize = sizeof(Section);
        header.e_shnum = 3;
        header.e_shstrndx = 2;
        const Section rows[] = {Section{}, section<Section>(1, SHT_NOTE, note_at, note_size),
                                section<Section>(0, SHT_STRTAB, names_at, names.size())};
        file.append(reinterpret_cast<const char*>(rows), sizeof rows);
    }
    put(file, 0, header);
    Program load{};
    load.p_type = PT_LOAD;
    load.p_filesz = load.p_memsz = static_cast<Word>(file.size());
    put(file, sizeof(Header), load);
    Program dynamic_segment{};
    dynamic_segment.p_type = PT_DYNAMIC;
    dynamic_segment.p_offset = dynamic_segment.p_vaddr = static_cast<Word>(dynamic_at);
    dynamic_segment.p_filesz = dynamic_segment.p_memsz = static_cast<Word>(dynamic.size() * sizeof(Dynamic));
    put(file, sizeof(Header) + sizeof(Program), dynamic_segment);
    return file;
}

}  // namespace elf_detail

inline std::string make_elf64(const ElfRecipe& recipe, std::uint16_t machine = EM_X86_64) {
    return elf_detail::build<Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn, Elf64_Shdr>(recipe, ELFCLASS64, machine);
}

inline std::string make_elf32(const ElfRecipe& recipe, std::uint16_t machine = EM_386) {
    return elf_detail::build<Elf32_Ehdr, Elf32_Phdr, Elf32_Dyn, Elf32_Shdr>(recipe, ELFCLASS32, machine);
}

}  // namespace gpurun::test
