#include "gpu/settings.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

using namespace gpurun;
using gpu::Capability;
using gpu::CapabilitySet;
using gpu::Settings;

namespace {

std::string failure(const char* text) {
    try {
        gpu::parse_settings(text, "gpurun.toml");
    } catch (const Error& error) {
        return error.message;
    }
    return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_settings)

BOOST_AUTO_TEST_CASE(our_file_is_read_from_its_table) {
    const auto settings = gpu::parse_settings(R"(
        [gpu]
        disable-require = true
        accept-environment = false
        swarm-resources = ["DOCKER_RESOURCE_GPU"]
        supported-driver-capabilities = "compute,utility"
        driver-root = "/run/nvidia/driver"
        cdi-annotations = "on"
        unknown = 1
    )",
                                              "gpurun.toml");
    BOOST_TEST(settings->disable_require);
    BOOST_TEST(!settings->accept_environment);
    BOOST_TEST(settings->swarm_resources[0] == "DOCKER_RESOURCE_GPU");
    BOOST_TEST((settings->supported == CapabilitySet{Capability::compute, Capability::utility}));
    BOOST_TEST(settings->driver_root == "/run/nvidia/driver");
    BOOST_TEST((settings->annotations == Settings::Annotations::on));
    BOOST_TEST(!gpu::parse_settings("[other]\n", "gpurun.toml").has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_value_names_file_line_key_and_what_is_right) {
    BOOST_TEST(failure("[gpu]\nhide-procfs = 1\n") == "gpurun.toml:2: hide-procfs: expected true or false");
    BOOST_TEST(failure("[gpu]\ncdi-annotations = \"no\"\n") ==
               "gpurun.toml:2: cdi-annotations: expected \"off\", \"auto\" or \"on\"");
    BOOST_TEST(failure("[gpu]\nlibrary-paths = [1]\n") == "gpurun.toml:2: library-paths: expected a string");
    BOOST_TEST(failure("[gpu\n").starts_with("gpurun.toml:1:"));
    BOOST_TEST(failure("[gpu]\nsupported-driver-capabilities = \"cuda\"\n")
                   .starts_with("gpurun.toml:2: supported-driver-capabilities"));
}

BOOST_AUTO_TEST_CASE(nvidias_file_means_the_same_things) {
    const auto settings = gpu::parse_nvidia_settings(R"(
        disable-require = true
        swarm-resource = "DOCKER_RESOURCE_GPU,OTHER"
        accept-nvidia-visible-devices-as-volume-mounts = true
        [nvidia-container-cli]
        load-kmods = false
        root = "/run/nvidia/driver"
        [nvidia-container-runtime.modes.cdi]
        spec-dirs = ["/x"]
        [features]
        disable-cuda-compat-lib-hook = true
    )",
                                                     "config.toml");
    BOOST_TEST(settings.disable_require);
    BOOST_TEST(settings.swarm_resources.size() == 2u);
    BOOST_TEST(settings.accept_volume_mounts);
    BOOST_TEST(!settings.load_modules);
    BOOST_TEST(settings.driver_root == "/run/nvidia/driver");
    BOOST_TEST(settings.cdi_directories.size() == 1u);
    BOOST_TEST(!settings.cuda_compat);
}

BOOST_AUTO_TEST_CASE(nvidias_modes_count_where_they_are_policy) {
    const auto kind = [](const char* text) { return gpu::parse_nvidia_settings(text, "config.toml").default_kind; };
    BOOST_TEST(kind("[nvidia-container-runtime.modes.cdi]\ndefault-kind = \"example.com/gpu\"\n") == "nvidia.com/gpu");
    BOOST_TEST(kind("[nvidia-container-runtime]\nmode = \"cdi\"\n[nvidia-container-runtime.modes.cdi]\n"
                    "default-kind = \"example.com/gpu\"\n") == "example.com/gpu");
    const char* compat = "[nvidia-container-runtime.modes.legacy]\ncuda-compat-mode = \"disabled\"\n";
    BOOST_TEST(!gpu::parse_nvidia_settings(compat, "config.toml").cuda_compat);
}

BOOST_AUTO_TEST_SUITE_END()
