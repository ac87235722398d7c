#include "engine/resctrl.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "base/scope.h"
#include "sys/file.h"
#include "temporary_directory.h"

namespace gpurun::engine {
namespace {

// Files as the kernel makes them in a group. A write of the kernel's replaces, one to these overwrites the beginning.
struct Resctrl : test::TemporaryDirectory {
    Resctrl() { group("", "L3:0=fff;1=fff\nMB:0=100;1=100\n"); }
    void group(const std::string& name, const std::string& schemata = "") const {
        write(name + "/schemata", schemata);
        write(name + "/tasks", "");
    }
    std::string read(const std::string& name) const { return sys::read_file(*this / name); }
};

spec::IntelRdt rdt_of(const std::string& closid, const std::string& l3 = "", const std::string& bandwidth = "") {
    spec::IntelRdt rdt;
    rdt.clos_id = closid;
    rdt.l3_cache_schema = l3;
    rdt.mem_bw_schema = bandwidth;
    return rdt;
}

void refused(const Resctrl& resctrl, const spec::IntelRdt& rdt, const std::string& reason) {
    Undo undo;
    BOOST_CHECK_EXCEPTION(join_group(resctrl.path(), rdt, "c1", 42, undo), Error,
                          [&](const Error& error) { return error.message.find(reason) != std::string::npos; });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_resctrl)

BOOST_AUTO_TEST_CASE(the_process_goes_into_the_group_of_the_closID) {
    const Resctrl resctrl;
    resctrl.group("shared", "L3:0=f;1=ff\n");
    Undo undo;
    BOOST_TEST(join_group(resctrl.path(), rdt_of("shared", "L3:0=0f"), "c1", 42, undo) == "");
    BOOST_TEST(resctrl.read("shared/tasks") == "42");
    BOOST_TEST(resctrl.read("shared/schemata") == "L3:0=f;1=ff\n", "a group that exists keeps its schemata");
    BOOST_TEST(join_group(resctrl.path(), rdt_of("shared"), "c2", 43, undo) == "");
    BOOST_TEST(resctrl.read("shared/tasks") == "43");
}

BOOST_AUTO_TEST_CASE(the_closID_of_a_slash_is_the_root_group) {
    const Resctrl resctrl;
    Undo undo;
    BOOST_TEST(join_group(resctrl.path(), rdt_of("/"), "c1", 42, undo) == "");
    BOOST_TEST(resctrl.read("tasks") == "42");
}

BOOST_AUTO_TEST_CASE(a_group_with_other_schemata_is_refused) {
    const Resctrl resctrl;
    resctrl.group("shared", "L3:0=f;1=ff\n");
    refused(resctrl, rdt_of("shared", "L3:0=ff"), "other schemata");
    BOOST_TEST(resctrl.read("shared/tasks") == "");
}

BOOST_AUTO_TEST_CASE(a_closID_without_schema_needs_its_group) {
    const Resctrl resctrl;
    refused(resctrl, rdt_of("none"), "group none does not exist");
    BOOST_TEST(!sys::exists(resctrl / "none"));
}

BOOST_AUTO_TEST_CASE(the_bandwidth_schema_replaces_that_of_the_cache_schema) {
    const Resctrl resctrl;
    resctrl.group("c1");
    update_group(resctrl.path(), rdt_of(""), rdt_of("", "MB:0=10", "MB:0=70"), "c1");
    BOOST_TEST(resctrl.read("c1/schemata") == "MB:0=70\n");
    update_group(resctrl.path(), rdt_of("/"), rdt_of("", "L3:0=001;1=001"), "c1");
    BOOST_TEST(resctrl.read("schemata").starts_with("L3:0=001;1=001\n"));
}

BOOST_AUTO_TEST_CASE(the_lines_of_schemata_are_written_one_by_one) {
    const Resctrl resctrl;
    resctrl.group("c1");
    auto rdt = rdt_of("");
    rdt.schemata = {"L3:0=1"};
    Undo undo;
    join_group(resctrl.path(), rdt, "c1", 42, undo);
    BOOST_TEST(resctrl.read("c1/schemata") == "L3:0=1\n");
    BOOST_TEST(resctrl.read("c1/tasks") == "42");
}

BOOST_AUTO_TEST_CASE(monitoring_has_a_group_of_the_container_that_goes_with_it) {
    const Resctrl resctrl;
    resctrl.group("shared", "L3:0=f\n");
    resctrl.group("shared/mon_groups/c1");
    auto rdt = rdt_of("shared");
    rdt.enable_monitoring = true;
    Undo undo;
    BOOST_TEST(join_group(resctrl.path(), rdt, "c1", 42, undo) == resctrl / "shared/mon_groups/c1");
    BOOST_TEST(resctrl.read("shared/mon_groups/c1/tasks") == "42");
}

BOOST_AUTO_TEST_CASE(schemata_are_compared_by_what_they_say) {
    BOOST_TEST(agrees("    L3:0=00f;1=ff\n    MB:0= 70\n", "L3:0=f"));
    BOOST_TEST(agrees("L3:0=00f;1=ff", "L3:1=ff;0=f"));
    BOOST_TEST(!agrees("L3:0=00f;1=ff", "L3:0=ff"));
    BOOST_TEST(!agrees("L3:0=00f", "MB:0=70"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpurun::engine
