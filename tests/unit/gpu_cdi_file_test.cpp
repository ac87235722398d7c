#include "gpu/cdi_file.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "gpu/cdi_names.h"
#include "sys/file.h"
#include "test_paths.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

std::string problem_of(std::string_view name, std::string_view text) {
    try {
        cdi::read(name, text);
    } catch (const Error& error) {
        return error.message;
    }
    return "";
}

// A file with one device whose edits are \a edits.
std::string with_edits(const std::string& edits, const std::string& version = "1.1.0") {
    return R"({"cdiVersion":")" + version + R"(","kind":"acme.com/card","devices":[{"name":"a","containerEdits":)" +
           edits + "}]}";
}

std::string problem_with_edits(const std::string& edits, const std::string& version = "1.1.0") {
    return problem_of("f.json", with_edits(edits, version));
}

constexpr const char* everything = R"(---
cdiVersion: v1.1.0
kind: acme.com/card.fast
annotations: {note: "x"}
devices:
  - name: "0"
    annotations:
      acme.com/slot: "3"
    containerEdits:
      env: [CARD=0, EMPTY=]
      deviceNodes:
        - path: /dev/card0
          hostPath: /dev/acme/card0
          type: c
          major: 240
          minor: 3
          fileMode: 0660
          permissions: rw
          uid: 0
          gid: 44
      netDevices:
        - hostInterfaceName: acme0
          name: eth1
containerEdits:
  mounts:
    - hostPath: /usr/lib/libacme.so.1
      containerPath: /usr/lib/libacme.so.1
      type: bind
      options: [ro, nosuid]
  hooks:
    - hookName: createContainer
      path: /usr/bin/acme-hook
      args: [acme-hook, --fast]
      env: [A=b]
      timeout: 5
  intelRdt:
    closID: acme
    l3CacheSchema: L3:0=f
    memBwSchema: MB:0=20
    schemata: ["L3:0=f"]
    enableMonitoring: true
  additionalGids: [44, 45]
)";

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_cdi_file)

BOOST_AUTO_TEST_CASE(names_follow_the_grammar) {
    for (const char* good : {"nvidia.com/gpu=0", "nvidia.com/gpu=0:1", "a/b=c", "vendor-1.x_y/class.sub=GPU-1_2.3:4"})
        BOOST_TEST(cdi::is_qualified(good), good);
    for (const char* bad : {"", "0", "nvidia.com/gpu", "nvidia.com=0", "1vendor/gpu=0", "nvidia.com/1gpu=0",
                            "nvidia.com/gpu=", "a/b=-c", "a/b=c-", "a/b=c d", "a/b=c=d", "a-/b=c", "a/b/c=d", "../b=c"})
        BOOST_TEST(!cdi::is_qualified(bad), bad);
    BOOST_TEST(cdi::text_of(*cdi::parse_name("a.b/c=d")) == "a.b/c=d");
}

BOOST_AUTO_TEST_CASE(annotations_give_their_names_in_the_order_of_keys) {
    const std::map<std::string, std::string> annotations{
        {"cdi.k8s.io/b", "v/c=2"}, {"cdi.k8s.io/a", "v/c=1,v/d=9"}, {"other/cdi", "v/c=3"}};
    const std::vector<std::string> expected{"v/c=1", "v/d=9", "v/c=2"};
    BOOST_TEST(cdi::names_in_annotations(annotations) == expected, boost::test_tools::per_element());
    BOOST_CHECK_EXCEPTION(cdi::names_in_annotations({{"cdi.k8s.io/a", "gpu0"}}), Error, [](const Error& error) {
        return error.message == "annotation cdi.k8s.io/a: \"gpu0\" is no CDI device name, expected vendor/class=device";
    });
}

BOOST_AUTO_TEST_CASE(every_property_of_the_format_is_read) {
    const cdi::File file = cdi::read("all.yaml", everything);
    BOOST_TEST(file.kind == "acme.com/card.fast");
    const auto& device = file.devices.at(0);
    BOOST_TEST(device.annotations.at("acme.com/slot") == "3");
    const auto& node = device.container_edits.device_nodes.at(0);
    BOOST_TEST(node.host_path == "/dev/acme/card0");
    BOOST_TEST(node.file_mode.value() == 0660u);
    BOOST_TEST(node.gid.value() == 44u);
    BOOST_TEST(device.container_edits.net_devices.at(0).name == "eth1");
    const auto& edits = file.container_edits;
    BOOST_TEST(edits.mounts.at(0).type == "bind");
    BOOST_TEST(edits.hooks.at(0).timeout.value() == 5);
    BOOST_TEST(edits.intel_rdt->schemata.at(0) == "L3:0=f");
    BOOST_TEST(edits.additional_gids.at(1) == 45u);
}

BOOST_AUTO_TEST_CASE(a_recorded_file_of_the_vendor_is_read) {
    const std::string path = std::string(GPURUN_FIXTURES) + "/cdi/nvidia-h200.yaml";
    const cdi::File file = cdi::read(path, sys::read_file(path));
    BOOST_TEST(file.devices.size() == 3u);
    BOOST_TEST(file.container_edits.mounts.size() == 35u);
    BOOST_TEST(file.container_edits.hooks.size() == 6u);
    BOOST_TEST(file.container_edits.device_nodes.size() == 3u);
    BOOST_TEST(cdi::minimum_version(file) == "0.5.0");
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
    const cdi::File file = cdi::read("all.yaml", everything);
    const std::string yaml = cdi::write_yaml(file), json = cdi::write_json(file);
    BOOST_TEST(cdi::write_json(cdi::read("written.yaml", yaml)) == json);
    BOOST_TEST(cdi::write_yaml(cdi::read("written.json", json)) == yaml);
}

