#include "gpu/cdi_registry.h"

#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

std::string file_with(const std::string& devices, const std::string& edits = "  env: [SHARED=1]\n") {
    return "cdiVersion: 0.6.0\nkind: acme.com/card\ndevices:\n" + devices + "containerEdits:\n" + edits;
}

std::string device(const std::string& name, const std::string& env) {
    return "  - name: \"" + name + "\"\n    containerEdits:\n      env: [" + env + "]\n";
}

struct Host {
    test::TemporaryDirectory root;

    cdi::Registry registry() const { return cdi::Registry({"/etc/cdi", "/var/run/cdi"}, root.path()); }
    cdi::Context context() const { return {.host_root = root.path()}; }
    std::string problem_of(const std::vector<std::string>& names) const {
        try {
            registry().resolve(names, context());
        } catch (const Error& error) {
            return error.text();
        }
        return "";
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpu_cdi_registry, Host)

BOOST_AUTO_TEST_CASE(a_files_own_edits_come_once_and_before_its_devices) {
    root.write("etc/cdi/acme.yaml",
               file_with(device("0", "A=0") + device("1", "B=1"), "  env: [SHARED=1, A=shared]\n"));
    const Edits edits = registry().resolve({"acme.com/card=0", "acme.com/card=1", "acme.com/card=0"}, context());
    const std::vector<std::string> expected{"SHARED=1", "A=0", "B=1"};
    BOOST_TEST(edits.env == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_later_directory_overrides_a_device) {
    root.write("etc/cdi/acme.yaml", file_with(device("0", "FROM=etc") + device("1", "FROM=etc")));
    root.write(
        "var/run/cdi/acme.json",
        R"({"cdiVersion":"0.6.0","kind":"acme.com/card","devices":[{"name":"0","containerEdits":{"env":["FROM=run"]}}]})");
    BOOST_TEST(registry().resolve({"acme.com/card=0"}, context()).env.at(0) == "FROM=run");
    BOOST_TEST(registry().resolve({"acme.com/card=1"}, context()).env.at(1) == "FROM=etc");
    BOOST_TEST(registry().file_of({"acme.com/card", "0"}) == "/var/run/cdi/acme.json");
}

BOOST_AUTO_TEST_CASE(two_files_of_a_directory_with_one_device_make_only_that_unusable) {
    root.write("etc/cdi/a.yaml", file_with(device("0", "A=0") + device("1", "A=1")));
    root.write("etc/cdi/b.yaml", file_with(device("0", "B=0")));
    BOOST_TEST(registry().resolve({"acme.com/card=1"}, context()).env.at(1) == "A=1");
    const std::string problem = problem_of({"acme.com/card=0"});
    BOOST_TEST_CONTEXT(problem) {
        BOOST_TEST(problem.find("unresolvable CDI devices acme.com/card=0") == 0u);
        BOOST_TEST(problem.find("/etc/cdi/a.yaml and /etc/cdi/b.yaml") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_device_that_two_files_of_a_lower_directory_define_is_overridden_as_well) {
    root.write("etc/cdi/a.yaml", file_with(device("0", "A=0")));
    root.write("etc/cdi/b.yaml", file_with(device("0", "B=0")));
    root.write("var/run/cdi/c.yaml", file_with(device("0", "C=0")));
    BOOST_TEST(registry().resolve({"acme.com/card=0"}, context()).env.at(1) == "C=0");
}

BOOST_AUTO_TEST_CASE(a_bad_file_never_gets_in_the_way) {
    root.write("etc/cdi/bad.yaml", "cdiVersion: [\n");
    root.write("etc/cdi/good.yaml", file_with(device("0", "A=0")));
    root.write("etc/cdi/ignored.yml", "not read");
    root.write("etc/cdi/sub/ignored.yaml", "not read");
    BOOST_TEST(::mkfifo((root / "etc/cdi/pipe.yaml").c_str(), 0600) == 0);
    BOOST_TEST(registry().problems().size() == 2u);
    BOOST_TEST(registry().problems().at(0).find("/etc/cdi/bad.yaml:1:13: cdiVersion: expected string, got array") == 0u,
               registry().problems().at(0));
    BOOST_TEST(registry().resolve({"acme.com/card=0"}, context()).env.size() == 2u);
    BOOST_TEST(problem_of({"acme.com/card=9", "x/y=z"})
                   .find("unresolvable CDI devices acme.com/card=9, x/y=z: no usable file in /etc/cdi, "
                         "/var/run/cdi has them (/etc/cdi/bad.yaml") == 0u);
}

BOOST_AUTO_TEST_CASE(absent_directories_count_as_empty) {
    BOOST_TEST(registry().problems().empty());
    BOOST_TEST(registry().names().empty());
    BOOST_TEST(!registry().has_kind("acme.com/card"));
}

BOOST_AUTO_TEST_CASE(every_kind_of_edit_arrives) {
    root.write("etc/cdi/acme.yaml", R"(cdiVersion: 1.1.0
kind: acme.com/card
devices:
  - name: all
    containerEdits:
      deviceNodes:
        - {path: /dev/card, hostPath: /dev/acme, type: c, major: 240, minor: 7, fileMode: 432, permissions: r}
        - {path: /dev/pipe, type: p, permissions: none}
      mounts:
        - {hostPath: /opt/acme, containerPath: /acme, options: [ro, rbind]}
      hooks:
        - {hookName: poststop, path: /bin/clean, args: [clean], timeout: 3}
      additionalGids: [44]
      intelRdt: {closID: acme, enableMBM: true}
      netDevices:
        - {hostInterfaceName: acme0, name: eth1}
)");
    const Edits edits = registry().resolve({"acme.com/card=all"}, {.host_root = root.path(), .uid = 1000, .gid = 1000});
    const Device& card = edits.devices.at(0);
    BOOST_TEST(card.path == "/dev/card");
    BOOST_TEST(card.host_path == root.path() + "/dev/acme");
    BOOST_TEST(card.major == 240);
    BOOST_TEST(card.minor == 7);
    BOOST_TEST(card.access == "r");
    BOOST_TEST(card.file_mode.value() == 0660u);
    BOOST_TEST(card.uid.value() == 1000u);
    BOOST_TEST(edits.devices.at(1).access == "none");
    BOOST_TEST(edits.mounts.at(0).source == root.path() + "/opt/acme");
    BOOST_TEST(edits.hooks->poststop.at(0).timeout.value() == 3);
    // Neither the runtime's nor the container's environment may reach a hook that declares none (CVE-2025-23266).
    BOOST_TEST((edits.hooks->poststop.at(0).env && edits.hooks->poststop.at(0).env->empty()));
    BOOST_TEST(edits.additional_gids.at(0) == 44u);
    BOOST_TEST(edits.intel_rdt->enable_monitoring);
    BOOST_TEST(edits.net_devices.at("acme0").name == "eth1");
}

BOOST_AUTO_TEST_CASE(a_node_without_numbers_that_the_host_lacks_is_an_error_that_names_it) {
    root.write("etc/cdi/acme.yaml",
               file_with("  - name: a\n    containerEdits:\n      deviceNodes:\n        - path: /dev/none\n"));
    BOOST_TEST(problem_of({"acme.com/card=a"}) ==
               "/etc/cdi/acme.yaml: acme.com/card=a: " + root.path() + "/dev/none: no such file or directory");
}

BOOST_AUTO_TEST_CASE(numbers_come_from_the_hosts_node) {
    root.write("etc/cdi/acme.yaml",
               file_with("  - name: a\n    containerEdits:\n      deviceNodes:\n        - path: /dev/null\n"));
    const cdi::Registry registry({"/etc/cdi"}, root.path());
    const Edits edits = registry.resolve({"acme.com/card=a"}, {});
    BOOST_TEST(edits.devices.at(0).type == "c");
    BOOST_TEST(edits.devices.at(0).major == 1);
    BOOST_TEST(edits.devices.at(0).minor == 3);
    BOOST_TEST(edits.devices.at(0).access == "rwm");
}

BOOST_AUTO_TEST_CASE(a_stale_number_of_a_driver_node_gives_way_to_the_hosts) {
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: mknod needs root");
        return;
    }
    root.write("dev/x", "");
    if (::mknod((root / "dev/nvidia-uvm").c_str(), S_IFCHR | 0666, makedev(509, 0)) != 0) {
        BOOST_TEST_MESSAGE("skipped: mknod is refused here");
        return;
    }
    root.write(
        "etc/cdi/a.yaml",
        file_with(
            "  - name: a\n    containerEdits:\n      deviceNodes:\n        - {path: /dev/nvidia-uvm, major: 510}\n"));
    BOOST_TEST(registry().resolve({"acme.com/card=a"}, context()).devices.at(0).major == 509);
}

BOOST_AUTO_TEST_SUITE_END()
