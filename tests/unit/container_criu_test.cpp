#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "container/criu_words.h"

using namespace gpurun;
using namespace gpurun::container;

namespace {

using Words = std::vector<std::string>;

spec::Spec plain_spec() {
    spec::Spec spec;
    spec.annotations["org.criu.config"] = "";
    spec.linux.emplace();
    return spec;
}

// True when \a part stands in \a words as it is.
bool has(const Words& words, const Words& part) {
    return std::search(words.begin(), words.end(), part.begin(), part.end()) != words.end();
}

DumpFacts plain_facts() {
    DumpFacts facts{.pid = 42, .rootfs = "/bundle/rootfs"};
    facts.mounts = sys::parse_mount_entries(
        "100 90 254:1 /bundle/rootfs / rw - ext4 /dev/vda1 rw\n"
        "101 100 0:50 / /proc rw,nosuid - proc proc rw\n"
        "102 101 0:50 /sys /proc/sys ro - proc proc rw\n"
        "103 101 0:5 /null /proc/kcore rw - devtmpfs udev rw\n"
        "104 100 254:1 /srv/data /data\\040dir rw - ext4 /dev/vda1 rw\n"
        "105 104 0:60 / /data\\040dir/sub rw - tmpfs tmpfs rw\n"
        "106 104 0:61 / /data\\040dir/own rw - tmpfs tmpfs rw\n"
        "107 100 0:26 /c1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
    facts.host_mounts = sys::parse_mount_entries("30 1 0:60 / /srv/data/sub rw shared:1 - tmpfs tmpfs rw\n");
    facts.config_binds = {104};
    return facts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(container_criu)

BOOST_AUTO_TEST_CASE(a_line_of_mountinfo_is_read_whatever_tags_it_has) {
    const auto entries = sys::parse_mount_entries(
        "36 35 98:0 /a\\134b /p\\040q rw,noatime master:1 shared:2 - ext3 /dev/root rw\nnonsense\n");
    BOOST_REQUIRE_EQUAL(entries.size(), 1u);
    BOOST_TEST(entries[0].id == 36);
    BOOST_TEST(entries[0].device == "98:0");
    BOOST_TEST(entries[0].root == "/a\\b");
    BOOST_TEST(entries[0].point == "/p q");
    BOOST_TEST(entries[0].options == "rw,noatime");
    BOOST_TEST(entries[0].type == "ext3");
}

BOOST_AUTO_TEST_CASE(a_path_is_below_a_directory_component_by_component) {
    BOOST_TEST(sys::is_below_or_at("/a/b", "/a"));
    BOOST_TEST(sys::is_below_or_at("/a", "/a"));
    BOOST_TEST(sys::is_below_or_at("/a", "/"));
    BOOST_TEST(!sys::is_below_or_at("/ab", "/a"));
    BOOST_TEST(!sys::is_below_or_at("/", "/a"));
}

BOOST_AUTO_TEST_CASE(a_dump_leaves_out_what_comes_from_the_host) {
    auto spec = plain_spec();
    spec.linux->masked_paths = {"/proc/kcore"};
    const auto request = dump_request({.id = "c"}, spec, plain_facts(), "criu");
    BOOST_TEST(request.verb == "dump");
    BOOST_TEST(has(request.words, {"mount", "/proc/kcore", "/dev/null"}));
    BOOST_TEST(has(request.words, {"mount", "/data dir", "/data dir"}));
    BOOST_TEST(has(request.words, {"mount", "/data dir/sub", "/data dir/sub"}));
    BOOST_TEST(has(request.words, {"mount", "/sys/fs/cgroup", "/sys/fs/cgroup"}));
    BOOST_TEST(std::count(request.words.begin(), request.words.end(), "mount") == 4);
}

BOOST_AUTO_TEST_CASE(cgroups_in_a_namespace_of_their_own_are_left_to_criu) {
    auto spec = plain_spec();
    spec.linux->namespaces = {{.type = spec::NamespaceType::cgroup, .path = {}}};
    const auto request = dump_request({.id = "c"}, spec, plain_facts(), "criu");
    BOOST_TEST(!has(request.words, {"mount", "/sys/fs/cgroup"}));
}

BOOST_AUTO_TEST_CASE(an_idmapped_mount_is_refused) {
    auto facts = plain_facts();
    facts.mounts[4].options = "rw,idmapped";
    BOOST_CHECK_EXCEPTION(dump_request({.id = "c"}, plain_spec(), facts, "criu"), Error, [](const Error& error) {
        return error.text() == "the mount at /data dir is idmapped, which CRIU can't restore";
    });
}

BOOST_AUTO_TEST_CASE(a_pre_dump_is_about_memory_only) {
    const auto request = dump_request({.id = "c", .parent_path = "../first", .pre_dump = true}, plain_spec(),
                                      plain_facts(), "/opt/criu");
    BOOST_TEST(request.verb == "pre-dump");
    BOOST_TEST(has(request.words, {"program", "/opt/criu"}));
    BOOST_TEST(has(request.words, {"parent-images", "../first", "needs-memory-tracking", "track-memory"}));
    BOOST_TEST(!has(request.words, {"mount"}));
}

BOOST_AUTO_TEST_CASE(options_become_those_of_criu) {
    CheckpointOptions options{.id = "c", .leave_running = true, .tcp_skip_in_flight = true};
    options.criu = {.image_path = "/i", .work_path = "/w", .tcp_established = true, .cgroups_mode = "strict"};
    options.page_server_address = "::1";
    options.page_server_port = 99;
    auto spec = plain_spec();
    spec.annotations["org.criu.config"] = "/etc/own.conf";
    const auto words = dump_request(options, spec, {.pid = 7, .rootfs = "/r"}, "criu").words;
    BOOST_TEST(has(words, {"images", "/i", "work", "/w", "log-file", "dump.log", "manage-cgroups", "strict",
                           "config-file", "/etc/own.conf", "tcp-established"}));
    BOOST_TEST(has(words, {"pid", "7", "root", "/r", "leave-running", "tcp-skip-in-flight"}));
    BOOST_TEST(has(words, {"page-server", "::1", "99"}));
}

BOOST_AUTO_TEST_CASE(a_restore_takes_pipes_and_outer_files_from_its_caller) {
    const auto words = restore_request({}, plain_spec(), "/r", {"/dev/null", "pipe:[5]", "file[1f:2a]"}, "criu").words;
    BOOST_TEST(has(words, {"inherit-fd", "1", "pipe:[5]", "inherit-fd", "2", "file[1f:2a]"}));
    BOOST_TEST(!has(words, {"inherit-fd", "0"}));
}

BOOST_AUTO_TEST_CASE(a_restore_has_no_new_privileges_where_the_config_says_so) {
    auto spec = plain_spec();
    BOOST_TEST(!has(restore_request({}, spec, "/r", {}, "criu").words, {"no-new-privileges"}));
    spec.process.emplace().no_new_privileges = true;
    BOOST_TEST(has(restore_request({}, spec, "/r", {}, "criu").words, {"no-new-privileges"}));
}

BOOST_AUTO_TEST_CASE(a_restore_joins_the_namespaces_that_the_config_names) {
    auto spec = plain_spec();
    spec.linux->namespaces = {{.type = spec::NamespaceType::network, .path = "/run/netns/n"},
                              {.type = spec::NamespaceType::ipc, .path = "/proc/1/ns/ipc"},
                              {.type = spec::NamespaceType::uts, .path = {}}};
    const auto words = restore_request({}, spec, "/r", {}, "criu").words;
    BOOST_TEST(has(words, {"inherit-namespace", "/run/netns/n", "extRootNetNS"}));
    BOOST_TEST(has(words, {"join-namespace", "ipc", "/proc/1/ns/ipc"}));
    spec.linux->namespaces = {{.type = spec::NamespaceType::cgroup, .path = "/proc/1/ns/cgroup"}};
    BOOST_CHECK_THROW(restore_request({}, spec, "/r", {}, "criu"), Error);
}

BOOST_AUTO_TEST_SUITE_END()
