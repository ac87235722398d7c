#include "gpu/cdi_generate.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu/edits.h"
#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

cdi::File generate(const std::string& name, cdi::GenerateOptions options = {}) {
    const Host host = open_host(GPURUN_HOSTS "/" + name);
    Request request;
    request.all = request.driver = true;
    request.capabilities = CapabilitySet::all();
    const auto found = discover(host, read_inventory(host).value(), request, Settings(), sys::FdRef());
    return cdi::full_file(found, host, options);
}

std::vector<std::string> names_of(const cdi::File& file) {
    std::vector<std::string> names;
    for (const auto& device : file.devices) names.push_back(device.name);
    return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_cdi_generate)

BOOST_AUTO_TEST_CASE(a_full_file_has_the_form_of_nvidias_generator_and_reads_back) {
    const cdi::File file = generate("h200");
    BOOST_TEST(file.cdi_version == "0.5.0");
    const std::vector<std::string> names{"0", "GPU-cce09752-ab60-6d25-5d87-ee417aaddb56", "all"};
    BOOST_TEST(names_of(file) == names, boost::test_tools::per_element());
    BOOST_TEST(file.devices[0].container_edits.device_nodes.at(0).path == "/dev/nvidia0");
    const auto& common = file.container_edits;
    BOOST_TEST(common.env.back() == "NVIDIA_VISIBLE_DEVICES=void");
    BOOST_TEST(common.device_nodes.size() == 3u);
    std::vector<std::string> sub_commands;
    for (const auto& hook : common.hooks) sub_commands.push_back(hook.args.at(1));
    const std::vector<std::string> expected{"create-symlinks", "enable-cuda-compat", "update-ldcache",
                                            "disable-device-node-modification", "update-application-profile"};
    BOOST_TEST(sub_commands == expected, boost::test_tools::per_element());
    for (const auto& mount : common.mounts) BOOST_TEST(mount.host_path.starts_with("/"));
    const std::string yaml = cdi::write_yaml(file);
    BOOST_TEST(cdi::write_yaml(cdi::read("nvidia.yaml", yaml)) == yaml);
    BOOST_TEST(yaml.find(GPURUN_HOSTS) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(instances_are_devices_of_their_own) {
    const cdi::File file = generate("mig", {.names = {cdi::Naming::index, cdi::Naming::type_index}, .all = false});
    const auto names = names_of(file);
    BOOST_TEST((std::find(names.begin(), names.end(), "0:0") != names.end()));
    BOOST_TEST((std::find(names.begin(), names.end(), "mig0:0") != names.end()));
    for (const auto& device : file.devices) {
        if (device.name != "0:0") continue;
        const auto& nodes = device.container_edits.device_nodes;
        BOOST_TEST(nodes.size() == 3u);
        BOOST_TEST(nodes.at(1).path.starts_with("/dev/nvidia-caps/nvidia-cap"));
    }
}

// A thin file resolved by an engine or by gpurun itself injects what the machine has then.
BOOST_AUTO_TEST_CASE(a_thin_file_names_devices_and_nothing_of_this_driver) {
    const Host host = open_host(GPURUN_HOSTS "/h200-x2");
    const cdi::File file = cdi::thin_file(read_inventory(host).value(), {});
    BOOST_TEST(file.container_edits.empty());
    BOOST_TEST(names_of(file).back() == "all");
    const std::string text = cdi::write_yaml(file);
    BOOST_TEST(text.find("580.") == std::string::npos);
    BOOST_TEST(text.find("major") == std::string::npos);
    const auto read_back = cdi::read("thin.yaml", text);
    const auto& hook = read_back.devices.at(0).container_edits.hooks.at(0);
    const std::vector<std::string> words{"gpurun", "cdi-hook", "inject", "nvidia.com/gpu=0"};
    BOOST_TEST(hook.args == words, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
