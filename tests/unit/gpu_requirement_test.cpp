#include "gpu/requirement.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

using namespace gpurun;

namespace {

std::string failure(const char* expression, const char* driver = "580.159.04", const char* model = "NVIDIA H200") {
    try {
        gpu::check_requirement({"NVIDIA_REQUIRE_CUDA", expression}, gpu::properties_of(driver, model));
    } catch (const Error& error) {
        return error.message;
    }
    return {};
}

bool holds(const char* expression, const char* driver = "580.159.04", const char* model = "NVIDIA H200") {
    return failure(expression, driver, model).empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_requirement)

BOOST_AUTO_TEST_CASE(commas_are_and_blanks_are_or) {
    BOOST_TEST(holds("cuda>=13.0"));
    BOOST_TEST(!holds("cuda>=13.0,driver<580"));
    BOOST_TEST(holds("cuda>=99 driver>=580,driver<581"));
    BOOST_TEST(!holds("cuda>=99 driver>=581"));
    BOOST_TEST(holds(""));
    BOOST_TEST(holds(" cuda>=1 \t cuda>=99"));
}

BOOST_AUTO_TEST_CASE(every_operator_compares_versions_by_parts) {
    BOOST_TEST(holds("cuda=13"));
    BOOST_TEST(holds("cuda!=12.9"));
    BOOST_TEST(holds("cuda<13.1"));
    BOOST_TEST(holds("cuda<=13.0.0"));
    BOOST_TEST(holds("driver>580.65"));
    BOOST_TEST(holds("driver>=580.159.4"));
    BOOST_TEST(!holds("driver>=580.159.5"));
    BOOST_TEST(gpu::compare_versions("12.10", "12.9") > 0);
}

BOOST_AUTO_TEST_CASE(brand_and_architecture_come_from_the_model) {
    BOOST_TEST(holds("brand=nvidia,arch>=9.0"));
    BOOST_TEST(holds("brand=GeForceRTX,arch=8.9", "580.1", "NVIDIA GeForce RTX 4090"));
    BOOST_TEST(!holds("brand=tesla", "580.1", "NVIDIA GeForce RTX 4090"));
    BOOST_TEST(holds("brand=tesla,arch=7.5", "580.1", "Tesla T4"));
    BOOST_TEST(holds("arch=8.0", "580.1", "NVIDIA A100-SXM4-80GB"));
    BOOST_TEST(holds("arch=8.6", "580.1", "NVIDIA A10G"));
}

BOOST_AUTO_TEST_CASE(what_is_not_known_counts_as_true) {
    BOOST_TEST(holds("arch>=99", "580.1", "Something New"));
    BOOST_TEST(holds("brand=tesla", "580.1", ""));
    BOOST_TEST(holds("cuda>=99", "999.1"));
}

BOOST_AUTO_TEST_CASE(an_old_driver_is_told_the_condition_that_tools_look_for) {
    const auto message = failure("cuda>=12.4 brand=tesla,driver>=470,driver<471", "535.183.01");
    BOOST_TEST(
        message.find(
            "unsatisfied condition: cuda>=12.4, please update your driver to a newer version, or use an earlier cuda "
            "container") != std::string::npos);
    BOOST_TEST(message.find("cuda=12.2") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nonsense_is_an_error_and_not_a_guess) {
    for (const char* expression : {"cuda", "cuda>", "cuda>=x", "speed>=1", "brand>tesla", "cuda>=99 =1", "cuda~12"})
        BOOST_TEST(failure(expression).find("is not a condition") != std::string::npos, expression);
}

BOOST_AUTO_TEST_CASE(evaluation_stops_where_the_result_is_known) {
    BOOST_TEST(holds("cuda>=12 nonsense", "580.1"));
    BOOST_TEST(holds("cuda>=99,nonsense cuda>=12", "580.1"));
    BOOST_TEST(holds("CUDA>=12,Brand=TESLA", "580.1", "Tesla T4"));
}

BOOST_AUTO_TEST_CASE(every_model_must_satisfy) {
    const std::vector<gpu::Requirement> requirements{{"NVIDIA_REQUIRE_CUDA", "arch>=9"}};
    BOOST_CHECK_NO_THROW(gpu::check_requirements(requirements, "580.1", {"NVIDIA H200", "NVIDIA H100 80GB HBM3"}));
    BOOST_CHECK_THROW(gpu::check_requirements(requirements, "580.1", {"NVIDIA H200", "Tesla T4"}), Error);
    BOOST_CHECK_NO_THROW(gpu::check_requirements(requirements, "580.1", {}));
}

BOOST_AUTO_TEST_SUITE_END()
