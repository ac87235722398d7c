#include "gpu/hooks_edits.h"

#include <boost/test/unit_test.hpp>

#include "elf_builder.h"
#include "gpu/edits.h"
#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;

namespace {

spec::Hook nvidia_hook(std::vector<std::string> args) {
    args.insert(args.begin(), "nvidia-cdi-hook");
    return {.path = "/usr/bin/nvidia-cdi-hook", .args = std::move(args), .env = {}, .timeout = {}};
}

// What an engine hands over after it has applied a CDI file: nodes, mounts, hooks, and the variable set to void.
spec::Spec edited_by_an_engine() {
    const std::string folder = "/usr/local/nvidia/lib64";
    spec::Spec spec;
    spec.process.emplace().env = {"NVIDIA_VISIBLE_DEVICES=void"};
    spec.linux.emplace().devices = {{.type = "c", .path = "/dev/nvidia0", .major = 195, .minor = 0},
                                    {.type = "c", .path = "/dev/nvidia-uvm", .major = 510, .minor = 0}};
    spec.linux->resources.emplace().devices = {{.allow = false, .access = "rwm"},
                                               {.allow = true, .type = "c", .major = 510, .minor = 0, .access = "rwm"}};
    spec.mounts = {{.destination = "/proc", .type = "proc", .source = "proc"},
                   {.destination = folder + "/libcuda.so.580.159.04",
                    .type = "bind",
                    .source = GPURUN_HOSTS "/h200" + folder + "/libcuda.so.580.159.04",
                    .options = {"bind", "ro"}}};
    auto& hooks = spec.hooks.emplace().create_container;
    hooks.push_back(nvidia_hook({"create-symlinks", "--link", "libcuda.so.1::" + folder + "/libcuda.so"}));
    hooks.push_back(nvidia_hook({"enable-cuda-compat", "--host-driver-version=580.159.04"}));
    hooks.push_back(nvidia_hook({"update-ldcache", "--folder", folder}));
    hooks.push_back(nvidia_hook({"disable-device-node-modification"}));
    hooks.push_back(nvidia_hook({"update-application-profile"}));
    return spec;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_hooks_edits)

BOOST_AUTO_TEST_CASE(nvidias_hooks_are_carried_out_without_a_process) {
    spec::Spec spec = edited_by_an_engine();
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200";
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.hooks->create_container.empty());
    BOOST_TEST(spec.mounts.size() == 2u);
    const auto links = [&](const std::string& path) {
        return std::any_of(rest.links.begin(), rest.links.end(),
                           [&](const gpu::Link& link) { return link.path == path; });
    };
    BOOST_TEST(links("/usr/local/nvidia/lib64/libcuda.so"));
    BOOST_TEST(std::any_of(rest.cache.begin(), rest.cache.end(),
                           [](const auto& entry) { return entry.soname == "libcuda.so.1"; }));
    BOOST_TEST(rest.covers.size() == 1u);
    BOOST_TEST(rest.files.at(0).content == "/usr/local/nvidia/lib64\n");
    BOOST_TEST(rest.files.at(1).content.find("0x1]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(numbers_from_before_the_last_boot_are_corrected_with_their_rules) {
    spec::Spec spec = edited_by_an_engine();
    gpu::repair_numbers(spec, gpu::open_host(GPURUN_HOSTS "/h200"));
    BOOST_TEST(spec.linux->devices[1].major == 238);
    BOOST_TEST(spec.linux->resources->devices[1].major.value() == 238);
    BOOST_TEST(spec.linux->devices[0].major == 195);
}

BOOST_AUTO_TEST_CASE(dockers_prestart_hook_is_taken_out_and_the_variable_injects) {
    spec::Spec spec;
    spec.process.emplace().env = {"NVIDIA_VISIBLE_DEVICES=void", "NVIDIA_VISIBLE_DEVICES=0"};
    spec.hooks.emplace().prestart.push_back({.path = "/usr/bin/nvidia-container-runtime-hook",
                                             .args = {"nvidia-container-runtime-hook", "prestart"},
                                             .env = {{"PATH=/bin"}},
                                             .timeout = {}});
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200-x2";
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.hooks->prestart.empty());
    const auto& devices = spec.linux->devices;
    const auto has = [&](const char* path) {
        return std::any_of(devices.begin(), devices.end(),
                           [&](const spec::Device& device) { return device.path == path; });
    };
    BOOST_TEST(has("/dev/nvidia0"));
    BOOST_TEST(!has("/dev/nvidia1"));
    BOOST_TEST(!rest.cache.empty());
}

BOOST_AUTO_TEST_CASE(gpuruns_marker_injects_live) {
    spec::Spec spec;
    spec.process.emplace();
    spec.hooks.emplace().create_container.push_back(gpu::marker_hook("/usr/bin/gpurun", "nvidia.com/gpu=1"));
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200-x2";
    gpu::prepare(spec, options);
    BOOST_TEST(spec.hooks->create_container.empty());
    BOOST_TEST(spec.linux->devices.back().path == "/dev/nvidia1");
}

BOOST_AUTO_TEST_CASE(a_marker_outweighs_the_images_own_request_for_all) {
    spec::Spec spec;
    spec.process.emplace().env = {"NVIDIA_VISIBLE_DEVICES=all"};
    spec.hooks.emplace().create_container.push_back(gpu::marker_hook("/usr/bin/gpurun", "nvidia.com/gpu=1"));
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200-x2";
    gpu::prepare(spec, options);
    for (const auto& device : spec.linux->devices) BOOST_TEST(device.path != "/dev/nvidia0");
}

// The image's own NVIDIA_VISIBLE_DEVICES=all is still there where the CDI file does not set it to void.
BOOST_AUTO_TEST_CASE(what_an_engine_has_injected_is_not_injected_again) {
    spec::Spec spec = edited_by_an_engine();
    spec.process->env = {"NVIDIA_VISIBLE_DEVICES=all"};
    spec.linux->devices.push_back({.type = "c", .path = "/dev/nvidiactl", .major = 195, .minor = 255});
    const auto devices = spec.linux->devices.size(), mounts = spec.mounts.size();
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/h200-x2";
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.linux->devices.size() == devices);
    BOOST_TEST(spec.mounts.size() == mounts);
    BOOST_TEST(!rest.cache.empty());
    // Without the control node the hooks are another vendor's who borrows them.
    spec = edited_by_an_engine();
    spec.process->env = {"NVIDIA_VISIBLE_DEVICES=all"};
    gpu::prepare(spec, options);
    BOOST_TEST(spec.mounts.size() > mounts);
}

