#include "gpu/explain.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu/edits.h"
#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

spec::Spec with_env(std::vector<std::string> env) {
    spec::Spec spec;
    spec.process.emplace().env = std::move(env);
    spec.mounts = {{.destination = "/proc", .type = "proc", .source = "proc"},
                   {.destination = "/run", .type = "tmpfs", .source = "tmpfs"}};
    return spec;
}

Explanation explain_on(const std::string& host, std::vector<std::string> env, std::vector<std::string> devices = {}) {
    Options options;
    options.host_root = GPURUN_HOSTS "/" + host;
    options.devices = std::move(devices);
    return explain(with_env(std::move(env)), options);
}

const ExplainedEdit* find(const Explanation& explanation, const std::string& subject) {
    for (const auto& edit : explanation.edits)
        if (edit.subject == subject) return &edit;
    return nullptr;
}

std::string why_not(const Explanation& explanation, const std::string& what) {
    for (const auto& omission : explanation.left_out)
        if (omission.what == what) return omission.why;
    return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_explain)

BOOST_AUTO_TEST_CASE(no_edit_of_any_host_is_without_a_reason) {
    for (const char* host :
         {"h200", "h200-x2", "h200-x8", "mig", "debian", "fedora", "gke", "wsl", "tegra", "driver-container"}) {
        const auto explanation =
            explain_on(host, {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=all", "NVIDIA_GDS=disabled"});
        BOOST_TEST(explanation.problem == "", host);
        BOOST_TEST(!explanation.edits.empty(), host);
        for (const auto& edit : explanation.edits) BOOST_TEST(!edit.why.empty(), host << ": " << edit.text);
    }
}

// Explained is what prepare() does: the same edits, in the same words, in the same order.
BOOST_AUTO_TEST_CASE(explained_edits_are_those_that_a_container_gets) {
    Options options;
    options.host_root = GPURUN_HOSTS "/h200-x2";
    spec::Spec spec = with_env({"NVIDIA_VISIBLE_DEVICES=1"});
    const auto explanation = explain(spec, options);
    const auto rest = prepare(spec, options);
    for (const auto& device : spec.linux->devices) BOOST_TEST((find(explanation, device.path) != nullptr), device.path);
    for (const auto& link : rest.links) BOOST_TEST((find(explanation, link.path) != nullptr), link.path);
    std::size_t mounts = 0, caches = 0;
    for (const auto& edit : explanation.edits) {
        mounts += edit.kind == "mount";
        caches += edit.kind == "cache";
    }
    BOOST_TEST(mounts == spec.mounts.size() - 2);
    BOOST_TEST(caches == rest.cache.size());
}

BOOST_AUTO_TEST_CASE(each_gpu_is_chosen_or_not_by_the_request) {
    const auto explanation = explain_on("h200-x8", {"NVIDIA_VISIBLE_DEVICES=1"});
    BOOST_TEST(explanation.request == "NVIDIA_VISIBLE_DEVICES=1");
    BOOST_TEST(explanation.capabilities == "compute,utility");
    BOOST_TEST(explanation.gpus.size() == 8u);
    BOOST_TEST(!explanation.gpus[0].chosen);
    BOOST_TEST(explanation.gpus[0].why == "NVIDIA_VISIBLE_DEVICES=1 does not name it");
    BOOST_TEST(explanation.gpus[1].chosen);
    BOOST_TEST(explanation.gpus[7].why.find("excluded") == 0u);
    BOOST_TEST(find(explanation, "/dev/nvidia1")->why == "GPU 1 (NVIDIA H200), chosen by NVIDIA_VISIBLE_DEVICES=1");
}

BOOST_AUTO_TEST_CASE(what_is_left_out_has_its_reason) {
    const auto explanation = explain_on("h200", {"NVIDIA_VISIBLE_DEVICES=all"});
    BOOST_TEST(why_not(explanation, "/usr/local/nvidia/lib64/libnvoptix.so.580.159.04") ==
               "it is for graphics; the container has compute,utility");
    BOOST_TEST(why_not(explanation, "/dev/nvidia-modeset") == "the capability display is not asked for");
    BOOST_TEST(why_not(explanation, "/usr/local/nvidia/lib64/libcuda.so.580.159.04") == "");
}

BOOST_AUTO_TEST_CASE(instances_are_named) {
    const auto explanation = explain_on("mig", {"NVIDIA_VISIBLE_DEVICES=0:1"});
    BOOST_TEST(explanation.gpus[0].why.find("1 of its 2 MIG instances") != std::string::npos);
    BOOST_TEST(find(explanation, "/dev/nvidia-caps/nvidia-cap22")->why.find("opens compute instance 0") == 0u);
}

BOOST_AUTO_TEST_CASE(why_nothing_is_asked_for_is_told) {
    const auto request = [](std::vector<std::string> env) { return explain_on("h200", std::move(env)).request; };
    BOOST_TEST(request({}).find("is not set") != std::string::npos);
    BOOST_TEST(request({"NVIDIA_VISIBLE_DEVICES="}).find("is empty") != std::string::npos);
    BOOST_TEST(request({"NVIDIA_VISIBLE_DEVICES=void"}).find("means that nothing is injected") != std::string::npos);
    BOOST_TEST(explain_on("h200", {"NVIDIA_VISIBLE_DEVICES=void"}).edits.empty());
}

BOOST_AUTO_TEST_CASE(a_request_that_policy_ignores_is_told_with_the_file) {
    const test::TemporaryDirectory root;
    root.write("etc/gpurun/gpurun.toml", "[gpu]\naccept-environment = false\n");
    Options options;
    options.host_root = root.path();
    const auto explanation = explain(with_env({"NVIDIA_VISIBLE_DEVICES=all"}), options);
    BOOST_TEST(!explanation.requested);
    BOOST_TEST(explanation.request.find("/etc/gpurun/gpurun.toml lets it count in privileged containers only") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_create_would_fail_for_is_the_problem) {
    const auto explanation = explain_on("no-driver", {}, {"0"});
    BOOST_TEST(explanation.problem.find("no NVIDIA kernel driver is loaded") == 0u);
    BOOST_TEST(explanation.request == "--gpu=0");
    BOOST_TEST(explain_on("h200", {}, {"7"}).problem.find("unknown GPU") == 0u);
}

BOOST_AUTO_TEST_CASE(a_cdi_file_is_the_reason_for_its_edits) {
    const test::TemporaryDirectory root;
    root.write("etc/cdi/acme.yaml",
               "cdiVersion: 0.5.0\nkind: acme.com/card\ndevices:\n  - name: a\n    containerEdits: {env: [A=b]}\n"
               "containerEdits: {env: [C=d]}\n");
    Options options;
    options.host_root = root.path();
    options.devices = {"acme.com/card=a"};
    const auto explanation = explain(with_env({}), options);
    BOOST_TEST(explanation.problem == "");
    BOOST_TEST(find(explanation, "A")->why == "/etc/cdi/acme.yaml, for its device acme.com/card=a");
    BOOST_TEST(find(explanation, "C")->why.find("for all its devices") != std::string::npos);
    BOOST_TEST(to_json(explanation).find("\"edit\": \"env A=b\"") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
