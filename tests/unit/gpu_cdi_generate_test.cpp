#include "gpu/cdi_generate.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>
#include <set>

#include "gpu/edits.h"
#include "gpu_hosts.h"
#include "sys/file.h"
#include "temporary_directory.h"
#include "test_paths.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

cdi::File generate(const std::string& name, cdi::GenerateOptions options = {}) {
    const Survey host = survey(GPURUN_HOSTS "/" + name, false);
    return cdi::full_file(cdi::discover_all(host), host.host, options);
}

// What two files say, without the order and without what they say in other words.
std::set<std::string> facts_of(const cdi::File& file) {
    std::set<std::string> facts;
    const auto add = [&](const std::string& where, const cdi::ContainerEdits& edits) {
        for (const auto& entry : edits.env) facts.insert(where + " env " + entry);
        for (const auto& node : edits.device_nodes)
            facts.insert(format("{} node {} {}:{} {:o}", where, node.path, node.major.value_or(0),
                                node.minor.value_or(0), node.file_mode.value_or(0)));
        for (const auto& mount : edits.mounts)
            facts.insert(format("{} mount {} at {} {}", where, mount.host_path, mount.container_path,
                                gpurun::join(mount.options, ",")));
        for (const auto& hook : edits.hooks) {
            facts.insert(format("{} hook {} {} {}", where, hook.hook_name, hook.path, hook.args.at(1)));
            for (std::size_t i = 2; i < hook.args.size(); ++i)
                facts.insert(format("{} {} {}", where, hook.args[1], hook.args[i]));
        }
    };
    add("all", file.container_edits);
    for (const auto& device : file.devices) add(device.name, device.container_edits);
    facts.insert("kind " + file.kind);
    return facts;
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

// NVIDIA's own file of the recorded machine. Not compared: the order of links and mounts; NVIDIA's puts the gbm link
// into a hook of its own; its nodes have no type, which readers then take from the host's node, and "rwm", where "m"
// only matters to containers that may mknod.
BOOST_AUTO_TEST_CASE(a_full_file_says_what_nvidias_generator_says) {
    const std::string path = std::string(GPURUN_FIXTURES) + "/cdi/nvidia-h200.yaml";
    const auto theirs = facts_of(cdi::read(path, sys::read_file(path)));
    const auto ours = facts_of(generate("h200"));
    for (const auto& fact : theirs) BOOST_TEST(ours.contains(fact), "missing: " << fact);
    for (const auto& fact : ours) BOOST_TEST(theirs.contains(fact), "too much: " << fact);
}

BOOST_AUTO_TEST_CASE(another_root_stands_before_host_paths) {
    cdi::File file = generate("driver-container");
    cdi::transform_root(file, "/run/nvidia/driver", "/driver/");
    const auto& mounts = file.container_edits.mounts;
    BOOST_TEST(std::none_of(mounts.begin(), mounts.end(),
                            [](const cdi::Mount& mount) { return mount.host_path.starts_with("/run/nvidia/driver"); }));
    BOOST_TEST(std::any_of(mounts.begin(), mounts.end(), [](const cdi::Mount& mount) {
        return mount.host_path == "/driver/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04" &&
               mount.container_path == "/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04";
    }));
    cdi::transform_root(file, "/dev/nvidia0", "/somewhere");
    BOOST_TEST(file.devices[0].container_edits.device_nodes[0].host_path == "/somewhere");
    cdi::transform_root(file, "/", "/host");
    BOOST_TEST(file.devices[0].container_edits.device_nodes[0].host_path == "/host/somewhere");
    BOOST_TEST(file.container_edits.device_nodes[0].path.starts_with("/dev/"));
    cdi::validate(file);
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
