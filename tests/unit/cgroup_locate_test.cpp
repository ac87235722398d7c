#include <gpurun/cgroup.h>
#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "cgroup/parse.h"
#include "cgroup/unit.h"

using namespace gpurun;
using namespace gpurun::cgroup;

namespace {

const Mounts v2{.layout = Layout::v2, .hierarchies = {{{}, "/sys/fs/cgroup", "/user.slice/session-1.scope"}}};
const Mounts hybrid{.layout = Layout::hybrid,
                    .hierarchies = {{{"memory"}, "/sys/fs/cgroup/memory", "/own"},
                                    {{"name=systemd"}, "/sys/fs/cgroup/systemd", "/"},
                                    {{}, "/sys/fs/cgroup/unified", "/"}}};

std::string paths(const Location& location) {
    std::string text;
    for (const auto& directory : location.directories)
        text += join(directory.controllers, ",") + " " + directory.path + "\n";
    return text;
}

void refused(const std::string& path, Driver driver) {
    BOOST_CHECK_THROW(locate(v2, driver, path, "id", false), Error);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_locate)

BOOST_AUTO_TEST_CASE(an_absolute_path_is_below_each_mount_point) {
    const auto location = locate(hybrid, Driver::cgroupfs, "/docker//./abc", "abc", false);
    BOOST_TEST(location.path == "/docker/abc");
    BOOST_TEST(paths(location) ==
               "memory /sys/fs/cgroup/memory/docker/abc\nname=systemd /sys/fs/cgroup/systemd/docker/abc\n "
               "/sys/fs/cgroup/unified/docker/abc\n");
    BOOST_TEST(location.explicit_path);
}

BOOST_AUTO_TEST_CASE(a_relative_or_absent_path_starts_at_gpuruns_own_cgroup) {
    BOOST_TEST(paths(locate(v2, Driver::cgroupfs, "", "id", false)) == " /sys/fs/cgroup/user.slice/id\n");
    BOOST_TEST(locate(v2, Driver::cgroupfs, "a/b", "id", false).path == "/user.slice/a/b");
    BOOST_TEST(!locate(v2, Driver::cgroupfs, "", "id", false).explicit_path);
    BOOST_TEST(
        paths(locate(hybrid, Driver::cgroupfs, "a", "id", false)) ==
        "memory /sys/fs/cgroup/memory/own/a\nname=systemd /sys/fs/cgroup/systemd/a\n /sys/fs/cgroup/unified/a\n");
}

BOOST_AUTO_TEST_CASE(a_path_that_leads_out_is_refused) {
    refused("/../x", Driver::cgroupfs);
    refused("a/../../x", Driver::cgroupfs);
    refused(std::string("/a\0b", 4), Driver::cgroupfs);
    refused("/a\nb", Driver::cgroupfs);
    BOOST_TEST(locate(v2, Driver::cgroupfs, "/a/../x", "id", false).path == "/x");
}

BOOST_AUTO_TEST_CASE(a_systemd_path_names_slice_and_scope) {
    const auto location = locate(v2, Driver::systemd, "a-b.slice:docker:abc", "abc", false);
    BOOST_TEST(location.slice == "a-b.slice");
    BOOST_TEST(location.unit == "docker-abc.scope");
    BOOST_TEST(location.path == "/a.slice/a-b.slice/docker-abc.scope");
    BOOST_TEST(paths(location) == " /sys/fs/cgroup/a.slice/a-b.slice/docker-abc.scope\n");
    BOOST_TEST(locate(v2, Driver::systemd, "", "abc", false).path == "/system.slice/gpurun-abc.scope");
    BOOST_TEST(locate(v2, Driver::systemd, ":x:abc", "abc", false).slice == "system.slice");
    BOOST_TEST(locate(v2, Driver::systemd, "-.slice::abc", "abc", false).path == "/abc.scope");
    BOOST_TEST(locate(v2, Driver::systemd, "a.slice:x:b.slice", "abc", false).unit == "b.slice");
    for (const char* path :
         {"/docker/abc", "a:b", "a:b:c:d", "x:b:c", "a--b.slice:b:c", "../a.slice:b:c", "a.slice:b:"})
        refused(path, Driver::systemd);
}

BOOST_AUTO_TEST_CASE(a_users_units_are_below_that_users_manager) {
    const Mounts mounts{
        .layout = Layout::v2,
        .hierarchies = {{{}, "/sys/fs/cgroup", "/user.slice/user-7.slice/user@7.service/app.slice/x.scope"}}};
    BOOST_TEST(locate(mounts, Driver::systemd, "user.slice:libpod:c", "c", true).path ==
               "/user.slice/user-7.slice/user@7.service/user.slice/libpod-c.scope");
}

BOOST_AUTO_TEST_CASE(without_cgroups_there_are_no_directories) {
    BOOST_TEST(locate(v2, Driver::disabled, "", "id", false).directories.empty());
}

BOOST_AUTO_TEST_CASE(slices_expand_at_each_dash) {
    BOOST_TEST(expand_slice("a-b-c.slice") == "/a.slice/a-b.slice/a-b-c.slice");
    BOOST_TEST(expand_slice("-.slice") == "/");
    BOOST_CHECK_THROW(expand_slice("a"), Error);
    BOOST_CHECK_THROW(expand_slice("-a.slice"), Error);
    BOOST_CHECK_THROW(expand_slice(".slice"), Error);
}

BOOST_AUTO_TEST_CASE(memberships_and_mounts_are_read) {
    const auto memberships = parse_memberships("2:cpu,cpuacct:/a:b\n1:name=systemd:/../x\n0::/c\n");
    BOOST_REQUIRE(memberships.size() == 3u);
    BOOST_TEST(memberships[0].controllers.size() == 2u);
    BOOST_TEST(memberships[0].own_path == "/a:b");
    BOOST_TEST(memberships[1].own_path == "/");
    BOOST_TEST(memberships[2].controllers.empty());
    const auto mounts = parse_mount_table(
        "32 31 0:29 / /mnt/with\\040blank rw,relatime - cgroup cgroup rw,cpuacct,cpu\n33 31 0:30 / /x rw - cgroup2 "
        "cgroup2 rw\n"
        "34 31 0:31 / /y rw shared:1 - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n");
    BOOST_REQUIRE(mounts.size() == 2u);
    BOOST_TEST(mounts[0].mount_point == "/mnt/with blank");
    BOOST_TEST(join(mounts[0].controllers, " ") == "cpuacct cpu");
    BOOST_TEST(join(mounts[1].controllers, " ") == "name=systemd");
    BOOST_TEST(flat_value("populated 1\nfrozen 0\n", "frozen") == "0");
    BOOST_TEST(flat_value("frozen_x 1\n", "frozen") == "");
}

BOOST_AUTO_TEST_SUITE_END()
