#include <gpurun/cgroup.h>
#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "cgroup/translate.h"

using namespace gpurun;
using namespace gpurun::cgroup;

namespace {

// One write a line: "controller file=value", then "?" when it may be absent, "|" when the next one replaces it.
std::string lines(Layout layout, const spec::Resources& resources) {
    std::string text;
    for (const auto& write : translate(layout, resources))
        text += format("{} {}={}{}{}\n", write.controller, write.file, write.value, write.optional ? " ?" : "",
                       write.or_next ? " |" : "");
    return text;
}

void refused(Layout layout, const spec::Resources& resources, const std::string& part) {
    BOOST_CHECK_EXCEPTION(translate(layout, resources), Error, [&](const Error& error) {
        BOOST_TEST_MESSAGE(error.text());
        return error.text().find(part) != std::string::npos;
    });
}

spec::Resources with(spec::Memory memory) { return {.memory = memory}; }
spec::Resources with(spec::Cpu cpu) { return {.cpu = cpu}; }

spec::BlockIo some_io() {
    return {.weight = 500,
            .weight_device = {{.major = 8, .minor = 0, .weight = 1000}},
            .throttle_read_bps_device = {{8, 0, 1048576}, {8, 16, 7}},
            .throttle_write_iops_device = {{8, 0, 100}}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_translate)

BOOST_AUTO_TEST_CASE(shares_become_weights_by_the_curve_through_1024_and_100) {
    BOOST_TEST(weight_of_shares(0) == 1u);
    BOOST_TEST(weight_of_shares(2) == 1u);
    BOOST_TEST(weight_of_shares(3) == 2u);
    BOOST_TEST(weight_of_shares(300) == 39u);
    BOOST_TEST(weight_of_shares(512) == 59u);
    BOOST_TEST(weight_of_shares(1024) == 100u);
    BOOST_TEST(weight_of_shares(2048) == 174u);
    BOOST_TEST(weight_of_shares(262144) == 10000u);
    BOOST_TEST(weight_of_shares(1000000) == 10000u);
}

BOOST_AUTO_TEST_CASE(nothing_asked_writes_nothing) {
    for (const auto layout : {Layout::v1, Layout::hybrid, Layout::v2}) {
        BOOST_TEST(lines(layout, {}) == "");
        // What engines send for "not set".
        BOOST_TEST(lines(layout, {.memory = spec::Memory{.limit = 0, .swap = 0, .swappiness = ~std::uint64_t{}},
                                  .cpu = spec::Cpu{.shares = 0, .quota = 0, .period = 0, .realtime_runtime = 0},
                                  .block_io = spec::BlockIo{.weight = 0}}) == "");
    }
}

BOOST_AUTO_TEST_CASE(cpu_limits_of_v2) {
    BOOST_TEST(
        lines(Layout::v2,
              with(spec::Cpu{
                  .shares = 1024, .quota = 50000, .burst = 1000, .period = 100000, .cpus = "0-1", .mems = "0"})) ==
        "cpu cpu.weight=100\ncpu cpu.max=50000 100000\ncpu cpu.max.burst=1000\ncpuset cpuset.cpus=0-1\ncpuset "
        "cpuset.mems=0\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Cpu{.quota = 20000})) == "cpu cpu.max=20000\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Cpu{.quota = -1})) == "cpu cpu.max=max\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Cpu{.period = 50000})) == "cpu cpu.max=max 50000\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Cpu{.shares = 512, .idle = 1})) == "cpu cpu.idle=1\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Cpu{.shares = 512, .idle = 0})) == "cpu cpu.idle=0\ncpu cpu.weight=59\n");
}

BOOST_AUTO_TEST_CASE(cpu_limits_of_v1) {
    BOOST_TEST(lines(Layout::v1, with(spec::Cpu{.shares = 512,
                                                .quota = -1,
                                                .burst = 0,
                                                .period = 100000,
                                                .realtime_runtime = 5000,
                                                .realtime_period = 10000,
                                                .cpus = "0",
                                                .mems = "0",
                                                .idle = 0})) ==
               "cpuset cpuset.cpus=0\ncpuset cpuset.mems=0\ncpu cpu.idle=0\ncpu cpu.shares=512\ncpu "
               "cpu.rt_period_us=10000\ncpu cpu.rt_runtime_us=5000\n"
               "cpu cpu.cfs_period_us=100000\ncpu cpu.cfs_quota_us=-1\ncpu cpu.cfs_burst_us=0\n");
    BOOST_TEST(lines(Layout::v1, with(spec::Cpu{.shares = 512, .idle = 1})) == "cpu cpu.idle=1\n");
}

