#include "gpu/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "gpu/native.h"
#include "gpu/native_files.h"
#include "sys/file.h"

using namespace gpurun;
using gpu::Image;

namespace {

// An image and, beside it, files of the host that it must not reach.
struct Fixture {
    std::string folder;
    sys::Fd root;

    Fixture() {
        char name[] = "/tmp/gpurun-image-XXXXXX";
        folder = ::mkdtemp(name);
        sys::make_directories(folder + "/image");
        sys::make_directories(folder + "/host");
        root = sys::open(folder + "/image", O_PATH | O_DIRECTORY);
    }
    ~Fixture() { static_cast<void>(::system(("rm -rf " + folder).c_str())); }

    void file(const std::string& path, const std::string& text = "x") const {
        const std::string whole = folder + path;
        sys::make_directories(whole.substr(0, whole.rfind('/')));
        sys::write_all(sys::open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0644), text, whole);
    }
    void link(const std::string& path, const std::string& target) const {
        const std::string whole = folder + path;
        sys::make_directories(whole.substr(0, whole.rfind('/')));
        BOOST_REQUIRE(::symlink(target.c_str(), whole.c_str()) == 0);
    }
    std::optional<Image::CudaCompat> compat() const { return gpu::probe_compat(root, gpu::cuda_compat_folder); }
};

Image::CudaCompat compat_of(const char* version, std::optional<std::string> note = {}) {
    return {.folder = "/usr/local/cuda/compat", .version = version, .note = std::move(note), .libraries = {}};
}

constexpr const char* note_575 = R"({"Format": 1, "CUDA Version": "12.9", "Driver": [535, 550, 570], "Device": [1]})";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpu_image, Fixture)

BOOST_AUTO_TEST_CASE(each_layout_has_the_directory_that_its_loader_searches) {
    const auto layout = [&] { return gpu::probe_image(root, false).library_folder; };
    BOOST_TEST(layout() == "/usr/lib64");
    link("/image/lib", "usr/lib");
    file("/image/usr/lib/ld-musl-x86_64.so.1");
    BOOST_TEST(layout() == "/usr/lib");
    file("/image/usr/lib64/libc.so.6");
    BOOST_TEST(layout() == "/usr/lib64");
    file("/image/usr/lib/x86_64-linux-gnu/libc.so.6");
    BOOST_TEST(layout() == "/usr/lib/x86_64-linux-gnu");
}

BOOST_AUTO_TEST_CASE(debian_is_known_without_a_libc) {
    file("/image/etc/debian_version");
    BOOST_TEST(gpu::probe_image(root, false).library_folder == "/usr/lib/x86_64-linux-gnu");
    BOOST_TEST(!gpu::probe_image(root, false).read_only);
}

