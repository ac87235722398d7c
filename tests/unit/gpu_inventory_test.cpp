#include "gpu/inventory.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu_hosts.h"

using namespace gpurun;

namespace {

std::optional<gpu::Inventory> inventory(const std::string& name) {
    return gpu::read_inventory(gpu::open_host(GPURUN_HOSTS "/" + name));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_inventory)

BOOST_AUTO_TEST_CASE(the_recorded_machine_has_its_driver_and_gpu) {
    const auto found = inventory("h200");
    BOOST_TEST(found->version == "580.159.04");
    BOOST_TEST(found->branch() == 580u);
    BOOST_TEST(found->open_module);
    BOOST_TEST(found->gpus.size() == 1u);
    const auto& gpu = found->gpus[0];
    BOOST_TEST(gpu.bus_id == "0000:00:06.0");
    BOOST_TEST(gpu.uuid == "GPU-cce09752-ab60-6d25-5d87-ee417aaddb56");
    BOOST_TEST(gpu.model == "NVIDIA H200");
    BOOST_TEST(gpu.mig.empty());
    BOOST_TEST(found->majors.nvidia == 195u);
    BOOST_TEST(found->majors.uvm == 238u);
    BOOST_TEST(found->majors.caps == 241u);
    BOOST_TEST(found->parameters.modify_device_files);
    BOOST_TEST(found->parameters.mode == 0666u);
}

BOOST_AUTO_TEST_CASE(indexes_follow_the_bus_and_leave_excluded_gpus_out) {
    const auto found = inventory("h200-x8");
    BOOST_TEST(found->gpus.size() == 7u);
    BOOST_TEST(found->excluded.size() == 1u);
    BOOST_TEST(found->excluded[0].bus_id == "0000:52:00.0");
    BOOST_TEST(found->gpus[4].bus_id == "0000:c3:00.0");
    BOOST_TEST(found->gpus[4].minor == 6u);
    BOOST_TEST(found->gpus[5].minor == 5u);
    for (unsigned i = 0; i < found->gpus.size(); ++i) BOOST_TEST(found->gpus[i].index == i);
}

BOOST_AUTO_TEST_CASE(mig_instances_come_with_their_nodes) {
    const auto found = inventory("mig");
    BOOST_TEST(found->gpus[0].mig.size() == 2u);
    BOOST_TEST(found->gpus[0].mig[1].gpu_instance == 2u);
    BOOST_TEST(found->gpus[0].mig[1].compute_minor == 22u);
    BOOST_TEST(found->gpus[0].mig[1].compute_mode == 0444u);
    BOOST_TEST(found->gpus[1].mig.empty());
}

BOOST_AUTO_TEST_CASE(a_machine_without_the_driver_has_no_inventory) {
    BOOST_TEST(!inventory("no-driver").has_value());
    BOOST_TEST(!inventory("wsl").has_value());
}

BOOST_AUTO_TEST_CASE(an_unused_gpu_has_no_uuid_yet) {
    const auto found = inventory("debian");
    BOOST_TEST(found->gpus[0].uuid.empty());
    const std::vector<std::string> nodes{"card0", "renderD128"};
    BOOST_TEST(gpu::drm_nodes(gpu::open_host(GPURUN_HOSTS "/debian"), "0000:01:00.0") == nodes,
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(both_styles_of_the_version_line_are_read) {
    BOOST_TEST(gpu::parse_driver_version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue\n").value() ==
               "550.163.01");
    BOOST_TEST(
        gpu::parse_driver_version("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82  Release Build\n")
            .value() == "580.82");
    BOOST_TEST(!gpu::parse_driver_version("NVRM version: none\nGCC version: 12.2.0\n").has_value());
    BOOST_TEST(!gpu::parse_driver_version("Kernel Module soon\nGCC version: 12.2.0\n").has_value());
}

BOOST_AUTO_TEST_CASE(kept_gpus_are_what_was_read) {
    auto found = inventory("h200-x8").value();
    found.gpus.insert(found.gpus.end(), found.excluded.begin(), found.excluded.end());
    const auto kept = gpu::parse_gpus(gpu::write_gpus(found.gpus)).value();
    BOOST_TEST(kept.size() == 8u);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        BOOST_TEST(kept[i].bus_id == found.gpus[i].bus_id);
        BOOST_TEST(kept[i].minor == found.gpus[i].minor);
        BOOST_TEST(kept[i].uuid == found.gpus[i].uuid);
        BOOST_TEST(kept[i].model == "NVIDIA H200");
        BOOST_TEST(kept[i].excluded == found.gpus[i].excluded);
    }
    for (const char* text :
         {"x", "0000:00:06.0 x usable GPU-1 M", "0000:00:06.0 1 maybe GPU-1 M", "0000:00:06.0 1 usable GPU-1"})
        BOOST_TEST(!gpu::parse_gpus(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(the_old_drivers_major_has_another_name_and_block_devices_do_not_count) {
    const auto majors =
        gpu::parse_majors("Character devices:\n195 nvidia-frontend\nx nvidia-uvm\n\nBlock devices:\n8 nvidia-caps\n");
    BOOST_TEST(majors.nvidia == 195u);
    BOOST_TEST(majors.uvm == 0u);
    BOOST_TEST(majors.caps == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
