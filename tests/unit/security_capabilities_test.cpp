#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/security.h>
#include <linux/capability.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "in_child.h"
#include "sys/file.h"

using namespace gpurun;

namespace {

constexpr std::uint64_t bit(int number) { return std::uint64_t{1} << number; }
constexpr std::uint64_t all = bit(CAP_LAST_CAP + 1) - 1;

std::uint64_t status_field(const std::string& name) {
    const std::string status = sys::read_file("/proc/self/status");
    const auto at = status.find("\n" + name + ":\t");
    BOOST_REQUIRE(at != std::string::npos);
    return *parse_number<std::uint64_t>(std::string_view(status).substr(at + name.size() + 3, 16), 16);
}

boost::test_tools::assertion_result privileged(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result result((status_field("CapEff") & bit(CAP_SETPCAP)) != 0);
    result.message() << "needs CAP_SETPCAP";
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(security_capabilities)

BOOST_AUTO_TEST_CASE(a_name_is_known_with_and_without_prefix_and_in_any_case) {
    BOOST_TEST(security::capability_number("CAP_NET_RAW") == CAP_NET_RAW);
    BOOST_TEST(security::capability_number("net_raw") == CAP_NET_RAW);
    BOOST_TEST(security::capability_number("Cap_Bpf") == CAP_BPF);
    BOOST_TEST(security::capability_number("CAP_") == -1);
    BOOST_TEST(security::capability_number("") == -1);
    BOOST_TEST(security::capability_number("CAP_NET_RAWX") == -1);
}

BOOST_AUTO_TEST_CASE(the_table_names_every_number_once_up_to_the_last) {
    const auto names = security::capability_names();
    BOOST_TEST(names.size() == static_cast<std::size_t>(CAP_LAST_CAP + 1));
    for (int number = 0; number <= CAP_LAST_CAP; ++number)
        BOOST_TEST(security::capability_number(names[static_cast<std::size_t>(number)]) == number);
}

BOOST_AUTO_TEST_CASE(unknown_names_and_ungrantable_ambient_ones_are_reported_once) {
    const spec::Capabilities names{.bounding = {"CAP_KILL", "CAP_NONSENSE"},
                                   .effective = {"CAP_NONSENSE"},
                                   .inheritable = {"CAP_KILL"},
                                   .permitted = {"CAP_KILL", "CAP_CHOWN", "CAP_BPF"},
                                   .ambient = {"CAP_KILL", "CAP_CHOWN"}};
    security::Ungranted ungranted;
    const auto sets = security::resolve(names, all & ~bit(CAP_BPF), ungranted);
    BOOST_TEST(sets.bounding == bit(CAP_KILL));
    BOOST_TEST(sets.effective == 0u);
    BOOST_TEST(sets.permitted == (bit(CAP_KILL) | bit(CAP_CHOWN)));
    BOOST_TEST(sets.ambient == bit(CAP_KILL));
    BOOST_TEST(ungranted.unknown == (std::vector<std::string>{"CAP_NONSENSE", "CAP_BPF"}),
               boost::test_tools::per_element());
    BOOST_TEST(ungranted.not_raisable == (std::vector<std::string>{"CAP_CHOWN"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_kernels_capabilities_end_at_its_own_last_one) {
    const auto last = parse_number<int>(trim(sys::read_file("/proc/sys/kernel/cap_last_cap")));
    BOOST_TEST(security::known_capabilities() == (bit(*last) << 1) - 1);
}

BOOST_AUTO_TEST_CASE(sets_are_applied_as_given_when_all_are_held, *boost::unit_test::precondition(privileged)) {
    BOOST_TEST(in_child([] {
        const std::uint64_t some = bit(CAP_CHOWN) | bit(CAP_KILL) | bit(CAP_BPF);
        security::drop_bounding(some);
        security::apply({.bounding = some,
                         .effective = bit(CAP_KILL),
                         .inheritable = bit(CAP_BPF),
                         .permitted = some,
                         .ambient = bit(CAP_BPF)});
        return status_field("CapBnd") == some && status_field("CapPrm") == some &&
               status_field("CapEff") == bit(CAP_KILL) && status_field("CapInh") == bit(CAP_BPF) &&
               status_field("CapAmb") == bit(CAP_BPF);
    }));
}

BOOST_AUTO_TEST_CASE(what_this_process_does_not_hold_is_dropped_and_the_rest_applied,
                     *boost::unit_test::precondition(privileged)) {
    BOOST_TEST(in_child([] {
        const std::uint64_t some = bit(CAP_CHOWN) | bit(CAP_SETPCAP);
        ::dup2(::open("/dev/null", O_WRONLY), 2);
        security::drop_bounding(some);
        security::apply({.effective = some, .permitted = some});
        security::apply({.effective = all, .inheritable = all, .permitted = all, .ambient = all});
        return status_field("CapPrm") == some && status_field("CapInh") == some && status_field("CapAmb") == some;
    }));
}

BOOST_AUTO_TEST_CASE(a_bounding_set_without_the_right_to_drop_is_an_error_only_when_something_is_left_to_drop,
                     *boost::unit_test::precondition(privileged)) {
    BOOST_TEST(in_child([] {
        security::drop_bounding(bit(CAP_CHOWN));
        security::apply({.effective = bit(CAP_CHOWN), .permitted = bit(CAP_CHOWN)});
        security::drop_bounding(bit(CAP_CHOWN));
        try {
            security::drop_bounding(0);
        } catch (const Error& error) {
            return error.code == EPERM && error.message.find("CAP_CHOWN") != std::string::npos;
        }
        return false;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
