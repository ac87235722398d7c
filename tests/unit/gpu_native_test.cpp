#include "gpu/native.h"

#include <gpurun/error.h>
#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "gpu/edits.h"
#include "gpu_hosts.h"
#include "test_paths.h"

using namespace gpurun;

namespace {

spec::Spec with_env(std::vector<std::string> env) {
    spec::Spec spec;
    spec.process.emplace().env = std::move(env);
    spec.mounts = {{.destination = "/proc", .type = "proc", .source = "proc"},
                   {.destination = "/run", .type = "tmpfs", .source = "tmpfs"}};
    return spec;
}

gpu::Edits edits_of(const std::string& name, const spec::Spec& spec, const gpu::Image* image = nullptr) {
    const gpu::Host host = gpu::open_host(GPURUN_HOSTS "/" + name);
    const gpu::Settings settings;
    const auto request = gpu::parse_request(spec, {}, settings).value();
    auto found = gpu::discover(host, gpu::read_inventory(host).value(), request, settings, sys::FdRef());
    if (image != nullptr) found.image = *image;
    return gpu::native_edits(found, request, settings, host, spec);
}

std::string failure(const std::string& name, std::vector<std::string> env) {
    spec::Spec spec = with_env(std::move(env));
    try {
        gpu::Options options;
        options.host_root = GPURUN_HOSTS "/" + name;
        gpu::prepare(spec, options);
    } catch (const Error& error) {
        return error.message;
    }
    return {};
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// GPURUN_ACCEPT=1 writes what came out; a difference in these files is a change of behaviour.
void check_golden(const std::string& name, const std::string& text) {
    const std::string path = GPURUN_FIXTURES "/gpu/" + name + ".txt";
    if (::getenv("GPURUN_ACCEPT") != nullptr) std::ofstream(path) << text;
    BOOST_TEST(text == read(path), path << " differs from\n" << text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_native)

BOOST_AUTO_TEST_CASE(edits_of_every_host_are_as_agreed) {
    struct Row {
        const char *file, *host;
        std::vector<std::string> env;
    };
    const Row rows[] = {
        {"h200-all", "h200", {"NVIDIA_VISIBLE_DEVICES=all"}},
        {"h200-none-utility", "h200", {"NVIDIA_VISIBLE_DEVICES=none", "NVIDIA_DRIVER_CAPABILITIES=utility"}},
        {"h200-x2-second", "h200-x2", {"NVIDIA_VISIBLE_DEVICES=1", "NVIDIA_DRIVER_CAPABILITIES=compute"}},
        {"h200-x8-uuid", "h200-x8", {"NVIDIA_VISIBLE_DEVICES=gpu-00000006-AB60-6d25-5d87-ee417aaddb56"}},
        {"mig-instance", "mig", {"NVIDIA_VISIBLE_DEVICES=0:1", "NVIDIA_DRIVER_CAPABILITIES=compute"}},
        {"mig-all", "mig", {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility"}},
        {"debian-everything", "debian", {"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_DRIVER_CAPABILITIES=all"}},
        {"fedora-graphics-32", "fedora", {"NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_DRIVER_CAPABILITIES=graphics,compat32"}},
        {"gke-all", "gke", {"NVIDIA_VISIBLE_DEVICES=all"}},
    };
    for (const auto& row : rows)
        check_golden(row.file,
                     gpu::print(edits_of(row.host, with_env(row.env)), std::string(GPURUN_HOSTS "/") + row.host));
}

BOOST_AUTO_TEST_CASE(unknown_gpus_missing_drivers_and_mismatches_are_one_sentence) {
    BOOST_TEST(failure("h200", {"NVIDIA_VISIBLE_DEVICES=7"}) ==
               "unknown GPU device \"7\" in NVIDIA_VISIBLE_DEVICES=7: this machine has GPU 0 (`gpurun gpu list` shows "
               "names and UUIDs)");
    BOOST_TEST(failure("h200-x8", {"NVIDIA_VISIBLE_DEVICES=0000:52:00.0"}).find("excluded") != std::string::npos);
    BOOST_TEST(failure("mig", {"NVIDIA_VISIBLE_DEVICES=1:0"}).find("unknown GPU device \"1:0\"") != std::string::npos);
    BOOST_TEST(failure("no-driver", {"NVIDIA_VISIBLE_DEVICES=all"}).find("no NVIDIA kernel driver is loaded") !=
               std::string::npos);
    const auto mismatch = failure("mismatch", {"NVIDIA_VISIBLE_DEVICES=all"});
    BOOST_TEST(mismatch.find("575.57.08") != std::string::npos);
    BOOST_TEST(mismatch.find("580.159.04") != std::string::npos);
    BOOST_TEST(mismatch.find("reboot") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_old_image_on_a_machine_without_a_driver_just_starts) {
    BOOST_TEST(failure("no-driver", {"CUDA_VERSION=10.2.89"}) == "");
}

BOOST_AUTO_TEST_CASE(without_a_request_no_file_is_touched) {
    spec::Spec spec = with_env({"PATH=/bin"});
    gpu::Options options;
    options.host_root = "/nonexistent";
    BOOST_TEST(gpu::prepare(spec, options).empty());
    BOOST_TEST(spec.mounts.size() == 2u);
    spec.process->env.emplace_back("NVIDIA_VISIBLE_DEVICES=all");
    BOOST_CHECK_THROW(gpu::prepare(spec, options), Error);
}

BOOST_AUTO_TEST_CASE(prepare_puts_devices_rules_and_mounts_into_the_config_and_keeps_the_variable) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200";
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.linux->devices.size() == 4u);
    for (const auto& rule : spec.linux->resources->devices) BOOST_TEST(rule.access == "rw");
    BOOST_TEST(gpu::environment_value(spec.process->env, "NVIDIA_VISIBLE_DEVICES").value() == "all");
    BOOST_TEST(!rest.cache.empty());
    BOOST_TEST(rest.covers.size() == 1u);
    BOOST_TEST(rest.covers[0].content.find("ModifyDeviceFiles: 0\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rootless_needs_the_hosts_nodes_and_says_how_to_get_them) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200";
    options.rootless = true;
    try {
        gpu::prepare(spec, options);
        BOOST_ERROR("no error");
    } catch (const Error& error) {
        BOOST_TEST(error.message.find("sudo gpurun gpu create-nodes") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_read_only_image_gets_its_libraries_on_a_tmpfs) {
    gpu::Image image;
    image.read_only = true;
    const auto text = gpu::print(edits_of("h200", with_env({"NVIDIA_VISIBLE_DEVICES=all", "PATH=/bin"}), &image),
                                 GPURUN_HOSTS "/h200");
    BOOST_TEST(text.find(" at /run/gpurun/nvidia/lib64/libcuda.so.580.159.04 ") != std::string::npos);
    BOOST_TEST(text.find("env PATH=/bin:/run/gpurun/nvidia/bin\n") != std::string::npos);
    BOOST_TEST(text.find("env LD_LIBRARY_PATH=/run/gpurun/nvidia/lib64\n") != std::string::npos);
    BOOST_TEST(text.find("\nfile ") == std::string::npos);
    BOOST_TEST(text.find(" at /usr/") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(nothing_is_made_in_a_directory_that_the_config_binds) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    spec.mounts.push_back({.destination = "/usr/lib64", .type = "bind", .source = "/usr/lib64", .options = {"rbind"}});
    spec.mounts.push_back(
        {.destination = "/run/nvidia-persistenced", .type = "bind", .source = "/run/x", .options = {"bind"}});
    const auto text = gpu::print(edits_of("h200-x8", spec), GPURUN_HOSTS "/h200-x8");
    BOOST_TEST(text.find(" at /usr/lib64/") == std::string::npos);
    BOOST_TEST(text.find(" at /run/gpurun/nvidia/lib64/libcuda.so.") != std::string::npos);
    BOOST_TEST(text.find(" at /run/nvidia-persistenced ") == std::string::npos);
    BOOST_TEST(text.find(" at /run/nvidia-fabricmanager ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(wsl_has_one_node_and_the_libraries_of_windows) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/wsl";
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.linux->devices.size() == 1u);
    BOOST_TEST(spec.linux->devices[0].major == 10);
    BOOST_TEST(spec.linux->devices[0].minor == 62);
    BOOST_TEST(spec.mounts.back().destination == "/usr/lib/wsl");
    BOOST_TEST(std::any_of(rest.cache.begin(), rest.cache.end(),
                           [](const auto& entry) { return entry.soname == "libcuda.so.1"; }));
    BOOST_TEST(failure("wsl", {"NVIDIA_VISIBLE_DEVICES=0"}).find("use all") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_driver_root_of_its_own_is_cut_off_in_the_container) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/driver-container";
    gpu::prepare(spec, options);
    const auto cuda = std::find_if(spec.mounts.begin(), spec.mounts.end(), [](const spec::Mount& mount) {
        return mount.destination == "/usr/lib64/libcuda.so.580.159.04";
    });
    BOOST_REQUIRE(cuda != spec.mounts.end());
    BOOST_TEST(cuda->source == options.host_root + "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04");
}

BOOST_AUTO_TEST_CASE(a_tegra_gives_what_its_csv_files_list) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=all"});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/tegra";
    const auto rest = gpu::prepare(spec, options);
    const std::string folder = "/usr/lib/aarch64-linux-gnu/tegra";
    const auto mounted = [&](const std::string& path) {
        return std::any_of(spec.mounts.begin(), spec.mounts.end(),
                           [&](const spec::Mount& mount) { return mount.destination == path; });
    };
    BOOST_TEST(mounted(folder + "/libcuda.so.1.1"));
    BOOST_TEST(mounted(folder + "/libnvrm_gpu.so"));
    BOOST_TEST(mounted("/usr/share/nvpmodel"));
    BOOST_TEST(!mounted("/usr/lib/missing.so"));
    BOOST_TEST(rest.links.size() == 1u);
    BOOST_TEST(rest.links[0].target == "libcuda.so.1.1");
    spec = with_env({"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_JETPACK=base-only"});
    BOOST_TEST(gpu::prepare(spec, options).links.empty());
    BOOST_TEST(failure("tegra", {"NVIDIA_VISIBLE_DEVICES=1"}).find("GPU 0 only") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(requirements_are_checked_against_the_chosen_gpus) {
    BOOST_TEST(failure("h200", {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=13.9"})
                   .find("unsatisfied condition: cuda>=13.9") != std::string::npos);
    BOOST_TEST(failure("h200", {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=12.4",
                                "NVIDIA_DISABLE_REQUIRE=1"}) == "");
}

BOOST_AUTO_TEST_SUITE_END()
