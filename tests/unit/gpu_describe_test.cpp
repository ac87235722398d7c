#include "gpu/describe.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

class Answer : public NvmlSource {
 public:
    NvmlFacts ask() override {
        ++asked;
        return {{.bus_id = "0000:00:06.0",
                 .uuid = "GPU-known",
                 .mig = {{.gpu_instance = 2, .compute_instance = 0, .uuid = "MIG-second"},
                         {.gpu_instance = 1, .compute_instance = 0, .uuid = "MIG-first"}}}};
    }
    int asked = 0;
};

class Refusal : public NvmlSource {
 public:
    NvmlFacts ask() override { throw Error("no NVML"); }
};

std::vector<GpuDescription> gpus_of(const char* name, NvmlSource* nvml = nullptr) {
    return describe_gpus(survey(std::string(GPURUN_HOSTS "/") + name, false), nvml);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_describe)

BOOST_AUTO_TEST_CASE(gpus_come_in_pci_order_with_the_excluded_last) {
    const auto gpus = gpus_of("h200-x8");
    BOOST_TEST(gpus.size() == 8u);
    BOOST_TEST(gpus[2].bus_id == "0000:61:00.0");
    BOOST_TEST(gpus[4].bus_id == "0000:c3:00.0");
    BOOST_TEST(gpus[4].minor.value() == 6u);
    BOOST_TEST(gpus.back().excluded);
    BOOST_TEST(!gpus.back().index);
}

BOOST_AUTO_TEST_CASE(instances_get_their_uuids_from_nvml_when_it_answers) {
    Answer answer;
    auto gpus = gpus_of("mig", &answer);
    BOOST_TEST(answer.asked == 1);
    BOOST_TEST(gpus[0].mig.at(0).name == "0:0");
    BOOST_TEST(gpus[0].mig.at(0).uuid == "MIG-first");
    BOOST_TEST(gpus[0].mig.at(1).uuid == "MIG-second");
    Refusal refusal;
    gpus = gpus_of("mig", &refusal);
    BOOST_TEST(gpus[0].mig.at(1).uuid == "");
    Answer unasked;
    gpus_of("h200", &unasked);
    BOOST_TEST(unasked.asked == 0);
}

BOOST_AUTO_TEST_CASE(sysfs_tells_the_node_and_the_cpus) {
    const test::TemporaryDirectory root;
    root.write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  date\n");
    root.write("proc/driver/nvidia/gpus/0000:01:00.0/information",
               "Model: \t NVIDIA A100\nGPU UUID: \t GPU-1\nDevice Minor: \t 4\n");
    root.write("sys/bus/pci/devices/0000:01:00.0/numa_node", "1\n");
    root.write("sys/bus/pci/devices/0000:01:00.0/local_cpulist", "32-63\n");
    const auto gpus = describe_gpus(survey(root.path(), false), nullptr);
    BOOST_TEST(gpus.at(0).numa_node.value() == 1);
    BOOST_TEST(gpus.at(0).cpus == "32-63");
    root.write("sys/bus/pci/devices/0000:01:00.0/numa_node", "-1\n");
    BOOST_TEST(!describe_gpus(survey(root.path(), false), nullptr).at(0).numa_node);
}

BOOST_AUTO_TEST_CASE(machines_without_a_driver_have_no_gpus_or_those_of_windows_or_tegra) {
    BOOST_TEST(gpus_of("no-driver").empty());
    BOOST_TEST(gpus_of("wsl").at(0).name == "all");
    BOOST_TEST(gpus_of("tegra").at(0).name == "0");
}

BOOST_AUTO_TEST_CASE(the_host_tells_versions_files_and_settings) {
    const auto host = describe_host(survey(GPURUN_HOSTS "/driver-container", false));
    BOOST_TEST(host.driver_version == "580.159.04");
    BOOST_TEST(host.modules_flavour == "open");
    BOOST_TEST(host.cuda_version == "13.0");
    BOOST_TEST(host.driver_root == "/run/nvidia/driver");
    BOOST_TEST(host.majors.at("nvidia-uvm") == 238u);
    BOOST_TEST(host.modules.at("nvidia-uvm"));
    BOOST_TEST(host.config_file == "/etc/gpurun/gpurun.toml");
    BOOST_TEST(host.config.at("load-modules") == "false");
    BOOST_TEST(host.config.at("cdi-annotations") == "auto");
    const auto cuda = std::find_if(host.libraries.begin(), host.libraries.end(),
                                   [](const auto& library) { return library.soname == "libcuda.so.1"; });
    BOOST_REQUIRE(cuda != host.libraries.end());
    BOOST_TEST(cuda->path == "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04");
    BOOST_TEST(cuda->capabilities.at(0) == "compute");
    const std::string json = to_json(host);
    BOOST_TEST(json.find("\"driverVersion\": \"580.159.04\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_can_not_be_read_is_a_problem_and_no_error) {
    const auto host = describe_host(survey(GPURUN_HOSTS "/mismatch", false));
    BOOST_TEST(host.problems.size() == 1u);
    BOOST_TEST(host.libraries.empty());
    BOOST_CHECK_THROW(survey("/nonexistent", false), Error);
}

BOOST_AUTO_TEST_SUITE_END()
