#include <gpurun/error.h>
#include <gpurun/state.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "temporary_directory.h"

namespace gpurun::state {
namespace {

using namespace std::string_literals;

const std::string config = "{\"ociVersion\":\"1.3.0\"}\n";
const std::string compiled = "\0\n\0compiled"s;

struct OneRecord : test::TemporaryDirectory {
    Store store{path()};
    Record record{.id = "c", .oci_version = "1.3.0", .bundle = "/b", .rootfs = "/b/rootfs", .created = "now"};
    NewRecord made = store.create(record, config);

    void holds(const std::string& what_is_compiled) const {
        const auto stored = store.load_with_config("c");
        BOOST_TEST(stored.record.pid == record.pid);
        BOOST_TEST(stored.config == config);
        BOOST_TEST(stored.compiled == what_is_compiled);
        BOOST_TEST(store.load_config("c") == config);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(state_store)

BOOST_FIXTURE_TEST_CASE(what_was_compiled_is_kept_behind_the_config, OneRecord) {
    holds("");
    store.keep(made, compiled);
    holds(compiled);
}

BOOST_FIXTURE_TEST_CASE(saves_leave_what_is_behind_the_record, OneRecord) {
    store.keep(made, compiled);
    record.pid = 12345;
    store.save(record, made);
    holds(compiled);
    record.pid = 54321;
    store.save(record);
    holds(compiled);
    record.annotations["a"] = std::string(5000, 'x');
    store.save(record);
    holds(compiled);
}

BOOST_FIXTURE_TEST_CASE(a_new_config_takes_what_was_compiled_of_the_old_one, OneRecord) {
    store.keep(made, compiled);
    store.save(record, config);
    holds("");
}

BOOST_FIXTURE_TEST_CASE(nothing_is_kept_in_a_file_that_has_been_replaced, OneRecord) {
    record.annotations["a"] = std::string(5000, 'x');
    store.save(record, made);
    store.keep(made, compiled);
    holds("");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpurun::state
