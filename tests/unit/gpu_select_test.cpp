#include "gpu/select.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu/nvml.h"

using namespace gpurun;

namespace {

// Answers as the helper would, and counts how often it is asked.
class Recorded : public gpu::NvmlSource {
 public:
    gpu::NvmlFacts ask() override {
        ++asked;
        return gpu::parse_nvml(
            "gpu 0000:00:06.0 GPU-1\nmig 1 0 MIG-a\nmig 2 0 MIG-b\n"
            "gpu 0000:00:07.0 GPU-2\n");
    }
    int asked = 0;
};

gpu::Inventory two_gpus() {
    gpu::Inventory inventory;
    inventory.version = "580.159.04";
    inventory.gpus.push_back({.index = 0,
                              .minor = 1,
                              .bus_id = "0000:00:06.0",
                              .uuid = "GPU-1",
                              .mig = {{.gpu_instance = 1, .gpu_minor = 12, .compute_minor = 13},
                                      {.gpu_instance = 2, .gpu_minor = 21, .compute_minor = 22}}});
    inventory.gpus.push_back({.index = 1, .minor = 0, .bus_id = "0000:00:07.0", .uuid = "", .mig = {}});
    return inventory;
}

struct Result {
    std::string gpus;  // "INDEX/INSTANCES" of each
    int asked = 0;
};

Result chosen(std::vector<std::string> ids) {
    gpu::Request request;
    request.ids = std::move(ids);
    request.origin = "the test";
    Recorded nvml;
    Result result;
    try {
        for (const auto& gpu : gpu::select(two_gpus(), request, nvml).gpus) {
            result.gpus += std::to_string(gpu.index) + "/";
            for (const auto& instance : gpu.mig) result.gpus += std::to_string(instance.gpu_instance);
            result.gpus += " ";
        }
    } catch (const Error& error) {
        result.gpus = error.message;
    }
    result.asked = nvml.asked;
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_select)

BOOST_AUTO_TEST_CASE(names_are_resolved_without_nvml_where_the_kernel_tells) {
    struct Row {
        const char *id, *gpus;
    };
    constexpr Row rows[] = {{"0", "0/12 "},
                            {"1", "1/ "},
                            {"gpu-1", "0/12 "},
                            {"0000:00:07.0", "1/ "},
                            {"00000000:00:07.0", "1/ "},
                            {"00:06.0", "0/12 "},
                            {"MIG-GPU-1/2/0", "0/2 "}};
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.id) {
            const auto result = chosen({row.id});
            BOOST_TEST(result.gpus == row.gpus);
            BOOST_TEST(result.asked == 0);
        }
    }
}

BOOST_AUTO_TEST_CASE(nvml_is_asked_once_for_what_only_it_knows) {
    const auto result = chosen({"MIG-b", "mig-nothing", "GPU-2"});
    BOOST_TEST(result.gpus.find("unknown GPU device \"mig-nothing\"") != std::string::npos);
    const auto both = chosen({"MIG-b", "MIG-a", "GPU-2"});
    BOOST_TEST(both.gpus == "0/12 1/ ");
    BOOST_TEST(both.asked == 1);
}

BOOST_AUTO_TEST_CASE(mig_devices_are_counted_as_nvml_counts_them) {
    class Other : public gpu::NvmlSource {
     public:
        gpu::NvmlFacts ask() override {
            return gpu::parse_nvml("gpu 0000:00:06.0 GPU-1\nmig 2 0 MIG-b\nmig 1 0 MIG-a\n");
        }
    } nvml;
    class Silent : public gpu::NvmlSource {
     public:
        gpu::NvmlFacts ask() override { throw Error("no NVML"); }
    } silent;
    gpu::Request request;
    request.ids = {"0:0"};
    BOOST_TEST(gpu::select(two_gpus(), request, nvml).gpus.at(0).mig.at(0).gpu_instance == 2u);
    // Without NVML, by the instances' numbers.
    BOOST_TEST(gpu::select(two_gpus(), request, silent).gpus.at(0).mig.at(0).gpu_instance == 1u);
    BOOST_TEST(chosen({"0:1"}).gpus == "0/2 ");
}

BOOST_AUTO_TEST_CASE(a_gpu_named_twice_is_there_once_and_brings_all_its_instances) {
    BOOST_TEST(chosen({"0:1", "0", "0"}).gpus == "0/12 ");
}

BOOST_AUTO_TEST_CASE(unknown_names_are_refused) {
    for (const char* id : {"2", "GPU-3", "MIG-c", "0:2", "1:0", "MIG-GPU-1/9/0", "0000:99:00.0", "Tesla V100", "-1",
                           "99999999999999999999"})
        BOOST_TEST(chosen({id}).gpus.find("unknown GPU device") != std::string::npos, id);
}

BOOST_AUTO_TEST_CASE(the_helpers_answer_is_checked) {
    BOOST_CHECK_THROW(gpu::parse_nvml("mig 1 0 MIG-a\n"), Error);
    BOOST_CHECK_THROW(gpu::parse_nvml("gpu 0000:00:06.0\n"), Error);
    BOOST_CHECK_THROW(gpu::parse_nvml("gpu a b\nmig x 0 MIG-a\n"), Error);
    BOOST_TEST(gpu::parse_nvml("").empty());
}

BOOST_AUTO_TEST_SUITE_END()