BOOST_AUTO_TEST_CASE(strings_that_yaml_would_take_for_something_else_are_quoted) {
    cdi::File file = cdi::read("f.json", with_edits(R"({"env":["A=1"]})"));
    for (const char* text :
         {"0",  "true",        "null", "~",  "",   " a", "a ",    "a: b", "- a",         "a#b #c",    "[x]",  "{x}",
          "*x", "&x",          "!x",   "%x", "@x", "`x", "\"q\"", "'q'",  "line\nbreak", "tab\there", "0x1f", "1e3",
          "ä",  "back\\slash", "a:",   "?",  "-",  "<<", "=",     "|"}) {
        file.annotations["key"] = text;
        BOOST_TEST(cdi::read("f.yaml", cdi::write_yaml(file)).annotations.at("key") == text);
    }
}

BOOST_AUTO_TEST_CASE(an_error_names_file_line_column_and_property) {
    BOOST_TEST(problem_of("/etc/cdi/a.yaml",
                          "cdiVersion: 1.0.0\nkind: acme.com/card\ndevices:\n  - name: a\n    containerEdits:\n"
                          "      deviceNodes:\n        - path: /dev/a\n          type: x\n") ==
               "/etc/cdi/a.yaml:8:17: devices[0].containerEdits.deviceNodes[0].type: expected b, c, u or p, got \"x\"");
    BOOST_TEST(problem_of("a.json", "{\"cdiVersion\":\"1.0.0\",\n \"kind\":\"acme\"}").starts_with("a.json:"));
    BOOST_TEST(problem_of("a.json",
                          "{\"cdiVersion\":\"1.0.0\",\n "
                          "\"kind\":\"acme\",\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"env\":[\"A=b\"]}}]}") ==
               "a.json:2:9: kind: expected vendor/class, got \"acme\"");
}

BOOST_AUTO_TEST_CASE(an_unknown_property_is_refused) {
    BOOST_TEST(problem_with_edits(R"({"deviceNode":[]})").find("unknown property \"deviceNode\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_version_is_known_and_has_what_is_used) {
    BOOST_TEST(problem_with_edits(R"({"env":["A=b"]})", "0.3.0") == "");
    BOOST_TEST(problem_with_edits(R"({"env":["A=b"]})", "v1.0.0") == "");
    BOOST_TEST(
        problem_with_edits(R"({"env":["A=b"]})", "2.0.0").find("unknown version \"2.0.0\", known are 0.1.0 to 1.1.0") !=
        std::string::npos);
    BOOST_TEST(problem_with_edits(R"({"additionalGids":[1]})", "0.6.0")
                   .find("0.6.0 has no additionalGids, which needs 0.7.0") != std::string::npos);
    BOOST_TEST(
        problem_with_edits(R"({"netDevices":[{"hostInterfaceName":"a","name":"b"}]})", "1.0.0").find("needs 1.1.0") !=
        std::string::npos);
    BOOST_TEST(problem_with_edits(R"({"mounts":[{"hostPath":"/a","containerPath":"/a","type":"bind"}]})", "0.3.0")
                   .find("needs 0.4.0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_the_format_forbids_is_refused) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({})", "devices[0].containerEdits: must not be empty"},
        {R"({"env":["A"]})", "containerEdits.env[0]: expected NAME=VALUE"},
        {R"({"deviceNodes":[{"path":"/dev/a","permissions":"rx"}]})", "permissions: expected letters"},
        {R"({"deviceNodes":[{"path":""}]})", "deviceNodes[0].path: must not be empty"},
        {R"({"mounts":[{"hostPath":"","containerPath":"/a"}]})", "mounts[0].hostPath: must not be empty"},
        {R"({"mounts":[{"hostPath":"/a"}]})", "required property 'containerPath' is missing"},
        {R"({"hooks":[{"hookName":"later","path":"/h"}]})", "hooks[0].hookName: expected prestart"},
        {R"({"intelRdt":{"closID":"../x"}})", "closID: expected a directory's name"},
        {R"({"deviceNodes":[{"path":"/dev/a","type":"c","major":-1}]})",
         "deviceNodes[0].major: expected a device number"},
        {R"({"deviceNodes":[{"path":"/dev/a","type":"c","minor":-1}]})",
         "deviceNodes[0].minor: expected a device number"},
        {R"({"netDevices":[{"hostInterfaceName":"a","name":""}]})", "netDevices[0].name: must not be empty"},
        {R"({"netDevices":[{"hostInterfaceName":"a","name":"b"},{"hostInterfaceName":"a","name":"c"}]})",
         "netDevices[1].hostInterfaceName: \"a\" is there twice"},
        {R"({"netDevices":[{"hostInterfaceName":"a","name":"b"},{"hostInterfaceName":"c","name":"b"}]})",
         "netDevices[1].name: \"b\" is there twice"},
    };
    for (const auto& [edits, expected] : cases) {
        const std::string problem = problem_with_edits(edits);
        BOOST_TEST_CONTEXT(problem) { BOOST_TEST(problem.find(expected) != std::string::npos, expected); }
    }
    // resctrl's own root.
    BOOST_TEST(problem_with_edits(R"({"intelRdt":{"closID":"/"}})") == "");
    BOOST_TEST(problem_of("f.yaml",
                          "cdiVersion: 1.0.0\nkind: a/b\nannotations: {\"a b\": c}\ndevices:\n  - name: a\n"
                          "    containerEdits: {env: [A=b]}\n")
                   .find("annotations[a b]: expected a key such as vendor.com/name") != std::string::npos);
    BOOST_TEST(problem_of("f.yaml", "cdiVersion: 1.0.0\nkind: a/b\ndevices: []\n")
                   .find("devices: expected at least one device") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
