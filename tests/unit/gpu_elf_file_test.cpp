#include "gpu/elf_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "elf_builder.h"
#include "sys/file.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

const test::ElfRecipe cuda{.soname = "libcuda.so.1",
                           .needed = {"libc.so.6", "libdl.so.2"},
                           .note_section = ".note.cuda.fwd_compatibility",
                           .note_owner = "NVIDIA Corporation",
                           .note = R"({"CUDA Version":"12.9"})"};

std::optional<std::string> note_of(const std::string& file) {
    return read_elf_note(ElfSource(file), cuda.note_section, cuda.note_owner);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_elf_file)

BOOST_AUTO_TEST_CASE(soname_needed_and_class_are_read_from_both_classes) {
    const std::string file64 = test::make_elf64(cuda), file32 = test::make_elf32(cuda);
    const auto wide = read_elf(ElfSource(file64)), narrow = read_elf(ElfSource(file32));
    BOOST_REQUIRE(wide.has_value());
    BOOST_REQUIRE(narrow.has_value());
    BOOST_TEST(wide->bits == 64);
    BOOST_TEST(narrow->bits == 32);
    BOOST_TEST(wide->soname == "libcuda.so.1");
    BOOST_TEST(narrow->soname == "libcuda.so.1");
    BOOST_TEST(wide->needed == cuda.needed, boost::test_tools::per_element());
    BOOST_TEST(loader_cache_flags(*wide).value() == 0x0303);
    BOOST_TEST(loader_cache_flags(*narrow).value() == 0x0003);
}

BOOST_AUTO_TEST_CASE(the_forward_compatibility_note_is_found_by_section_and_owner) {
    const std::string file = test::make_elf64(cuda);
    BOOST_TEST(note_of(file).value_or("") == cuda.note);
    BOOST_TEST(note_of(test::make_elf32(cuda)).value_or("") == cuda.note);
    BOOST_TEST(!read_elf_note(ElfSource(file), ".note.other", cuda.note_owner).has_value());
    BOOST_TEST(!read_elf_note(ElfSource(file), cuda.note_section, "GNU").has_value());
}

BOOST_AUTO_TEST_CASE(a_real_library_is_read_from_its_file) {
    const auto self = read_elf(ElfSource(sys::open("/proc/self/exe", O_RDONLY)));
    BOOST_REQUIRE(self.has_value());
    BOOST_TEST(self->needed.size() > 1u);
}

BOOST_AUTO_TEST_CASE(a_file_and_its_bytes_read_alike) {
    const test::TemporaryDirectory directory;
    const std::string bytes = test::make_elf64(cuda);
    const sys::Fd file = sys::open(directory.write("lib.so", bytes), O_RDONLY);
    BOOST_TEST(read_elf(ElfSource(file))->soname == "libcuda.so.1");
    BOOST_TEST(read_elf_note(ElfSource(file), cuda.note_section, cuda.note_owner).value_or("") == cuda.note);
}

BOOST_AUTO_TEST_CASE(what_is_no_elf_file_gives_nothing) {
    for (const std::string text : {"", "\177ELF", "#!/bin/sh\n", "INPUT(libcuda.so.1)"}) {
        BOOST_TEST(!read_elf(ElfSource(text)).has_value());
        BOOST_TEST(!note_of(text).has_value());
    }
    std::string big_endian = test::make_elf64(cuda);
    big_endian[EI_DATA] = ELFDATA2MSB;
    BOOST_TEST(!read_elf(ElfSource(big_endian)).has_value());
}

// Under the address sanitizer this also shows that no byte outside is touched.
BOOST_AUTO_TEST_CASE(truncated_and_corrupted_files_are_survived) {
    const std::string whole = test::make_elf64(cuda);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string cut = whole.substr(0, size);
        static_cast<void>(read_elf(ElfSource(cut)));
        BOOST_TEST(!note_of(cut).has_value());
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const char value : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
            std::string changed = whole;
            changed[at] = value;
            static_cast<void>(read_elf(ElfSource(changed)));
            static_cast<void>(note_of(changed));
        }
    }
    BOOST_TEST(!read_elf(ElfSource(whole.substr(0, 100))).has_value());
}

BOOST_AUTO_TEST_CASE(a_soname_without_an_end_is_refused) {
    test::ElfRecipe recipe;
    recipe.soname = std::string(5000, 'x');
    BOOST_TEST(!read_elf(ElfSource(test::make_elf64(recipe))).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
