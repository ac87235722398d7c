#include "security/credentials.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/security.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "in_child.h"
#include "sys/file.h"

using namespace gpurun;

namespace {

boost::test_tools::assertion_result is_root(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result result(::geteuid() == 0);
    result.message() << "needs root";
    return result;
}

sys::Fd proc() { return sys::open("/proc", O_PATH | O_DIRECTORY); }

bool has_line(const std::string& line) {
    return sys::read_file("/proc/self/status").find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(security_credentials)

BOOST_AUTO_TEST_CASE(user_and_groups_are_set_and_permitted_capabilities_kept,
                     *boost::unit_test::precondition(is_root)) {
    BOOST_TEST(in_child([] {
        security::set_user({.uid = 1000, .gid = 1001, .additional_gids = {5, 7}}, security::Groups::set, proc());
        const std::uint64_t chown = 1u << CAP_CHOWN;
        security::apply({.effective = chown, .permitted = chown});
        security::forget_kept_capabilities();
        return has_line("Uid:\t1000\t1000\t1000\t1000") && has_line("Gid:\t1001\t1001\t1001\t1001") &&
               has_line("Groups:\t5 7 ") && has_line("CapPrm:\t0000000000000001") &&
               has_line("CapEff:\t0000000000000001") && ::prctl(PR_GET_KEEPCAPS) == 0;
    }));
}

BOOST_AUTO_TEST_CASE(additional_groups_are_emptied_when_none_are_wanted, *boost::unit_test::precondition(is_root)) {
    BOOST_TEST(in_child([] {
        const gid_t some[] = {1, 2};
        ::setgroups(2, some);
        security::set_user({.uid = 0, .gid = 0}, security::Groups::set, proc());
        return ::getgroups(0, nullptr) == 0;
    }));
}

BOOST_AUTO_TEST_CASE(an_id_that_the_user_namespace_lacks_is_named) {
    BOOST_TEST(in_child([] {
        const std::string uid_map = "0 " + std::to_string(::geteuid()) + " 1",
                          gid_map = "0 " + std::to_string(::getegid()) + " 1";
        if (::unshare(CLONE_NEWUSER) != 0) return false;
        sys::write_file("/proc/self/setgroups", "deny");
        sys::write_file("/proc/self/uid_map", uid_map);
        sys::write_file("/proc/self/gid_map", gid_map);
        // Denied setgroups is fine without additional groups, and only then.
        security::set_user({.uid = 0, .gid = 0}, security::Groups::set, proc());
        try {
            security::set_user({.uid = 0, .gid = 0, .additional_gids = {0}}, security::Groups::set, proc());
            return false;
        } catch (const Error& error) {
            if (error.code != EPERM || error.message != "set additional groups [0]") return false;
        }
        try {
            security::set_user({.uid = 7, .gid = 0}, security::Groups::set, proc());
            return false;
        } catch (const Error& error) {
            return error.message == "set uid 7 (not mapped in the user namespace)";
        }
    }));
}

BOOST_AUTO_TEST_CASE(standard_streams_change_hands_but_not_dev_null, *boost::unit_test::precondition(is_root)) {
    BOOST_TEST(in_child([] {
        int ends[2];
        if (::pipe(ends) != 0) return false;
        ::dup2(ends[1], 1);
        ::dup2(::open("/dev/null", O_RDWR | O_CLOEXEC), 0);
        security::give_standard_streams(1000);
        struct stat out {
        }, in{};
        return ::fstat(1, &out) == 0 && out.st_uid == 1000 && ::fstat(0, &in) == 0 && in.st_uid == 0;
    }));
}

BOOST_AUTO_TEST_CASE(no_new_privileges_stays) {
    BOOST_TEST(in_child([] {
        security::set_no_new_privileges();
        return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
