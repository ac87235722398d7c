#include "sys/process_attributes.h"

#include <gpurun/error.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "in_child.h"

using namespace gpurun;

namespace {

using Words = std::vector<std::uint64_t>;

bool refuses(const char* list) {
    try {
        sys::parse_list(list);
        return false;
    } catch (const Error& error) {
        return error.message.find(list) != std::string::npos;
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sys_process_attributes)

BOOST_AUTO_TEST_CASE(a_list_of_ranges_becomes_bits_beyond_1024_too) {
    BOOST_TEST(sys::parse_list("0-3,7") == Words{0x8f}, boost::test_tools::per_element());
    BOOST_TEST(sys::parse_list("").empty());
    BOOST_TEST(sys::parse_list("\n").empty());
    BOOST_TEST(sys::parse_list("63,64") == (Words{1ul << 63, 1}), boost::test_tools::per_element());
    const auto large = sys::parse_list("2000-2001");
    BOOST_REQUIRE(large.size() == 2000 / 64 + 1);
    BOOST_TEST(large.back() == 3ul << 2000 % 64);
}

BOOST_AUTO_TEST_CASE(a_wrong_list_is_refused_with_its_text) {
    for (const char* list :
         {"3-1", "a", "1,,2", "1-", "-1", "1-2-3", "0x1", "65536", "0-4294967295", "99999999999", ",", "1 2"})
        BOOST_TEST(refuses(list), list);
}

BOOST_AUTO_TEST_CASE(one_cpu_is_kept_with_the_children_until_it_is_released) {
    const auto allowed = [] {
        cpu_set_t cpus;
        ::sched_getaffinity(0, sizeof cpus, &cpus);
        return CPU_COUNT(&cpus);
    };
    BOOST_TEST(in_child([&] {
        const int before = allowed();
        sys::OneCpu shared;
        const bool kept = allowed() == 1 && in_child([&] { return allowed() == 1; });
        shared.release();
        const bool released = allowed() == before;
        sys::set_cpu_affinity("0");
        shared.release();
        return kept && released && allowed() == 1;
    }));
}

BOOST_AUTO_TEST_CASE(a_limit_holds_in_the_process) {
    BOOST_TEST(in_child([] {
        sys::set_rlimit(RLIMIT_NOFILE, 50, 60);
        rlimit now{};
        return ::getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == 50 && now.rlim_max == 60;
    }));
}

BOOST_AUTO_TEST_CASE(a_soft_limit_above_the_hard_one_names_the_limit) {
    BOOST_TEST(in_child([] {
        try {
            sys::set_rlimit(RLIMIT_NOFILE, 60, 50);
        } catch (const Error& error) {
            return error.code == EINVAL && error.message.find("RLIMIT_NOFILE to 60:50") != std::string::npos;
        }
        return false;
    }));
}

BOOST_AUTO_TEST_CASE(batch_scheduling_with_a_nice_value_is_set) {
    BOOST_TEST(in_child([] {
        sys::set_scheduling({.policy = SCHED_BATCH, .flags = 1, .nice = 5});
        return ::sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK) && ::getpriority(PRIO_PROCESS, 0) == 5;
    }));
}

BOOST_AUTO_TEST_CASE(an_impossible_scheduling_names_the_policy) {
    BOOST_TEST(in_child([] {
        try {
            sys::set_scheduling({.policy = SCHED_FIFO, .priority = 500});
        } catch (const Error& error) {
            return error.code == EINVAL && error.message.find("SCHED_FIFO") != std::string::npos;
        }
        return false;
    }));
}

BOOST_AUTO_TEST_CASE(an_io_priority_is_set) {
    BOOST_TEST(in_child([] {
        sys::set_io_priority(2, 6);
        return ::syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6);
    }));
}

BOOST_AUTO_TEST_CASE(a_memory_policy_is_set_and_an_absent_node_refused) {
    BOOST_TEST(in_child([] {
        sys::set_memory_policy(2, "0");
        int mode = -1;
        unsigned long nodes[16] = {};
        if (::syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, nullptr, 0) != 0) return false;
        if (mode != 2 || nodes[0] != 1) return false;
        sys::set_memory_policy(0, "");
        try {
            sys::set_memory_policy(2, "900");
        } catch (const Error& error) {
            return error.code == EINVAL;
        }
        return false;
    }));
}

BOOST_AUTO_TEST_CASE(affinity_is_set_and_reset) {
    BOOST_TEST(in_child([] {
        cpu_set_t before, now;
        ::sched_getaffinity(0, sizeof before, &before);
        sys::set_cpu_affinity("0,5000");
        ::sched_getaffinity(0, sizeof now, &now);
        if (CPU_COUNT(&now) != 1 || !CPU_ISSET(0, &now)) return false;
        sys::set_cpu_affinity("");
        ::sched_getaffinity(0, sizeof now, &now);
        return CPU_EQUAL(&before, &now) != 0;
    }));
}

BOOST_AUTO_TEST_CASE(affinity_to_absent_cpus_only_is_an_error) {
    BOOST_TEST(in_child([] {
        try {
            sys::set_cpu_affinity("5000");
        } catch (const Error& error) {
            return error.code == EINVAL;
        }
        return false;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
