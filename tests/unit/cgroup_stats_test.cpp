#include <gpurun/cgroup.h>

#include <boost/test/unit_test.hpp>
#include <limits>

#include "cgroup/stats_parse.h"

using namespace gpurun;
using namespace gpurun::cgroup;

BOOST_AUTO_TEST_SUITE(cgroup_stats)

BOOST_AUTO_TEST_CASE(the_texts_of_the_kernel_are_read) {
    BOOST_TEST(parse_flat("user 5\nsystem 7\nbroken\n").at("system") == 7u);
    BOOST_TEST(parse_amount("max\n") == std::numeric_limits<std::uint64_t>::max());
    BOOST_TEST(parse_list("0-2,7\n").size() == 4u);
    BOOST_TEST(parse_list("\n").empty());
    const auto pressure = parse_pressure(
        "some avg10=1.25 avg60=0.00 avg300=100.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
    BOOST_TEST(pressure.some.avg10.value == 1.25);
    BOOST_TEST(pressure.some.avg300.value == 100.0);
    BOOST_TEST(pressure.some.total == 77u);
    BOOST_TEST(pressure.full.total == 5u);
    BOOST_TEST(parse_rdma("mlx5_0 hca_handle=2 hca_object=max\n").at("mlx5_0").hca_handle == 2u);
}

BOOST_AUTO_TEST_CASE(page_sizes_are_spelled_as_in_the_file_names) {
    BOOST_TEST(page_size_of("hugepages-2048kB") == "2MB");
    BOOST_TEST(page_size_of("hugepages-1048576kB") == "1GB");
    BOOST_TEST(page_size_of("hugepages-64kB") == "64KB");
    BOOST_TEST(page_size_of("other") == "");
}

BOOST_AUTO_TEST_CASE(block_statistics_leave_totals_out) {
    std::vector<BlkioStats::Entry> entries;
    parse_blkio("8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n8:0 12\n", entries);
    BOOST_REQUIRE(entries.size() == 3u);
    BOOST_TEST(entries[0].op == "Read");
    BOOST_TEST(entries[2].value == 12u);
    BlkioStats stats;
    parse_io_stat("253:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n", stats);
    BOOST_REQUIRE(stats.service_bytes.size() == 3u);
    BOOST_TEST(stats.service_bytes[1].op == "Write");
    BOOST_TEST(stats.serviced[1].value == 2u);
}

BOOST_AUTO_TEST_CASE(an_event_has_the_names_of_runc) {
    Stats stats;
    stats.cpu.usage.total = 5;
    stats.cpu.psi.emplace().some.avg10.value = 1.5;
    stats.memory.usage = {.limit = 10, .usage = 4};
    stats.hugetlb["2MB"] = {};
    BOOST_TEST(
        stats_event("c1", stats) ==
        R"({"type":"stats","id":"c1","data":{"cpu":{"usage":{"total":5,"kernel":0,"user":0},"throttling":{},"psi":{"some":{"avg10":1.50,)"
        R"("avg60":0,"avg300":0,"total":0},"full":{"avg10":0,"avg60":0,"avg300":0,"total":0}}},"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,)"
        R"("mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,)"
        R"("sched_relax_domain_level":0},"memory":{"usage":{"limit":10,"usage":4,"failcnt":0},"swap":{"limit":0,"failcnt":0},)"
        R"("kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0}},"pids":{},"blkio":{},"hugetlb":{"2MB":{"failcnt":0}}}})");
    BOOST_TEST(oom_event("c1") == R"({"type":"oom","id":"c1"})");
}

BOOST_AUTO_TEST_SUITE_END()
