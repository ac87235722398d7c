#include "gpu/loader_cache.h"

#include <gpurun/gpu.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "elf_builder.h"
#include "sys/file.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

constexpr std::int32_t x86_64 = 0x0303, i386 = 0x0003;

// Runs a command and returns what it printed; an empty text when it failed.
std::string output_of(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return {};
    std::string text;
    char block[4096];
    while (const auto got = ::fread(block, 1, sizeof block, pipe)) text.append(block, got);
    return ::pclose(pipe) == 0 ? text : std::string();
}

std::string ldconfig() { return sys::exists("/sbin/ldconfig.real") ? "/sbin/ldconfig.real" : "/sbin/ldconfig"; }

// The file that ldconfig itself makes of libraries with these names.
std::string cache_by_ldconfig(const test::TemporaryDirectory& directory, const std::vector<std::string>& names,
                              const std::string& format = "new") {
    for (const auto& name : names) directory.write("lib/" + name, test::make_elf64({.soname = name}), 0755);
    const std::string file = directory / "made-by-ldconfig";
    output_of(ldconfig() + " -X -c " + format + " -f /dev/null -C " + file + " " + directory / "lib" + " 2>&1");
    return sys::read_file(file);
}

std::vector<std::string> names_of(const LoaderCache& cache) {
    std::vector<std::string> names;
    for (const auto& row : cache.rows) names.emplace_back(row.soname);
    return names;
}

template <typename Number>
void put(std::string& text, std::size_t offset, Number number) {
    std::memcpy(text.data() + offset, &number, sizeof number);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_loader_cache)

BOOST_AUTO_TEST_CASE(digits_compare_as_numbers_and_stand_behind_other_characters) {
    BOOST_TEST(compare_sonames("libx.so.10", "libx.so.9") > 0);
    BOOST_TEST(compare_sonames("libx.so.9", "libx.so.10") < 0);
    BOOST_TEST(compare_sonames("lib1", "liba") > 0);
    BOOST_TEST(compare_sonames("lib", "liba") < 0);
    BOOST_TEST(compare_sonames("lib", "lib1") < 0);
    BOOST_TEST(compare_sonames("libx.so.1", "libx.so.1") == 0);
    BOOST_TEST(compare_sonames("lib99999999999999999999a", "lib99999999999999999998b") < 0);
}

BOOST_AUTO_TEST_CASE(a_cache_of_ldconfig_is_rewritten_in_its_own_order) {
    const test::TemporaryDirectory directory;
    const std::string text = cache_by_ldconfig(
        directory, {"libb.so.1", "libb.so.2", "libb.so.10", "lib-b.so.1", "lib9.so", "lib10.so", "liba_1.so",
                    "libaa.so.1", "libA.so.3", "libnvidia-ml.so.1", "libnvidia10.so.1", "libnvidia9.so.1"});
    const auto before = parse_loader_cache(text);
    BOOST_REQUIRE(before.has_value());
    BOOST_TEST(before->rows.size() >= 12u);
    const std::string rewritten = merge_loader_cache(text, {});
    const auto after = parse_loader_cache(rewritten);
    BOOST_REQUIRE(after.has_value());
    BOOST_TEST(names_of(*after) == names_of(*before), boost::test_tools::per_element());
    for (std::size_t index = 0; index < before->rows.size(); ++index) {
        BOOST_TEST(after->rows[index].path == before->rows[index].path);
        BOOST_TEST(after->rows[index].capabilities == before->rows[index].capabilities);
    }
    BOOST_TEST(after->generator == before->generator);
}