BOOST_AUTO_TEST_CASE(swap_on_v2_is_what_exceeds_memory) {
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.limit = 100, .reservation = 50, .swap = 150})) ==
               "memory memory.swap.max=50\nmemory memory.max=100\nmemory memory.low=50\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.limit = 100, .swap = 100})) ==
               "memory memory.swap.max=0 ?\nmemory memory.max=100\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.limit = 100, .swap = -1})) ==
               "memory memory.swap.max=max ?\nmemory memory.max=100\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.limit = -1})) ==
               "memory memory.swap.max=max ?\nmemory memory.max=max\n");
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.limit = 100})) == "memory memory.max=100\n");
    refused(Layout::v2, with(spec::Memory{.limit = 100, .swap = 99}), "memory.swap 99 is below");
    refused(Layout::v2, with(spec::Memory{.swap = 99}), "needs linux.resources.memory.limit");
    refused(Layout::v2, with(spec::Memory{.limit = -1, .swap = 99}), "needs linux.resources.memory.limit");
}

BOOST_AUTO_TEST_CASE(memory_limits_of_v1) {
    BOOST_TEST(lines(Layout::v1, with(spec::Memory{.limit = 100,
                                                   .reservation = 50,
                                                   .swap = 150,
                                                   .kernel = 7,
                                                   .kernel_tcp = 9,
                                                   .swappiness = 0,
                                                   .disable_oom_killer = true,
                                                   .use_hierarchy = true})) ==
               "memory memory.limit_in_bytes=100\nmemory memory.memsw.limit_in_bytes=150\nmemory "
               "memory.soft_limit_in_bytes=50\n"
               "memory memory.kmem.tcp.limit_in_bytes=9\nmemory memory.swappiness=0\nmemory memory.use_hierarchy=1 "
               "?\nmemory memory.oom_control=1\n");
    BOOST_TEST(lines(Layout::v1, with(spec::Memory{.limit = -1})) ==
               "memory memory.limit_in_bytes=-1\nmemory memory.memsw.limit_in_bytes=-1 ?\n");
    refused(Layout::v1, with(spec::Memory{.limit = 100, .swap = 99}), "memory.swap 99 is below");
    refused(Layout::v1, with(spec::Memory{.swappiness = 101}), "from 0 to 100");
}

BOOST_AUTO_TEST_CASE(check_before_update_names_the_usage_file) {
    const auto floor = [](Layout layout) {
        return translate(layout, with(spec::Memory{.limit = 100, .check_before_update = true})).front().floor;
    };
    BOOST_TEST(floor(Layout::v1) == "memory.usage_in_bytes");
    BOOST_TEST(floor(Layout::v2) == "memory.current");
}

BOOST_AUTO_TEST_CASE(block_io_of_v1_and_v2) {
    BOOST_TEST(lines(Layout::v2, {.block_io = some_io()}) ==
               "io io.bfq.weight=default 500 |\nio io.weight=default 4950\nio io.bfq.weight=8:0 1000 |\nio "
               "io.weight=8:0 10000\n"
               "io io.max=8:0 rbps=1048576 wiops=100\nio io.max=8:16 rbps=7\n");
    BOOST_TEST(lines(Layout::v1, {.block_io = some_io()}) ==
               "blkio blkio.bfq.weight=500 |\nblkio blkio.weight=500\nblkio blkio.bfq.weight_device=8:0 1000 |\nblkio "
               "blkio.weight_device=8:0 1000\n"
               "blkio blkio.throttle.read_bps_device=8:0 1048576\nblkio blkio.throttle.read_bps_device=8:16 7\n"
               "blkio blkio.throttle.write_iops_device=8:0 100\n");
    BOOST_TEST(io_weight_of(10) == 1u);
    BOOST_TEST(io_weight_of(1000) == 10000u);
    refused(Layout::v2, {.block_io = spec::BlockIo{.weight = 9}}, "from 10 to 1000");
    refused(Layout::v1, {.block_io = spec::BlockIo{.weight = 1001}}, "from 10 to 1000");
}