BOOST_AUTO_TEST_CASE(compat_libraries_are_found_through_the_images_own_links) {
    file("/image/usr/local/cuda-12.9/compat/libcuda.so.575.57.08");
    link("/image/usr/local/cuda-12.9/compat/libcuda.so.1", "libcuda.so.575.57.08");
    link("/image/etc/alternatives/cuda", "/usr/local/cuda-12.9");
    link("/image/usr/local/cuda", "/etc/alternatives/cuda");
    const auto found = compat();
    BOOST_TEST(found->version == "575.57.08");
    BOOST_TEST(found->libraries == std::vector<std::string>{"libcuda.so.1"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_compat_libraries_are_none) {
    file("/image/usr/local/cuda/compat/libcuda.so.575.57.08");
    file("/image/usr/local/cuda/compat/libcuda.so.570.1");
    BOOST_TEST(!compat().has_value());
}

BOOST_AUTO_TEST_CASE(compat_needs_the_drivers_branch_in_the_note_and_a_newer_version) {
    const std::vector<std::string> h200{"NVIDIA H200"};
    BOOST_TEST(gpu::choose_cuda_compat(compat_of("575.57.08", note_575), "550.54.15", h200));
    BOOST_TEST(!gpu::choose_cuda_compat(compat_of("575.57.08", note_575), "560.35.03", h200));
    BOOST_TEST(!gpu::choose_cuda_compat(compat_of("575.57.08", note_575), "580.159.04", h200));
    BOOST_TEST(gpu::choose_cuda_compat(compat_of("575.57.08"), "570.1", h200));
    BOOST_TEST(!gpu::choose_cuda_compat(compat_of("575.57.08"), "575.1", h200));
    BOOST_TEST(!gpu::choose_cuda_compat(compat_of("575.57.08", "{\"Driver\": [550"), "550.54.15", h200));
    BOOST_TEST(gpu::choose_cuda_compat_by_cuda(compat_of("575.57.08", note_575), "12.6"));
    BOOST_TEST(!gpu::choose_cuda_compat_by_cuda(compat_of("575.57.08", note_575), "12.10"));
    BOOST_TEST(!gpu::choose_cuda_compat_by_cuda(compat_of("575.57.08"), "12.6"));
}

BOOST_AUTO_TEST_CASE(compat_is_never_chosen_for_a_geforce) {
    BOOST_TEST(!gpu::choose_cuda_compat(compat_of("575.57.08", note_575), "550.54.15",
                                        {"NVIDIA H200", "NVIDIA GeForce RTX 4090"}));
}

// The image's compat directory leads to the host, or its library does: neither is followed, and what is found is never
// a mount source.
BOOST_AUTO_TEST_CASE(CVE_2024_0132_and_CVE_2025_23359_links_of_the_image_do_not_reach_the_host) {
    file("/host/compat/libcuda.so.999.1");
    link("/image/usr/local/cuda", folder + "/host");
    BOOST_TEST(!compat().has_value());
    ::unlink((folder + "/image/usr/local/cuda").c_str());
    link("/image/usr/local/cuda/compat", "../../../../../../../../../.." + folder + "/host/compat");
    BOOST_TEST(!compat().has_value());
    ::unlink((folder + "/image/usr/local/cuda/compat").c_str());
    link("/image/usr/local/cuda/compat/libcuda.so.999.1", folder + "/host/compat/libcuda.so.999.1");
    BOOST_TEST(!compat().has_value());
    ::unlink((folder + "/image/usr/local/cuda/compat/libcuda.so.999.1").c_str());
    file("/image/usr/local/cuda/compat/libcuda.so.999.1");
    gpu::Edits edits;
    gpu::add_compat(edits, compat().value());
    BOOST_TEST(edits.mounts.empty());
}

// Looking makes no file, not in the image and not on the host.
BOOST_AUTO_TEST_CASE(CVE_2024_0133_and_CVE_2024_0134_looking_at_an_image_writes_nothing) {
    link("/image/usr/local/cuda/compat", folder + "/host/made");
    link("/image/etc/ld.so.cache", folder + "/host/cache");
    link("/image/usr/lib64", folder + "/host/lib64");
    gpu::probe_image(root, true);
    BOOST_TEST(sys::list_directory(sys::FdRef(AT_FDCWD), folder + "/host").empty());
}

// A pipe or a device in the place of the library would stop or disturb who opens it.
BOOST_AUTO_TEST_CASE(CVE_2025_23267_a_compat_library_that_is_no_regular_file_is_not_read) {
    sys::make_directories(folder + "/image/usr/local/cuda/compat");
    BOOST_REQUIRE(::mkfifo((folder + "/image/usr/local/cuda/compat/libcuda.so.999.1").c_str(), 0644) == 0);
    BOOST_TEST(!compat().has_value());
}

// What the container's environment says starts nothing and changes nothing on the host.
BOOST_AUTO_TEST_CASE(CVE_2024_0135_to_0137_and_CVE_2025_23266_edits_hold_no_program_to_run) {
    gpu::Discovery found;
    found.files.libraries.push_back({.stem = "libcuda",
                                     .file = "libcuda.so.580.1",
                                     .folder = "/usr/lib64",
                                     .soname = "libcuda.so.1",
                                     .dev_link = true});
    gpu::Request request;
    request.driver = true;
    spec::Spec spec;
    spec.process.emplace().env = {"LD_PRELOAD=/proc/self/cwd/evil.so", "NVIDIA_VISIBLE_DEVICES=all"};
    const auto edits = gpu::native_edits(found, request, {}, gpu::open_host("/"), spec);
    BOOST_TEST(!edits.hooks.has_value());
    BOOST_TEST(edits.env.empty());
    for (const auto& mount : edits.mounts) BOOST_TEST(mount.source.starts_with("/usr/lib64/"));
}

BOOST_AUTO_TEST_SUITE_END()
