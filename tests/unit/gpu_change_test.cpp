#include <gpurun/error.h>
#include <gpurun/gpu.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "gpu/nvml.h"
#include "gpu_hosts.h"

using namespace gpurun;

namespace {

// A container that got its GPUs when it was made.
spec::Spec container(std::initializer_list<int> minors, bool driver = true) {
    spec::Spec spec;
    spec.process.emplace();
    auto& config = spec.linux.emplace();
    auto& rules = config.resources.emplace().devices;
    rules.push_back({.allow = false, .access = "rwm"});
    const auto add = [&](const std::string& path, int minor) {
        config.devices.push_back({.type = "c", .path = path, .major = 195, .minor = minor});
        rules.push_back({.allow = true, .type = "c", .major = 195, .minor = minor, .access = "rw"});
    };
    if (driver) add("/dev/nvidiactl", 255);
    for (const int minor : minors) add(format("/dev/nvidia{}", minor), minor);
    return spec;
}

gpu::Change change(const spec::Spec& config, std::vector<std::string> add, std::vector<std::string> remove,
                   const std::string& host = "h200-x2") {
    gpu::Options options;
    options.host_root = GPURUN_HOSTS "/" + host;
    return gpu::change_gpus(config, add, remove, options);
}

std::string paths(const std::vector<gpu::Device>& devices) {
    std::string text;
    for (const auto& device : devices) text += device.path + " ";
    return text;
}

std::string nodes(const spec::Spec& spec) {
    std::string text;
    for (const auto& device : spec.linux->devices) text += device.path + " ";
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_change)

BOOST_AUTO_TEST_CASE(an_added_gpu_brings_its_node_and_rule) {
    auto config = container({0});
    const auto found = change(config, {"1"}, {});
    BOOST_TEST(paths(found.added) == "/dev/nvidia1 ");
    BOOST_TEST(!found.lacks_driver);
    BOOST_TEST(found.shown.empty());
    gpu::apply_change(found, config);
    BOOST_TEST(nodes(config) == "/dev/nvidiactl /dev/nvidia0 /dev/nvidia1 ");
    const spec::DeviceRule rule{.allow = true, .type = "c", .major = 195, .minor = 1, .access = "rw"};
    BOOST_TEST((config.linux->resources->devices.back() == rule));
}

BOOST_AUTO_TEST_CASE(a_gpu_that_is_there_is_not_added_again) {
    BOOST_TEST(change(container({0, 1}), {"all"}, {}).empty());
}

BOOST_AUTO_TEST_CASE(a_removed_gpu_takes_its_node_and_rule_along) {
    auto config = container({0, 1});
    const auto found = change(config, {}, {"GPU-00000002-ab60-6d25-5d87-ee417aaddb56"});
    BOOST_TEST(paths(found.removed) == "/dev/nvidia1 ");
    gpu::apply_change(found, config);
    BOOST_TEST(nodes(config) == "/dev/nvidiactl /dev/nvidia0 ");
    for (const auto& rule : config.linux->resources->devices) BOOST_TEST((rule.minor != 1));
}

BOOST_AUTO_TEST_CASE(what_a_wildcard_still_allows_is_denied) {
    auto config = container({0});
    config.linux->resources->devices = {{.allow = true, .access = "rwm"}};
    gpu::apply_change(change(config, {}, {"0"}), config);
    const spec::DeviceRule denial{.allow = false, .type = "c", .major = 195, .minor = 0, .access = "rwm"};
    BOOST_TEST((config.linux->resources->devices.back() == denial));
    gpu::apply_change(change(config, {"0"}, {}), config);
    for (const auto& rule : config.linux->resources->devices) BOOST_TEST(rule.allow);
}

BOOST_AUTO_TEST_CASE(hidden_procfs_shows_what_is_added_and_hides_what_is_removed) {
    auto config = container({0});
    config.mounts.push_back({.destination = "/proc/driver/nvidia/gpus", .type = "tmpfs"});
    config.mounts.push_back({.destination = "/proc/driver/nvidia/gpus/0000:00:06.0", .type = "bind"});
    const auto found = change(config, {"1"}, {"0"});
    BOOST_TEST(found.shown.at(0).destination == "/proc/driver/nvidia/gpus/0000:00:07.0");
    BOOST_TEST(found.hidden.at(0) == "/proc/driver/nvidia/gpus/0000:00:06.0");
    gpu::apply_change(found, config);
    BOOST_TEST(config.mounts.back().destination == "/proc/driver/nvidia/gpus/0000:00:07.0");
    BOOST_TEST(config.mounts.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_container_without_driver_gets_its_control_nodes_too) {
    const auto found = change(container({}, false), {"0"}, {});
    BOOST_TEST(found.lacks_driver);
    BOOST_TEST(paths(found.added) == "/dev/nvidiactl /dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia0 ");
}

BOOST_AUTO_TEST_CASE(mig_instances_come_with_their_capabilities) {
    auto config = container({0});
    const auto found = change(config, {"0:1"}, {}, "mig");
    BOOST_TEST(paths(found.added) == "/dev/nvidia-caps/nvidia-cap21 /dev/nvidia-caps/nvidia-cap22 ");
}

BOOST_AUTO_TEST_CASE(what_can_not_be_changed_is_refused) {
    BOOST_CHECK_THROW(change(container({0}), {"7"}, {}), Error);
    BOOST_CHECK_THROW(change(container({0}), {}, {"1"}), Error);
    BOOST_CHECK_THROW(change(container({0}), {"vendor.example/gpu=0"}, {}), Error);
    BOOST_CHECK_THROW(change(container({0}), {"0"}, {}, "no-driver"), Error);
}

BOOST_AUTO_TEST_CASE(the_helpers_numbers_are_read_by_gpu_and_process) {
    const auto gpus = gpu::parse_usage(
        "driver 580.159.04 13.0\ngpu 0000:00:06.0 GPU-1\nmemory 1000 600\nprocess 7 400\nprocess 8 100\nprocess 7 300\n"
        "mig 1 0 MIG-a\ngpu 0000:00:07.0 GPU-2\nmemory 2000 0\n");
    BOOST_TEST(gpus.size() == 2u);
    BOOST_TEST(gpus[0].used == 600u);
    BOOST_TEST(gpus[0].processes.size() == 2u);
    BOOST_TEST(gpus[0].processes[0].memory == 400u);
    BOOST_TEST(gpus[1].index == 1u);
    BOOST_TEST(gpus[1].processes.empty());
    for (const char* text :
         {"process 1 2\n", "memory 1\n", "gpu a\n", "gpu a b\nprocess x 1\n", "gpu a b\nmemory 1 -1\n"})
        BOOST_CHECK_THROW(gpu::parse_usage(text), Error);
}

BOOST_AUTO_TEST_CASE(a_gpu_is_told_by_its_node) {
    BOOST_TEST(gpu::has_gpu(container({3})));
    BOOST_TEST(!gpu::has_gpu(container({})));
    BOOST_TEST(!gpu::has_gpu(spec::Spec{}));
}

BOOST_AUTO_TEST_SUITE_END()
