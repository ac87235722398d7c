#include "gpu/nodes.h"

#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

std::string text_of(const std::vector<HostNode>& nodes) {
    std::string text;
    for (const auto& node : nodes) text += format("{} {}:{} {:04o}\n", node.path, node.major, node.minor, node.mode);
    return text;
}

std::string wanted(const char* name, const std::vector<unsigned>& channels = {}) {
    return text_of(wanted_nodes(survey(std::string(GPURUN_HOSTS "/") + name, false), channels));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_nodes)

BOOST_AUTO_TEST_CASE(nodes_follow_from_modules_gpus_and_capabilities) {
    BOOST_TEST(wanted("h200", {3}) ==
               "/dev/nvidiactl 195:255 0666\n/dev/nvidia0 195:0 0666\n/dev/nvidia-uvm 238:0 0666\n"
               "/dev/nvidia-uvm-tools 238:1 0666\n/dev/nvidia-caps/nvidia-cap1 241:1 0400\n"
               "/dev/nvidia-caps/nvidia-cap2 241:2 0444\n/dev/nvidia-caps/nvidia-cap4323 241:4323 0400\n"
               "/dev/nvidia-caps-imex-channels/channel3 240:3 0666\n");
    BOOST_TEST(wanted("mig").find("/dev/nvidia-caps/nvidia-cap22 241:22 0444\n") != std::string::npos);
    BOOST_TEST(wanted("no-driver").empty());
}

BOOST_AUTO_TEST_CASE(channels_need_the_drivers_support) {
    BOOST_CHECK_EXCEPTION(
        [] {
            Survey none = survey(GPURUN_HOSTS "/h200", false);
            none.inventory->majors.imex = 0;
            wanted_nodes(none, {0});
        }(),
        Error, [](const Error& error) { return error.message.find("no IMEX channels") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(a_node_is_made_corrected_and_linked) {
    const test::TemporaryDirectory root;
    const Host host = open_host(root.path());
    HostNode node{.path = "/dev/nvidia-caps/nvidia-cap1", .major = 241, .minor = 1, .mode = 0440, .uid = 0, .gid = 44};
    BOOST_TEST((state_of(host, node) == NodeState::missing));
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: mknod needs root");
        return;
    }
    try {
        make_node(host, node);
    } catch (const Error& error) {
        BOOST_TEST_MESSAGE("skipped: mknod is refused here: " << error.text());
        return;
    }
    BOOST_TEST((state_of(host, node) == NodeState::right));
    node.mode = 0444;
    BOOST_TEST((state_of(host, node) == NodeState::other_mode));
    make_node(host, node);
    node.major = 509;
    BOOST_TEST((state_of(host, node) == NodeState::other_numbers));
    make_node(host, node);
    BOOST_TEST((state_of(host, node) == NodeState::right));
    BOOST_TEST(sys::list_directory(host.root, "dev/nvidia-caps").size() == 1u);
    BOOST_TEST(link_by_number(host, node));
    BOOST_TEST(!link_by_number(host, node));
    BOOST_TEST(sys::try_read_link(host.root, "dev/char/509:1").value_or("") == "../nvidia-caps/nvidia-cap1");
}

BOOST_AUTO_TEST_CASE(a_file_in_the_nodes_place_is_not_removed) {
    const test::TemporaryDirectory root;
    root.write("dev/nvidia0", "mine");
    const HostNode node{.path = "/dev/nvidia0", .major = 195};
    const Host host = open_host(root.path());
    BOOST_CHECK_EXCEPTION(make_node(host, node), Error, [](const Error& error) {
        return error.message.find("is a file and no device") != std::string::npos;
    });
    BOOST_TEST(sys::read_file(root / "dev/nvidia0") == "mine");
}

BOOST_AUTO_TEST_SUITE_END()
