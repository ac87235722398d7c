#include "gpu/edits.h"

#include <boost/test/unit_test.hpp>

using namespace gpurun;
using gpu::NodeStyle;

namespace {

gpu::Edits one_device() {
    gpu::Edits edits;
    edits.devices.push_back(
        {.path = "/dev/nvidia0", .host_path = "/dev/nvidia0", .major = 195, .minor = 0, .file_mode = 0666});
    return edits;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_edits)

BOOST_AUTO_TEST_CASE(the_last_assignment_of_a_variable_counts) {
    const std::vector<std::string> env{"A=1", "AB=2", "A=3", "B"};
    BOOST_TEST(gpu::environment_value(env, "A").value() == "3");
    BOOST_TEST(gpu::environment_value(env, "AB").value() == "2");
    BOOST_TEST(!gpu::environment_value(env, "B").has_value());
}

BOOST_AUTO_TEST_CASE(a_device_is_made_with_its_rule_behind_every_denial) {
    spec::Spec spec;
    spec.linux.emplace().resources.emplace().devices = {
        {.allow = true, .type = "c", .major = 195, .minor = 0, .access = "rw"},
        {.allow = false, .type = "a", .access = "rwm"}};
    spec.linux->devices.push_back({.type = "c", .path = "/dev/nvidia0", .major = 1, .minor = 3});
    gpu::apply(one_device(), spec, {});
    BOOST_TEST(spec.linux->devices.size() == 1u);
    BOOST_TEST(spec.linux->devices[0].major == 195);
    const auto& rules = spec.linux->resources->devices;
    BOOST_TEST(rules.size() == 3u);
    BOOST_TEST(
        (rules.back() == spec::DeviceRule{.allow = true, .type = "c", .major = 195, .minor = 0, .access = "rw"}));
}

BOOST_AUTO_TEST_CASE(an_equal_rule_behind_the_last_denial_is_not_doubled) {
    spec::Spec spec;
    gpu::apply(one_device(), spec, {});
    gpu::apply(one_device(), spec, {});
    BOOST_TEST(spec.linux->resources->devices.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_user_namespace_gets_the_hosts_node_bound_without_nodev) {
    spec::Spec spec;
    spec.linux.emplace().namespaces.push_back({.type = spec::NamespaceType::user});
    BOOST_TEST((gpu::node_style(spec, false) == NodeStyle::bind));
    gpu::apply(one_device(), spec, {.nodes = NodeStyle::bind});
    BOOST_TEST(spec.linux->devices.empty());
    BOOST_TEST(spec.mounts.size() == 1u);
    BOOST_TEST(spec.mounts[0].source == "/dev/nvidia0");
    const auto& options = spec.mounts[0].options;
    BOOST_TEST((std::find(options.begin(), options.end(), "nodev") == options.end()));
}

BOOST_AUTO_TEST_CASE(a_mount_replaces_the_one_at_its_destination_and_sorts_by_depth_on_request) {
    spec::Spec spec;
    spec.mounts = {{.destination = "/a/b/c", .source = "/1"},
                   {.destination = "/a", .source = "/2"},
                   {.destination = "/a/b", .source = "/3"}};
    gpu::Edits edits;
    edits.mounts.push_back({.destination = "/a", .source = "/4"});
    gpu::apply(std::move(edits), spec, {.order = gpu::MountOrder::by_depth});
    BOOST_TEST(spec.mounts.size() == 3u);
    BOOST_TEST(spec.mounts[0].source == "/4");
    BOOST_TEST(spec.mounts[1].source == "/3");
    BOOST_TEST(spec.mounts[2].source == "/1");
}

BOOST_AUTO_TEST_CASE(environment_and_groups_are_replaced_not_doubled_and_group_0_is_dropped) {
    spec::Spec spec;
    spec.process.emplace().env = {"A=1", "B=2"};
    spec.process->user.additional_gids = {44};
    gpu::Edits edits;
    edits.env = {"A=3"};
    edits.additional_gids = {0, 44, 109};
    gpu::apply(std::move(edits), spec, {});
    BOOST_TEST((spec.process->env == std::vector<std::string>{"B=2", "A=3"}));
    BOOST_TEST((spec.process->user.additional_gids == std::vector<std::uint32_t>{44, 109}));
}

BOOST_AUTO_TEST_CASE(added_edits_keep_the_later_of_two_equals) {
    gpu::Edits edits = one_device();
    gpu::Edits more = one_device();
    more.devices[0].minor = 7;
    more.env = {"X=1"};
    gpu::add(edits, std::move(more));
    BOOST_TEST(edits.devices.size() == 1u);
    BOOST_TEST(edits.devices[0].minor == 7);
}

BOOST_AUTO_TEST_CASE(printing_cuts_the_fixture_root_off_host_paths) {
    gpu::Edits edits;
    edits.mounts.push_back({.destination = "/usr/lib64/libcuda.so.1",
                            .type = "bind",
                            .source = "/tmp/host/usr/lib/libcuda.so.1",
                            .options = {"bind", "ro"}});
    BOOST_TEST(gpu::print(edits, "/tmp/host/") ==
               "mount /usr/lib/libcuda.so.1 at /usr/lib64/libcuda.so.1 bind bind,ro\n");
}

BOOST_AUTO_TEST_SUITE_END()