BOOST_AUTO_TEST_CASE(ldconfig_lists_what_was_merged) {
    const test::TemporaryDirectory directory;
    const std::string file =
        directory.write("cache", merge_loader_cache(cache_by_ldconfig(directory, {"libz.so.1", "libcuda.so.1"}),
                                                    {{"libcuda.so.1", "/driver/libcuda.so.1", x86_64},
                                                     {"libnvidia-ml.so.1", "/driver/libnvidia-ml.so.1", x86_64}}));
    const std::string listed = output_of(ldconfig() + " -p -C " + file);
    BOOST_TEST_CONTEXT(listed) {
        BOOST_TEST(listed.find("libcuda.so.1 (libc6,x86-64) => /driver/libcuda.so.1") != std::string::npos);
        BOOST_TEST(listed.find("libnvidia-ml.so.1 (libc6,x86-64) => /driver/libnvidia-ml.so.1") != std::string::npos);
        BOOST_TEST(listed.find("lib/libcuda.so.1") == std::string::npos);
        BOOST_TEST(listed.find("lib/libz.so.1") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_cache_with_only_our_entries_is_valid) {
    const test::TemporaryDirectory directory;
    const std::string file =
        directory.write("cache", merge_loader_cache("", {{"libcuda.so.1", "/d/libcuda.so.1", x86_64}}));
    BOOST_TEST(output_of(ldconfig() + " -p -C " + file).find("1 libs found") == 0u);
}

BOOST_AUTO_TEST_CASE(only_the_same_architecture_is_displaced_and_our_first_entry_wins) {
    const std::string image =
        merge_loader_cache("", {{"libcuda.so.1", "/image/64", x86_64}, {"libcuda.so.1", "/image/32", i386}});
    const std::string merged =
        merge_loader_cache(image, {{"libcuda.so.1", "/compat", x86_64}, {"libcuda.so.1", "/driver", x86_64}});
    const auto cache = parse_loader_cache(merged);
    BOOST_REQUIRE(cache.has_value());
    BOOST_TEST(cache->rows.size() == 2u);
    BOOST_TEST(cache->find("libcuda.so.1", x86_64)->path == "/compat");
    BOOST_TEST(cache->find("libcuda.so.1", i386)->path == "/image/32");
    BOOST_TEST(cache->find("libcuda.so.2", i386) == nullptr);
}

BOOST_AUTO_TEST_CASE(both_older_layouts_are_read) {
    const test::TemporaryDirectory directory;
    for (const std::string layout : {"old", "compat"}) {
        BOOST_TEST_CONTEXT(layout) {
            const std::string text = cache_by_ldconfig(directory, {"libz.so.1", "libq.so.2"}, layout);
            BOOST_TEST(text.starts_with("ld.so-1.7.0"));
            const auto cache = parse_loader_cache(text);
            BOOST_REQUIRE(cache.has_value());
            const auto names = names_of(*cache);
            BOOST_TEST((std::find(names.begin(), names.end(), "libz.so.1") != names.end()));
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_for_newer_processors_keep_their_names) {
    const test::TemporaryDirectory directory;
    directory.write("lib/glibc-hwcaps/x86-64-v3/libz.so.1", test::make_elf64({.soname = "libz.so.1"}), 0755);
    const std::string behind_older = cache_by_ldconfig(directory, {"libz.so.1"}, "compat");
    BOOST_TEST(parse_loader_cache(behind_older)->capability_names.size() == 1u);
    const std::string merged = merge_loader_cache(behind_older, {{"libcuda.so.1", "/d", x86_64}});
    const auto cache = parse_loader_cache(merged);
    BOOST_REQUIRE(cache.has_value());
    BOOST_REQUIRE(cache->capability_names.size() == 1u);
    BOOST_TEST(cache->capability_names[0] == "x86-64-v3");
    BOOST_TEST(cache->find("libz.so.1", x86_64)->path.find("x86-64-v3") != std::string_view::npos);
    const std::string listed = output_of(ldconfig() + " -p -C " + directory.write("merged", merged));
    BOOST_TEST_CONTEXT(listed) { BOOST_TEST(listed.find("hwcap: \"x86-64-v3\"") != std::string::npos); }
    // Ours must win over those too.
    const auto displaced = merge_loader_cache(merged, {{"libz.so.1", "/ours", x86_64}});
    BOOST_TEST(parse_loader_cache(displaced)->find("libz.so.1", x86_64)->path == "/ours");
    BOOST_TEST(displaced.find("glibc-hwcaps/x86-64-v3/libz") == std::string::npos);
}

// The real loader looks a name up by bisection, so this fails when the order is wrong.
BOOST_AUTO_TEST_CASE(the_real_loader_finds_a_merged_library_in_an_odd_directory) {
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: binding over /etc/ld.so.cache in a mount namespace needs root");
        return;
    }
    const test::TemporaryDirectory directory;
    const std::string host = sys::read_file("/etc/ld.so.cache");
    const auto cache = parse_loader_cache(host);
    BOOST_REQUIRE(cache.has_value());
    const auto libc = cache->find("libc.so.6", x86_64);
    BOOST_REQUIRE(libc != nullptr);
    // A copy under a name that only the cache can tell: sleep needs nothing but libc, so preloading shows the look-up.
    directory.write("odd/libgpurun-odd10.so.1", test::make_elf64({.soname = "libgpurun-odd10.so.1"}), 0755);
    const std::string file = directory.write(
        "cache", merge_loader_cache(host, {{"libgpurun-odd10.so.1", directory / "odd/libgpurun-odd10.so.1", x86_64},
                                           {"libgpurun-odd9.so.1", "/nowhere/libgpurun-odd9.so.1", x86_64}}));
    const std::string trace =
        output_of("unshare -m sh -c 'mount --bind " + file +
                  " /etc/ld.so.cache && env -u LD_PRELOAD LD_DEBUG=libs LD_PRELOAD=libgpurun-odd10.so.1 "
                  "/bin/true' 2>&1; true");
    BOOST_TEST_CONTEXT(trace) {
        BOOST_TEST(trace.find("trying file=" + directory / "odd/libgpurun-odd10.so.1") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_cache_counts_as_empty) {
    const std::string ours = merge_loader_cache("", {{"liba.so", "/liba.so", x86_64}});
    for (const std::string& text : {std::string("x"), std::string("ld.so-1.7.0"), std::string(9u << 20, 'a'),
                                    "glibc-ld.so.cache1.1" + std::string(10, '\0')})
        BOOST_TEST(merge_loader_cache(text, {{"liba.so", "/liba.so", x86_64}}) == ours);
}

// CVE-2025-23267 class: the image's cache is the attacker's. Under the address sanitizer nothing outside may be
// touched.
BOOST_AUTO_TEST_CASE(truncated_and_corrupted_caches_are_survived) {
    const test::TemporaryDirectory directory;
    directory.write("lib/glibc-hwcaps/x86-64-v3/libz.so.1", test::make_elf64({.soname = "libz.so.1"}), 0755);
    const std::string real = cache_by_ldconfig(directory, {"libz.so.1"});
    // The rows of the default directories are many; what is wanted is a small file with every part.
    auto small = parse_loader_cache(real).value();
    std::erase_if(small.rows, [](const auto& row) { return row.soname != "libz.so.1"; });
    const std::string whole = write_loader_cache(small);
    for (std::size_t size = 0; size < whole.size(); ++size)
        static_cast<void>(parse_loader_cache(whole.substr(0, size)));
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const char value : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
            std::string changed = whole;
            changed[at] = value;
            static_cast<void>(merge_loader_cache(changed, {{"liba.so", "/liba.so", x86_64}}));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_cache_whose_rows_share_one_long_string_is_refused) {
    // 100000 rows, all with the same 4000 bytes: 400 MB of comparing if it were believed.
    std::string text = merge_loader_cache("", {{"a", "/a", x86_64}});
    const std::uint32_t count = 100000;
    const std::uint32_t string_at = 48 + 24 * count;
    text.resize(48);
    put(text, 20, count);
    text.resize(string_at);
    for (std::uint32_t row = 0; row < count; ++row) {
        put(text, 48 + 24 * row, x86_64);
        put(text, 48 + 24 * row + 4, string_at);
        put(text, 48 + 24 * row + 8, string_at);
    }
    text += std::string(4000, 'b') + '\0';
    BOOST_TEST(!parse_loader_cache(text).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