BOOST_AUTO_TEST_CASE(soname_links_are_made_without_a_cache) {
    const test::TemporaryDirectory root;
    root.write("lib/libacme.so.2", test::make_elf64({.soname = "libacme.so.1"}));
    spec::Spec spec;
    spec.mounts = {{.destination = "/acme/libacme.so.2",
                    .type = "bind",
                    .source = root / "lib/libacme.so.2",
                    .options = {"bind", "ro"}}};
    spec.hooks.emplace().create_container.push_back(nvidia_hook({"create-soname-symlinks", "--folder", "/acme"}));
    gpu::Options options;
    options.host_root = root.path();
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.hooks->create_container.empty());
    BOOST_TEST((rest.links == std::vector<gpu::Link>{{"/acme/libacme.so.1", "libacme.so.2"}}));
    BOOST_TEST(rest.cache.empty());
}

// An engine that leaves the annotation behind has put everything in already, the hook included.
BOOST_AUTO_TEST_CASE(a_cdi_file_that_was_applied_before_changes_nothing) {
    const test::TemporaryDirectory root;
    root.write("etc/cdi/acme.yaml",
               "cdiVersion: 0.5.0\nkind: acme.com/gpu\ndevices:\n  - name: all\n    containerEdits:\n"
               "      env: [A=b]\n      deviceNodes: [{path: /dev/acme, type: c, major: 240, minor: 1}]\n"
               "      mounts: [{hostPath: /lib/x, containerPath: /acme/x}]\n"
               "      hooks: [{hookName: createRuntime, path: /usr/bin/acme-hook, args: [acme-hook, go]}]\n");
    spec::Spec spec;
    spec.process.emplace();
    spec.annotations = {{"cdi.k8s.io/x", "acme.com/gpu=all"}};
    gpu::Options options;
    options.host_root = root.path();
    gpu::prepare(spec, options);
    const auto once = spec::to_json(spec);
    gpu::prepare(spec, options);
    BOOST_TEST(spec::to_json(spec) == once);
}

// A file of NVIDIA's generator that gpurun resolves itself: its six hooks are carried out too.
BOOST_AUTO_TEST_CASE(hooks_that_a_cdi_file_brings_are_carried_out) {
    const test::TemporaryDirectory root;
    root.write("etc/cdi/acme.yaml",
               "cdiVersion: 0.5.0\nkind: acme.com/gpu\ndevices:\n  - name: all\n    containerEdits:\n      env: [A=b]\n"
               "containerEdits:\n  mounts:\n    - {hostPath: /lib/libacme.so.2, containerPath: /acme/libacme.so.2}\n"
               "  hooks:\n    - hookName: createContainer\n      path: /usr/bin/nvidia-cdi-hook\n"
               "      args: [nvidia-cdi-hook, update-ldcache, --folder, /acme]\n"
               "    - {hookName: createContainer, path: /usr/bin/acme-hook}\n");
    root.write("lib/libacme.so.2", test::make_elf64({.soname = "libacme.so.1"}));
    spec::Spec spec;
    spec.process.emplace();
    gpu::Options options;
    options.host_root = root.path();
    options.devices = {"acme.com/gpu=all"};
    const auto rest = gpu::prepare(spec, options);
    BOOST_TEST(spec.hooks->create_container.size() == 1u);
    BOOST_TEST(spec.mounts.size() == 1u);
    BOOST_TEST((rest.cache == std::vector<gpu::CacheEntry>{{"libacme.so.1", "/acme/libacme.so.1", 0x0303}}));
    BOOST_TEST((rest.links == std::vector<gpu::Link>{{"/acme/libacme.so.1", "libacme.so.2"}}));
}

BOOST_AUTO_TEST_SUITE_END()