BOOST_AUTO_TEST_CASE(pids_hugetlb_rdma_and_network) {
    BOOST_TEST(lines(Layout::v2, {.pids = spec::Pids{.limit = -1}}) == "pids pids.max=max ?\n");
    BOOST_TEST(lines(Layout::v1, {.pids = spec::Pids{.limit = 20}}) == "pids pids.max=20\n");
    BOOST_TEST(lines(Layout::v2, {.pids = spec::Pids{.limit = 0}}) == "pids pids.max=1\n");
    BOOST_TEST(lines(Layout::v2, {.hugepage_limits = {{"2MB", 4194304}}}) ==
               "hugetlb hugetlb.2MB.max=4194304\nhugetlb hugetlb.2MB.rsvd.max=4194304 ?\n");
    BOOST_TEST(lines(Layout::hybrid, {.hugepage_limits = {{"1GB", 0}}}) ==
               "hugetlb hugetlb.1GB.limit_in_bytes=0\nhugetlb hugetlb.1GB.rsvd.limit_in_bytes=0 ?\n");
    for (const char* size : {"2M", "MB", "2mb", "../x", ""})
        refused(Layout::v2, {.hugepage_limits = {{size, 1}}}, "page size");
    BOOST_TEST(lines(Layout::v2, {.rdma = {{"mlx5_0", {.hca_handles = 3, .hca_objects = 0}}}}) ==
               "rdma rdma.max=mlx5_0 hca_handle=3 hca_object=0\n");
    refused(Layout::v1, {.rdma = {{"mlx5_0", {}}}}, "hcaHandles or hcaObjects");
    refused(Layout::v1, {.rdma = {{"a b", {.hca_handles = 3}}}}, "not one word");
    BOOST_TEST(
        lines(Layout::v1, {.network = spec::Network{.class_id = 1048577, .priorities = {{"eth0", 5}, {"lo", 1}}}}) ==
        "net_cls net_cls.classid=1048577\nnet_prio net_prio.ifpriomap=eth0 5\nnet_prio net_prio.ifpriomap=lo 1\n");
}

BOOST_AUTO_TEST_CASE(unified_comes_last_line_by_line_for_any_controller) {
    const spec::Resources resources{.pids = spec::Pids{.limit = 5},
                                    .unified = {{"dmem.max", "x 1"}, {"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}}};
    BOOST_TEST(lines(Layout::v2, resources) ==
               "pids pids.max=5\ndmem dmem.max=x 1\nio io.max=8:0 rbps=1\nio io.max=8:16 rbps=2\n");
    BOOST_TEST(lines(Layout::hybrid, {.unified = {{"hugetlb.2MB.max", "0"}}}) == "unified hugetlb.2MB.max=0\n");
    refused(Layout::v1, resources, "cgroup v1 only");
    for (const char* file : {"memory", "../memory.max", ".max", "memory.", "a\n.b"})
        refused(Layout::v2, {.unified = {{file, "1"}}}, "not a cgroup file");
}

BOOST_AUTO_TEST_CASE(what_v2_cannot_express_is_an_error) {
    refused(Layout::v2, with(spec::Memory{.swappiness = 0}), "memory.swappiness");
    refused(Layout::v2, with(spec::Memory{.disable_oom_killer = true}), "memory.disableOOMKiller");
    refused(Layout::v2, with(spec::Memory{.kernel = 1}), "memory.kernel");
    refused(Layout::v2, with(spec::Memory{.kernel_tcp = 1}), "memory.kernelTCP");
    refused(Layout::v2, with(spec::Memory{.use_hierarchy = false}), "memory.useHierarchy");
    refused(Layout::v2, with(spec::Cpu{.realtime_runtime = 5}), "cpu.realtimeRuntime");
    refused(Layout::v2, {.block_io = spec::BlockIo{.leaf_weight = 10}}, "blockIO.leafWeight");
    refused(Layout::v2, {.network = spec::Network{.class_id = 1}}, "network.classID");
    BOOST_TEST(lines(Layout::v2, with(spec::Memory{.kernel = -1, .disable_oom_killer = false})) == "");
}

BOOST_AUTO_TEST_SUITE_END()
