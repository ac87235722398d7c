#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "cgroup/unit.h"

using namespace gpurun;
using namespace gpurun::cgroup;

namespace {

std::string text(const std::vector<Property>& properties) {
    std::string lines;
    for (const auto& property : properties) lines += property.name + "=" + property.value + "\n";
    return lines;
}

constexpr const char* proc_devices =
    "Character devices:\n  1 mem\n136 pts\n195 nvidia\n\nBlock devices:\n  8 sd\n259 blkext\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup_unit)

BOOST_AUTO_TEST_CASE(limits_of_v2_become_properties) {
    const spec::Resources resources{
        .memory = spec::Memory{.limit = 67108864, .reservation = 1000, .swap = 134217728},
        .cpu = spec::Cpu{.shares = 512, .quota = 50000, .period = 100000, .cpus = "0-1,9", .mems = "0"},
        .block_io = spec::BlockIo{.weight = 500, .throttle_read_bps_device = {{8, 0, 7}}},
        .pids = spec::Pids{.limit = 20},
        .unified = {{"memory.high", "max"}, {"memory.oom.group", "1"}}};
    BOOST_TEST(text(limit_properties(translate(Layout::v2, resources))) ==
               "CPUWeight=uint64 59\nAllowedCPUs=[byte 0x03, 0x02]\nAllowedMemoryNodes=[byte "
               "0x01]\nMemorySwapMax=uint64 67108864\n"
               "MemoryMax=uint64 67108864\nMemoryLow=uint64 1000\nIOWeight=uint64 "
               "4950\nIOReadBandwidthMax=[('/dev/block/8:0', uint64 7)]\n"
               "TasksMax=uint64 20\nMemoryHigh=uint64 "
               "18446744073709551615\nOOMPolicy='kill'\nCPUQuotaPeriodUSec=uint64 100000\n"
               "CPUQuotaPerSecUSec=uint64 500000\n");
}

BOOST_AUTO_TEST_CASE(limits_of_v1_become_properties) {
    const spec::Resources resources{.memory = spec::Memory{.limit = -1},
                                    .cpu = spec::Cpu{.shares = 512, .quota = 12345, .period = 50000}};
    BOOST_TEST(text(limit_properties(translate(Layout::v1, resources))) ==
               "CPUShares=uint64 512\nMemoryLimit=uint64 18446744073709551615\nCPUQuotaPeriodUSec=uint64 "
               "50000\nCPUQuotaPerSecUSec=uint64 250000\n");
}

BOOST_AUTO_TEST_CASE(cpu_quota_is_rounded_up_to_whole_percents_and_idle_is_weight_zero) {
    BOOST_TEST(text(limit_properties(translate(Layout::v2, {.cpu = spec::Cpu{.quota = 4321}}))) ==
               "CPUQuotaPerSecUSec=uint64 50000\n");
    BOOST_TEST(text(limit_properties(translate(Layout::v2, {.cpu = spec::Cpu{.quota = -1}}))) ==
               "CPUQuotaPerSecUSec=uint64 18446744073709551615\n");
    BOOST_TEST(text(limit_properties(translate(Layout::v2, {.cpu = spec::Cpu{.shares = 5, .idle = 1}}))) ==
               "CPUWeight=uint64 0\n");
}

BOOST_AUTO_TEST_CASE(devices_come_after_the_policy_and_the_empty_list) {
    const auto properties =
        device_properties(device_rules({{.allow = false, .access = "rwm"},
                                        {.allow = true, .type = "c", .major = 195, .minor = 255, .access = "rw"},
                                        {.allow = true, .type = "c", .major = 195, .access = "rw"},
                                        {.allow = true, .type = "b", .major = 7, .access = "r"},
                                        {.allow = true, .type = "c", .minor = 3, .access = "r"}}),
                          proc_devices);
    BOOST_TEST(text(properties)
                   .starts_with("DevicePolicy='strict'\nDeviceAllow=@a(ss) []\nDeviceAllow=[('/dev/char/195:255', "
                                "'rw'), ('char-nvidia', 'rw'), ('block-7', 'r'), "
                                "('char-*', 'm'), ('block-*', 'm'), ('/dev/char/1:3', 'rwm')"));
    BOOST_TEST(text(properties).ends_with("('char-pts', 'rwm'), ('/dev/char/10:200', 'rwm')]\n"));
}

BOOST_AUTO_TEST_CASE(a_container_with_every_device_has_no_policy) {
    BOOST_TEST(text(device_properties(device_rules({{.allow = true, .type = "a", .access = "rwm"}}), proc_devices)) ==
               "DevicePolicy='auto'\nDeviceAllow=@a(ss) []\n");
}

BOOST_AUTO_TEST_CASE(annotations_name_properties_and_seconds_become_microseconds) {
    const auto properties = annotated_properties({{"org.systemd.property.TimeoutStopUSec", "uint64 5"},
                                                  {"org.systemd.property.RuntimeMaxSec", "uint64 7"},
                                                  {"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                                                  {"other", "x"}});
    BOOST_REQUIRE(properties.size() == 3u);
    BOOST_TEST(properties.at("TimeoutStopUSec") == "uint64 5");
    BOOST_TEST(properties.at("RuntimeMaxUSec") == "uint64 7000000");
    BOOST_CHECK_THROW(annotated_properties({{"org.systemd.property.A-B", "1"}}), Error);
    BOOST_CHECK_THROW(annotated_properties({{"org.systemd.property.StopSec", "'x'"}}), Error);
}

BOOST_AUTO_TEST_CASE(a_scope_is_delegated_and_in_its_slice) {
    const auto properties = unit_properties({.unit = "docker-a.scope", .slice = "system.slice"});
    BOOST_TEST(text(properties).find("Slice='system.slice'\nDelegate=true\n") != std::string::npos);
    BOOST_TEST(text(unit_properties({.unit = "a.slice", .slice = "system.slice"})).find("Delegate") ==
               std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
