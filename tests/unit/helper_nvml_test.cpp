#include <boost/test/unit_test.hpp>

#include "sys/file.h"
#include "sys/process.h"
#include "temporary_directory.h"
#include "test_paths.h"

using namespace gpurun;

namespace {

// A driver root with the stand-in library, and the real helper run on it.
struct Driver {
    test::TemporaryDirectory root;

    Driver() { root.write("usr/lib64/libnvidia-ml.so.1", sys::read_file(GPURUN_FAKE_NVML), 0755); }
    sys::Finished ask(std::vector<std::string> more) const {
        std::vector<std::string> arguments{"gpurun-helper", "nvml"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return sys::run_program({.path = GPURUN_HELPER_PROGRAM,
                                 .arguments = std::move(arguments),
                                 .environment = {{"LD_LIBRARY_PATH=/nowhere", "ASAN_OPTIONS=detect_leaks=0"}},
                                 .input = {},
                                 .directory = "/",
                                 .timeout_seconds = 30});
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(helper_nvml, Driver)

BOOST_AUTO_TEST_CASE(gpus_and_their_instances_are_listed_from_a_confined_process) {
    const auto answer = ask({root.path()});
    BOOST_TEST(answer.exit_code == 0);
    BOOST_TEST(answer.output == "gpu 0000:3b:00.0 GPU-0\ngpu 0000:81:00.0 GPU-1\nmig 5 1 MIG-2");
}

BOOST_AUTO_TEST_CASE(about_and_usage_are_told_when_asked_for) {
    BOOST_TEST(
        ask({root.path() + "/", "about", "usage"}).output ==
        "driver 580.159.04 13.1\ngpu 0000:3b:00.0 GPU-0\nabout 0 9.0 NVIDIA H200\nmemory 1000 600\nprocess 42 512\n"
        "gpu 0000:81:00.0 GPU-1\nabout 1 9.0 NVIDIA H200\nmig 5 1 MIG-2\nmemory 1000 600");
}

BOOST_AUTO_TEST_CASE(without_a_library_one_sentence_says_so) {
    const auto answer = ask({root / "etc"});
    BOOST_TEST(answer.exit_code == 1);
    BOOST_TEST(answer.output == "libnvidia-ml.so.1 was not found below " + root / "etc");
    BOOST_TEST(ask({}).exit_code == 1);
}

BOOST_AUTO_TEST_SUITE_END()
