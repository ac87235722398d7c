#include "gpu/request.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

using namespace gpurun;
using gpu::Capability;
using gpu::CapabilitySet;
using gpu::Request;
using gpu::Settings;

namespace {

spec::Spec with_env(std::vector<std::string> env) {
    spec::Spec spec;
    spec.process.emplace().env = std::move(env);
    return spec;
}

spec::Spec privileged(std::vector<std::string> env) {
    spec::Spec spec = with_env(std::move(env));
    spec.process->capabilities.emplace().bounding = {"CAP_SYS_ADMIN"};
    return spec;
}

std::optional<Request> parse(std::vector<std::string> env, const Settings& settings = {}) {
    return gpu::parse_request(with_env(std::move(env)), {}, settings);
}

std::string failure(const spec::Spec& spec, const Settings& settings = {}) {
    try {
        gpu::parse_request(spec, {}, settings);
    } catch (const Error& error) {
        return error.message;
    }
    return {};
}

struct Row {
    const char* value;
    bool asks, all;
    std::vector<std::string> ids;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_request)

BOOST_AUTO_TEST_CASE(visible_devices_has_its_grammar) {
    const Row rows[] = {
        {"", false, false, {}},
        {"void", false, false, {}},
        {"0,void", false, false, {}},
        {"none", true, false, {}},
        {"none,all", true, false, {}},
        {"0,all", true, true, {}},
        {"all", true, true, {}},
        {" 0 ,, 1 ", true, false, {"0", "1"}},
        {"0:1", true, false, {"0:1"}},
        {"0000:3b:00.0", true, false, {"0000:3b:00.0"}},
        {"GPU-cce09752-ab60-6d25-5d87-ee417aaddb56", true, false, {"GPU-cce09752-ab60-6d25-5d87-ee417aaddb56"}},
        {"nvidia.com/gpu=0", true, false, {"0"}},
        {"nvidia.com/gpu=all", true, true, {}},
        {"nvidia.com/gpu=mig0:1", true, false, {"0:1"}},
        {"runtime.nvidia.com/gpu=gpu1", true, false, {"1"}},
        {"/var/run/nvidia-container-devices", false, false, {}},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.value) {
            const auto request = parse({std::string("NVIDIA_VISIBLE_DEVICES=") + row.value});
            BOOST_TEST(request.has_value() == row.asks);
            if (!request) continue;
            BOOST_TEST(request->all == row.all);
            BOOST_TEST(request->ids == row.ids, boost::test_tools::per_element());
            BOOST_TEST(request->driver);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_last_visible_devices_wins) {
    BOOST_TEST(!parse({"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_VISIBLE_DEVICES=void"}).has_value());
    BOOST_TEST(parse({"NVIDIA_VISIBLE_DEVICES=void", "NVIDIA_VISIBLE_DEVICES=1"})->ids[0] == "1");
}

BOOST_AUTO_TEST_CASE(without_a_request_nothing_may_be_read) {
    BOOST_TEST(!gpu::may_request(with_env({"PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=9"}), {}));
    BOOST_TEST(!gpu::may_request(with_env({"NVIDIA_VISIBLE_DEVICES="}), {}));
    BOOST_TEST(!gpu::may_request(with_env({"NVIDIA_VISIBLE_DEVICES=all,void"}), {}));
    BOOST_TEST(!gpu::may_request(spec::Spec{}, {}));
    BOOST_TEST(gpu::may_request(with_env({"NVIDIA_VISIBLE_DEVICES=none"}), {}));
    BOOST_TEST(gpu::may_request(with_env({"CUDA_VERSION=11.0"}), {}));
    BOOST_TEST(!gpu::may_request(with_env({"CUDA_VERSION=12.4.1", "NVIDIA_REQUIRE_CUDA=cuda>=12.4"}), {}));
    BOOST_TEST(gpu::may_request(with_env({"DOCKER_RESOURCE_GPU=0"}), {}));
    gpu::Options options;
    options.devices = {"0"};
    BOOST_TEST(gpu::may_request(spec::Spec{}, options));
}

BOOST_AUTO_TEST_CASE(an_old_cuda_image_asks_for_all_and_brings_its_requirement) {
    const auto request = parse({"CUDA_VERSION=10.2.89"});
    BOOST_TEST(request.has_value());
    BOOST_TEST(request->all);
    BOOST_TEST(request->implied);
    BOOST_TEST((request->capabilities == CapabilitySet::all()));
    BOOST_TEST(request->requirements.size() == 1u);
    BOOST_TEST(request->requirements[0].expression == "cuda>=10.2");
}

BOOST_AUTO_TEST_CASE(capabilities_are_named_defaulted_and_bounded) {
    const std::string all = "NVIDIA_VISIBLE_DEVICES=all";
    BOOST_TEST((parse({all})->capabilities == CapabilitySet{Capability::compute, Capability::utility}));
    BOOST_TEST((parse({all, "NVIDIA_DRIVER_CAPABILITIES="})->capabilities ==
                CapabilitySet{Capability::compute, Capability::utility}));
    BOOST_TEST((parse({all, "NVIDIA_DRIVER_CAPABILITIES=video, graphics"})->capabilities ==
                CapabilitySet{Capability::video, Capability::graphics}));
    Settings settings;
    settings.supported = {Capability::compute, Capability::utility};
    BOOST_TEST((parse({all, "NVIDIA_DRIVER_CAPABILITIES=all"}, settings)->capabilities == settings.supported));
    BOOST_TEST(failure(with_env({all, "NVIDIA_DRIVER_CAPABILITIES=display"}), settings)
                   .find("unsupported capabilities found") != std::string::npos);
    BOOST_TEST(failure(with_env({all, "NVIDIA_DRIVER_CAPABILITIES=compute,cuda"})).find("\"cuda\"") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(policy_ignores_the_environment_of_unprivileged_containers) {
    Settings settings;
    settings.accept_environment = false;
    BOOST_TEST(!parse({"NVIDIA_VISIBLE_DEVICES=all"}, settings).has_value());
    BOOST_TEST(gpu::parse_request(privileged({"NVIDIA_VISIBLE_DEVICES=all"}), {}, settings).has_value());
}

BOOST_AUTO_TEST_CASE(volume_mounts_are_requests_only_by_policy_and_then_win) {
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=/var/run/nvidia-container-devices"});
    const auto mount = [&](const char* rest) {
        spec.mounts.push_back(
            {.destination = std::string("/var/run/nvidia-container-devices/") + rest, .source = "/dev/null"});
    };
    mount("GPU-1");
    mount("cdi/vendor.com/net/eth0");
    mount("cdi/vendor.com/net=eth1");
    mount("imex/3");
    spec.mounts.push_back({.destination = "/var/run/nvidia-container-devices/GPU-2", .source = "/etc/passwd"});
    BOOST_TEST(!gpu::parse_request(spec, {}, {}).has_value());
    Settings settings;
    settings.accept_volume_mounts = true;
    const auto request = gpu::parse_request(spec, {}, settings);
    BOOST_TEST(request->ids == std::vector<std::string>{"GPU-1"}, boost::test_tools::per_element());
    const std::vector<std::string> names{"vendor.com/net=eth0", "vendor.com/net=eth1"};
    BOOST_TEST(request->cdi_names == names, boost::test_tools::per_element());
    BOOST_TEST(request->imex_channels.size() == 1u);
}

// Names that discovery can't know are an administrator's own, in a file.
BOOST_AUTO_TEST_CASE(names_of_nvidias_kind_are_live_or_looked_up_in_files) {
    for (const char* name : {"0", "0:1", "GPU-1", "MIG-1", "gpu0", "mig0:1", "0000:3b:00.0"})
        BOOST_TEST(parse({std::string("NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=") + name})->cdi_names.empty(), name);
    const auto request = parse({"NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=training"});
    BOOST_TEST(request->ids.empty());
    BOOST_TEST(request->cdi_names.at(0) == "nvidia.com/gpu=training");
}

BOOST_AUTO_TEST_CASE(annotations_hold_names_and_nothing_else) {
    spec::Spec spec = with_env({});
    spec.annotations = {{"cdi.k8s.io/x", "0"}};
    BOOST_TEST(failure(spec).find("annotation cdi.k8s.io/x: \"0\" is no CDI device name") == 0u);
}

BOOST_AUTO_TEST_CASE(swarm_resources_replace_visible_devices) {
    Settings settings;
    settings.swarm_resources = {"DOCKER_RESOURCE_GPU", "DOCKER_RESOURCE_X"};
    const auto request =
        parse({"NVIDIA_VISIBLE_DEVICES=all", "DOCKER_RESOURCE_GPU=GPU-1,GPU-2", "DOCKER_RESOURCE_X=GPU-3"}, settings);
    const std::vector<std::string> ids{"GPU-1", "GPU-2", "GPU-3"};
    BOOST_TEST(request->ids == ids, boost::test_tools::per_element());
    BOOST_TEST(!request->all);
}

BOOST_AUTO_TEST_CASE(annotations_name_cdi_devices_unless_the_config_has_them_already) {
    spec::Spec spec;
    spec.annotations = {{"cdi.k8s.io/plugin_1", "vendor.com/gpu=a,nvidia.com/gpu=0"}, {"other", "x/y=z"}};
    const auto request = gpu::parse_request(spec, {}, {});
    BOOST_TEST(request->cdi_names == std::vector<std::string>{"vendor.com/gpu=a"}, boost::test_tools::per_element());
    BOOST_TEST(request->ids == std::vector<std::string>{"0"}, boost::test_tools::per_element());
    spec.linux.emplace().devices.push_back({.type = "c", .path = "/dev/nvidiactl"});
    BOOST_TEST(!gpu::parse_request(spec, {}, {}).has_value());
    Settings settings;
    settings.annotations = Settings::Annotations::on;
    BOOST_TEST(gpu::parse_request(spec, {}, settings).has_value());
    settings.annotations = Settings::Annotations::off;
    spec.linux.reset();
    BOOST_TEST(!gpu::parse_request(spec, {}, settings).has_value());
}

BOOST_AUTO_TEST_CASE(an_annotation_of_the_administrators_prefix_may_be_a_request) {
    spec::Spec spec;
    spec.annotations = {{"example.org/devices", "vendor.com/gpu=a"}};
    BOOST_TEST(gpu::may_request(spec, {}));
    Settings settings;
    settings.annotation_prefixes = {"example.org/"};
    BOOST_TEST(gpu::parse_request(spec, {}, settings)->cdi_names.size() == 1u);
    BOOST_TEST(!gpu::parse_request(spec, {}, {}).has_value());
    spec.annotations = {{"org.example.note", "a/b"}};
    BOOST_TEST(!gpu::may_request(spec, {}));
}

BOOST_AUTO_TEST_CASE(names_without_a_kind_are_of_the_default_kind) {
    Settings settings;
    settings.default_kind = "example.com/gpu";
    const auto request = parse({"NVIDIA_VISIBLE_DEVICES=0,nvidia.com/gpu=1"}, settings);
    BOOST_TEST(request->cdi_names == std::vector<std::string>{"example.com/gpu=0"}, boost::test_tools::per_element());
    BOOST_TEST(request->ids == std::vector<std::string>{"1"}, boost::test_tools::per_element());
    BOOST_TEST(parse({"NVIDIA_VISIBLE_DEVICES=none"}, settings)->driver);
}

BOOST_AUTO_TEST_CASE(options_add_to_the_config) {
    gpu::Options options;
    options.devices = {"1", "vendor.com/net=eth0"};
    const auto request = gpu::parse_request(with_env({"NVIDIA_VISIBLE_DEVICES=void"}), options, {});
    BOOST_TEST(request->ids == std::vector<std::string>{"1"}, boost::test_tools::per_element());
    BOOST_TEST(request->cdi_names.size() == 1u);
    BOOST_TEST(request->origin == "--gpu=1,vendor.com/net=eth0");
}

BOOST_AUTO_TEST_CASE(imex_channels_are_numbers_up_to_a_million) {
    const std::string all = "NVIDIA_VISIBLE_DEVICES=all";
    const auto request = parse({all, "NVIDIA_IMEX_CHANNELS=0, channel3"});
    BOOST_TEST(request->imex_channels == (std::vector<std::uint32_t>{0, 3}), boost::test_tools::per_element());
    BOOST_TEST(parse({all, "NVIDIA_IMEX_CHANNELS=all"})->imex_channels.empty());
    BOOST_TEST(failure(with_env({all, "NVIDIA_IMEX_CHANNELS=1048576"})).find("1048575") != std::string::npos);
    BOOST_TEST(failure(with_env({all, "NVIDIA_IMEX_CHANNELS=x"})).find("\"x\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(features_need_the_word_enabled) {
    const auto request =
        parse({"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_GDS=enabled", "NVIDIA_MOFED=1", "NVIDIA_GDRCOPY=enabled"});
    BOOST_TEST(request->features.gds);
    BOOST_TEST(!request->features.mofed);
    BOOST_TEST(request->features.gdrcopy);
}

BOOST_AUTO_TEST_CASE(mig_management_is_for_privileged_containers_and_all_devices) {
    const std::string all = "NVIDIA_VISIBLE_DEVICES=all", config = "NVIDIA_MIG_CONFIG_DEVICES=all";
    BOOST_TEST(gpu::parse_request(privileged({all, config}), {}, {})->mig_config);
    BOOST_TEST(failure(with_env({all, config})).find("CAP_SYS_ADMIN") != std::string::npos);
    BOOST_TEST(failure(privileged({all, "NVIDIA_MIG_MONITOR_DEVICES=0"})).find("expected all") != std::string::npos);
    BOOST_TEST(failure(privileged({"NVIDIA_VISIBLE_DEVICES=0:1", config})).find("0:1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(requirements_are_collected_and_switched_off) {
    const std::vector<std::string> env{"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=9",
                                       "NVIDIA_REQUIRE_JETPACK=csv-mounts=all", "NVIDIA_REQUIRE_X=arch>=7",
                                       "NVIDIA_REQUIRE_CUDA=cuda>=10"};
    const auto request = parse(env);
    BOOST_TEST(request->requirements.size() == 2u);
    BOOST_TEST(request->requirements[1].expression == "cuda>=10");
    auto disabled = env;
    disabled.emplace_back("NVIDIA_DISABLE_REQUIRE=true");
    BOOST_TEST(parse(disabled)->requirements.empty());
    disabled.back() = "NVIDIA_DISABLE_REQUIRE=yes";
    BOOST_TEST(parse(disabled)->requirements.size() == 2u);
    Settings settings;
    settings.disable_require = true;
    BOOST_TEST(parse(env, settings)->requirements.empty());
}

BOOST_AUTO_TEST_CASE(a_flood_of_ids_is_refused) {
    std::string list = "NVIDIA_VISIBLE_DEVICES=";
    for (int i = 0; i < 5000; ++i) list += "0,";
    BOOST_TEST(failure(with_env({list})).find("more than") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
