#include "cli/gpu_tables.h"

#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "cli/columns.h"
#include "gpu_hosts.h"
#include "test_paths.h"

using namespace gpurun;

namespace {

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// A host's tree stands where the test was built; what is printed must not say where.
std::string without(std::string text, const std::string& root) {
    for (auto at = text.find(root); at != std::string::npos; at = text.find(root, at)) text.erase(at, root.size());
    return text;
}

std::string nodes(const gpu::Survey& survey) {
    const auto wanted = gpu::wanted_nodes(survey);
    std::vector<gpu::NodeState> states;
    for (const auto& node : wanted) states.push_back(gpu::state_of(survey.host, node));
    return cli::node_table(wanted, states);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cli_gpu_tables)

// GPURUN_ACCEPT=1 writes what came out; a difference in these files is a change of behaviour.
BOOST_AUTO_TEST_CASE(what_is_printed_of_every_host_is_as_agreed) {
    for (const std::string name : {"h200", "h200-x2", "h200-x8", "mig", "no-driver", "mismatch", "debian", "fedora",
                                   "gke", "wsl", "tegra", "driver-container"}) {
        const std::string root = GPURUN_HOSTS "/" + name;
        const auto survey = gpu::survey(root, false);
        const auto findings = gpu::examine(survey);
        auto host = gpu::describe_host(survey);
        // The others are all defaults and tested elsewhere.
        std::erase_if(host.config, [](const auto& setting) { return setting.first != "load-modules"; });
        const std::string text =
            without("# list\n" + cli::gpu_table(gpu::describe_gpus(survey, nullptr)) + "# info\n" +
                        cli::host_text(host) + "# check\n" + cli::check_text(findings) + "# doctor\n" +
                        cli::doctor_text(findings) + "# create-nodes --dry-run\n" + nodes(survey),
                    root);
        const std::string path = GPURUN_FIXTURES "/gpu-commands/" + name + ".txt";
        if (::getenv("GPURUN_ACCEPT") != nullptr) std::ofstream(path) << text;
        BOOST_TEST(text == read(path), path << " differs from\n" << text);
    }
}

BOOST_AUTO_TEST_CASE(columns_are_as_wide_as_their_widest_cell) {
    BOOST_TEST(cli::columns({{"A", "B"}, {"a long cell", "b"}}) == "A             B\na long cell   b\n");
}

BOOST_AUTO_TEST_CASE(an_empty_list_is_a_heading_and_an_empty_array) {
    BOOST_TEST(cli::gpu_table({}).starts_with("INDEX"));
    BOOST_TEST(gpu::to_json(std::vector<gpu::GpuDescription>()) == "[]\n");
}

BOOST_AUTO_TEST_SUITE_END()
