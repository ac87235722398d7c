#include "gpu/hooks_recognise.h"

#include <boost/test/unit_test.hpp>

#include "gpu/cdi_registry.h"
#include "sys/file.h"
#include "test_paths.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

spec::Hook hook(std::vector<std::string> args, const std::string& folder = "/usr/bin/") {
    return {.path = folder + args.front(), .args = std::move(args), .env = std::nullopt, .timeout = std::nullopt};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_hooks)

BOOST_AUTO_TEST_CASE(every_hook_of_a_recorded_file_is_taken) {
    const std::string path = std::string(GPURUN_FIXTURES) + "/cdi/nvidia-h200.yaml";
    const auto file = cdi::read(path, sys::read_file(path));
    cdi::ContainerEdits edits;
    edits.hooks = file.container_edits.hooks;
    auto hooks = *cdi::to_edits(edits, {}).hooks;
    BOOST_TEST(has_recognised_hooks(hooks));
    const HookOrders orders = take_hooks(hooks);
    BOOST_TEST(hooks.create_container.empty());
    BOOST_TEST(!has_recognised_hooks(hooks));
    BOOST_TEST(orders.links.size() == 46u);
    BOOST_TEST(
        (orders.links.front() == Link{"/usr/local/nvidia/lib64/gbm/nvidia-drm_gbm.so", "../libnvidia-allocator.so.1"}));
    BOOST_TEST(orders.library_folders.at(0) == "/usr/local/nvidia/lib64");
    BOOST_TEST(orders.compat->driver_version == "580.159.04");
    BOOST_TEST(orders.mask_parameters);
    BOOST_TEST(orders.application_profile);
    BOOST_TEST(!orders.by_environment);
}

BOOST_AUTO_TEST_CASE(options_may_be_joined_and_the_older_program_is_known) {
    spec::Hooks hooks;
    hooks.create_container = {
        hook({"nvidia-ctk", "--quiet", "hook", "create-symlinks", "--link=a::/b", "-link", "c::/d"}),
        hook({"nvidia-ctk", "hook", "update-ldcache", "--ldconfig-path", "@/sbin/ldconfig", "--folder=/x"}),
        hook({"nvidia-ctk", "hook", "chmod", "--mode", "755", "--path", "/dev/dri"})};
    const HookOrders orders = take_hooks(hooks);
    BOOST_TEST(hooks.create_container.empty());
    BOOST_TEST((orders.links == std::vector<Link>{{"/b", "a"}, {"/d", "c"}}));
    BOOST_TEST(orders.library_folders.at(0) == "/x");
}

BOOST_AUTO_TEST_CASE(soname_links_and_the_old_name_of_the_mask_are_known) {
    spec::Hooks hooks;
    hooks.create_container = {hook({"nvidia-cdi-hook", "create-soname-symlinks", "--folder", "/a/", "--folder=/b"}),
                              hook({"nvidia-cdi-hook", "update-nvidia-params"})};
    const HookOrders orders = take_hooks(hooks);
    BOOST_TEST(hooks.create_container.empty());
    const std::vector<std::string> folders{"/a", "/b"};
    BOOST_TEST(orders.soname_folders == folders, boost::test_tools::per_element());
    BOOST_TEST(orders.mask_parameters);
    BOOST_TEST(orders.library_folders.empty());
    BOOST_TEST(orders.from_cdi_file());
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_stays_in_its_order) {
    const std::vector<spec::Hook> foreign{
        hook({"nvidia-cdi-hook", "brand-new", "--x", "1"}),
        hook({"nvidia-cdi-hook", "create-symlinks", "--unknown", "1"}),
        hook({"nvidia-cdi-hook", "create-symlinks", "--link", "no separator"}),
        hook({"nvidia-cdi-hook", "create-symlinks", "--link"}),
        hook({"nvidia-cdi-hook", "chmod", "--mode", "4755", "--path", "/dev/dri"}),
        hook({"nvidia-cdi-hook", "chmod", "--mode", "755", "--path", "/etc"}),
        hook({"nvidia-cdi-hook"}),
        hook({"nvidia-ctk", "cdi", "generate"}),
        hook({"acme-hook", "create-symlinks", "--link", "a::/b"}),
        spec::Hook{.path = "/usr/bin/nvidia-cdi-hook", .args = {}, .env = {}, .timeout = {}}};
    spec::Hooks hooks;
    hooks.create_container = foreign;
    BOOST_TEST(!has_recognised_hooks(hooks));
    BOOST_TEST(take_hooks(hooks).empty());
    BOOST_TEST(hooks.create_container.size() == foreign.size());
    for (std::size_t index = 0; index < foreign.size(); ++index)
        BOOST_TEST(hooks.create_container[index].args == foreign[index].args, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_half_understood_hook_leaves_no_order_behind) {
    spec::Hooks hooks;
    hooks.create_container = {hook({"nvidia-cdi-hook", "create-symlinks", "--link", "a::/b", "--unknown", "x"})};
    BOOST_TEST(take_hooks(hooks).links.empty());
}

BOOST_AUTO_TEST_CASE(links_cannot_climb_out_of_the_root) {
    spec::Hooks hooks;
    hooks.create_container = {hook({"nvidia-cdi-hook", "create-symlinks", "--link", "x::/lib/../../../etc/passwd"})};
    BOOST_TEST(take_hooks(hooks).links.at(0).path == "/etc/passwd");
}

BOOST_AUTO_TEST_CASE(dockers_hook_means_a_request_by_environment) {
    for (const auto stage : {&spec::Hooks::prestart, &spec::Hooks::create_runtime}) {
        spec::Hooks hooks;
        hooks.*stage = {hook({"other"}), hook({"nvidia-container-runtime-hook", "prestart"}),
                        hook({"nvidia-container-toolkit", "prestart"}, "/opt/")};
        BOOST_TEST(take_hooks(hooks).by_environment);
        BOOST_TEST((hooks.*stage).size() == 1u);
    }
    spec::Hooks hooks;
    hooks.poststop = {hook({"nvidia-container-runtime-hook", "poststop"})};
    BOOST_TEST(!has_recognised_hooks(hooks));
}

BOOST_AUTO_TEST_CASE(our_marker_names_devices) {
    spec::Hooks hooks;
    hooks.create_container = {marker_hook("/usr/sbin/gpurun", "nvidia.com/gpu=0"),
                              marker_hook("/usr/sbin/gpurun", "nvidia.com/gpu=1"),
                              hook({"gpurun", "cdi-hook", "inject", "0"})};
    const std::vector<std::string> expected{"nvidia.com/gpu=0", "nvidia.com/gpu=1"};
    BOOST_TEST(take_hooks(hooks).devices == expected, boost::test_tools::per_element());
    BOOST_TEST(hooks.create_container.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
