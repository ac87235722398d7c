#include "cli/setup.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

using namespace gpurun::cli;

namespace {

const Registration plain{.file = "f", .program = "/usr/sbin/gpurun"};
const Registration as_default{.file = "f", .program = "/usr/sbin/gpurun", .is_default = true};
const Registration removed{.file = "f", .program = "/usr/sbin/gpurun", .remove = true};

template <typename Function>
std::string failure(Function function, const std::string& text) {
    try {
        function(text, plain);
    } catch (const gpurun::Error& error) {
        return error.text();
    }
    return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cli_setup)

BOOST_AUTO_TEST_CASE(docker_gets_a_file_where_there_was_none) {
    BOOST_TEST(register_with_docker("", plain) ==
               "{\n    \"runtimes\": {\n        \"gpurun\": {\"path\": \"/usr/sbin/gpurun\"}\n    }\n}\n");
}

BOOST_AUTO_TEST_CASE(docker_settings_and_layout_stay) {
    const std::string before =
        "{\n  \"debug\": true,\n  \"runtimes\": {\n    \"nvidia\": {\"path\": \"/x\", \"runtimeArgs\": []}\n  }\n}";
    const std::string after = register_with_docker(before, as_default);
    BOOST_TEST(
        after ==
        "{\n  \"debug\": true,\n  \"runtimes\": {\n    \"nvidia\": {\"path\": \"/x\", \"runtimeArgs\": []},\n    "
        "\"gpurun\": {\"path\": \"/usr/sbin/gpurun\"}\n  },\n  \"default-runtime\": \"gpurun\"\n}");
    BOOST_TEST(register_with_docker(after, as_default) == after);
    BOOST_TEST(register_with_docker(after, removed) == before);
}

BOOST_AUTO_TEST_CASE(docker_default_is_replaced_in_place) {
    const std::string before = R"({"default-runtime":"nvidia", "x": {"}": ["{", "\"}"]}})";
    const std::string after = register_with_docker(before, as_default);
    BOOST_TEST(after.starts_with(R"({"default-runtime":"gpurun", "x": {"}": ["{", "\"}"]})"));
    BOOST_TEST(register_with_docker(after, as_default) == after);
}

BOOST_AUTO_TEST_CASE(docker_path_of_an_earlier_registration_is_renewed_and_its_arguments_stay) {
    BOOST_TEST(
        register_with_docker(R"({"runtimes": {"gpurun": {"runtimeArgs": ["--debug"], "path": "/old"}}})", plain) ==
        R"({"runtimes": {"gpurun": {"runtimeArgs": ["--debug"], "path": "/usr/sbin/gpurun"}}})");
}

BOOST_AUTO_TEST_CASE(docker_registration_is_removed_wherever_it_stands) {
    BOOST_TEST(register_with_docker(R"({"runtimes": {"gpurun": {"path": "/g"}, "a": {"path": "/a"}}, "debug": true})",
                                    removed) == R"({"runtimes": {"a": {"path": "/a"}}, "debug": true})");
    BOOST_TEST(register_with_docker(R"({"runtimes": {"gpurun": {"path": "/g"}}})", removed) == "{}");
    BOOST_TEST(register_with_docker(R"({"default-runtime": "nvidia"})", removed) == R"({"default-runtime": "nvidia"})");
}

BOOST_AUTO_TEST_CASE(docker_file_that_is_not_right_is_refused) {
    BOOST_TEST(failure(register_with_docker, "{\"a\": }").starts_with("f:1:"));
    BOOST_TEST(failure(register_with_docker, "{\"runtimes\": []}").starts_with("f:1:"));
    BOOST_TEST(failure(register_with_docker, "[]").starts_with("f:1:"));
}

BOOST_AUTO_TEST_CASE(containerd_gets_a_file_where_there_was_none) {
    BOOST_TEST(register_with_containerd("", plain) ==
               "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.gpurun]\n"
               "  runtime_type = \"io.containerd.runc.v2\"\n\n"
               "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.gpurun.options]\n"
               "  BinaryName = \"/usr/sbin/gpurun\"\n");
}

BOOST_AUTO_TEST_CASE(containerd_comments_and_other_tables_stay) {
    const std::string before =
        "version = 3 # the new one\nroots = [\n  \"[a]\", # not a table\n]\n\n"
        "[plugins.'io.containerd.cri.v1.runtime'.containerd]\n  # ours\n  default_runtime_name = \"runc\" # why\n\n"
        "  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n    SystemdCgroup = true\n";
    const std::string after = register_with_containerd(before, as_default);
    BOOST_TEST(after.find("default_runtime_name = \"gpurun\" # why\n") != std::string::npos);
    BOOST_TEST(after.find("roots = [\n  \"[a]\", # not a table\n]\n") != std::string::npos);
    BOOST_TEST(after.ends_with("  SystemdCgroup = true\n  BinaryName = \"/usr/sbin/gpurun\"\n"));
    BOOST_TEST(register_with_containerd(after, as_default) == after);
}

BOOST_AUTO_TEST_CASE(containerd_file_without_a_version_is_version_1) {
    const std::string before = "disabled_plugins = []\n";
    const std::string after = register_with_containerd(before, as_default);
    BOOST_TEST(after == before +
                            "\n[plugins.cri.containerd.runtimes.gpurun]\n"
                            "  runtime_type = \"io.containerd.runc.v2\"\n\n"
                            "[plugins.cri.containerd.runtimes.gpurun.options]\n"
                            "  BinaryName = \"/usr/sbin/gpurun\"\n\n"
                            "[plugins.cri.containerd]\n  default_runtime_name = \"gpurun\"\n");
    BOOST_TEST(register_with_containerd(after, as_default) == after);
}

BOOST_AUTO_TEST_CASE(containerd_registration_is_removed_without_a_trace) {
    const std::string before =
        "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"x\"\n";
    BOOST_TEST(register_with_containerd(register_with_containerd(before, as_default), removed) == before);
}

BOOST_AUTO_TEST_CASE(containerd_table_without_the_key_gets_it) {
    const std::string before =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"x\"\n";
    BOOST_TEST(register_with_containerd(before, as_default)
                   .starts_with("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
                                "  default_runtime_name = \"gpurun\"\n  snapshotter = \"x\"\n"));
}

BOOST_AUTO_TEST_CASE(containerd_files_that_cannot_be_edited_are_refused_by_line) {
    BOOST_TEST(failure(register_with_containerd, "version = 4\n").find("version 4") != std::string::npos);
    BOOST_TEST(failure(register_with_containerd, "version = 2\nx = \"open\n").starts_with("f:2: this is not TOML"));
    BOOST_TEST(failure(register_with_containerd, "version = 2\nx = [1,\n").find("expected ']'") != std::string::npos);
    BOOST_TEST(failure(register_with_containerd, "version = 2\n[plugins\n").starts_with("f:2:"));
    BOOST_TEST(
        failure(register_with_containerd, "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\ncontainerd = {}\n")
            .find("inline table") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(drop_ins_are_ours_alone) {
    const std::string crio = register_with_crio("", as_default);
    BOOST_TEST(crio.find("default_runtime = \"gpurun\"") != std::string::npos);
    BOOST_TEST(register_with_crio(crio, plain).find("default_runtime") == std::string::npos);
    BOOST_TEST(register_with_crio(crio, removed) == "");
    BOOST_TEST(failure(register_with_podman, "[engine]\n").find("move it away") != std::string::npos);
    BOOST_TEST(register_with_podman("", plain).find("gpurun = [\"/usr/sbin/gpurun\"]") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
