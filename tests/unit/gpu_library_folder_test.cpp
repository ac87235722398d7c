#include "gpu/library_folder.h"

#include <boost/test/unit_test.hpp>

#include "elf_builder.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

struct Host {
    test::TemporaryDirectory root;

    // A library of the host, bound to \a destination.
    spec::Mount library(const std::string& file, const std::string& soname, const std::string& destination) const {
        return {.destination = destination,
                .type = "bind",
                .source = root.write(file, test::make_elf64({.soname = soname})),
                .options = {"ro", "bind"}};
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpu_library_folder, Host)

BOOST_AUTO_TEST_CASE(sonames_and_links_are_listed_with_their_architecture) {
    const std::vector<spec::Mount> mounts{
        library("libcuda.so.580.1", "libcuda.so.1", "/lib/nv/libcuda.so.580.1"),
        library("libnvidia-tls.so.580.1", "libnvidia-tls.so.580.1", "/lib/nv/libnvidia-tls.so.580.1"),
        library("other.so", "other.so", "/lib/nv/other.so"),
        library("libfar.so.1", "libfar.so.1", "/elsewhere/libfar.so.1")};
    const std::vector<Link> links{{"/lib/nv/libcuda.so.1", "libcuda.so.580.1"},
                                  {"/lib/nv/libcuda.so", "libcuda.so.1"},
                                  {"/lib/nv/libgone.so", "libgone.so.1"}};
    const auto found = find_folder_libraries({"/lib/nv/", "/lib/nv"}, mounts, links);
    const std::vector<CacheEntry> expected{{"libcuda.so.1", "/lib/nv/libcuda.so.1", 0x0303},
                                           {"libnvidia-tls.so.580.1", "/lib/nv/libnvidia-tls.so.580.1", 0x0303},
                                           {"libcuda.so", "/lib/nv/libcuda.so", 0x0303}};
    BOOST_TEST((found.cache == expected));
    BOOST_TEST(found.links.empty());
}

BOOST_AUTO_TEST_CASE(a_soname_link_that_nobody_asked_for_is_made) {
    const auto found = find_folder_libraries(
        {"/lib/nv"}, {library("libcuda.so.580.1", "libcuda.so.1", "/lib/nv/libcuda.so.580.1")}, {});
    BOOST_TEST((found.links == std::vector<Link>{{"/lib/nv/libcuda.so.1", "libcuda.so.580.1"}}));
    BOOST_TEST(found.cache.size() == 1u);
}

BOOST_AUTO_TEST_CASE(nothing_is_made_in_a_directory_of_the_host) {
    root.write("wsl/lib/libdxcore.so", test::make_elf64({.soname = "libdxcore.so"}));
    root.write("wsl/lib/libcuda.so.1.1", test::make_elf64({.soname = "libcuda.so.1"}));
    const auto found = find_folder_libraries({"/usr/lib/wsl/lib"},
                                             {{.destination = "/usr/lib/wsl", .type = {}, .source = root / "wsl"}}, {});
    BOOST_TEST(found.links.empty());
    BOOST_TEST(found.cache.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_no_library_is_passed_over) {
    root.write("libtext.so", "INPUT(libc.so)");
    root.write("folder/x", "");
    const auto found =
        find_folder_libraries({"/l"},
                              {{.destination = "/l/libtext.so", .type = {}, .source = root / "libtext.so"},
                               {.destination = "/l/libdir.so", .type = {}, .source = root / "folder"},
                               {.destination = "/l/libgone.so", .type = {}, .source = root / "gone"},
                               {.destination = "/l/libtmp.so", .type = "tmpfs", .source = "tmpfs"}},
                              {{"/l/liba.so", "libb.so"}, {"/l/libb.so", "liba.so"}});
    BOOST_TEST(found.cache.empty());
}

BOOST_AUTO_TEST_SUITE_END()
