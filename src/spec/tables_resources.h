#pragma once

#include <gpurun/spec.h>

#include "json/type.h"

/// The part of spec/tables.h for config-linux.md#control-groups.
namespace gpurun::json {

using namespace gpurun::spec;

template <>
struct Fields<DeviceRule> {
    static constexpr Field value[] = {
        always<&DeviceRule::allow>("allow"), field<&DeviceRule::type>("type"),     field<&DeviceRule::major>("major"),
        field<&DeviceRule::minor>("minor"),  field<&DeviceRule::access>("access"),
    };
};

template <>
struct Fields<Memory> {
    static constexpr Field value[] = {
        field<&Memory::limit>("limit"),
        field<&Memory::reservation>("reservation"),
        field<&Memory::swap>("swap"),
        field<&Memory::kernel>("kernel"),
        field<&Memory::kernel_tcp>("kernelTCP"),
        field<&Memory::swappiness>("swappiness"),
        field<&Memory::disable_oom_killer>("disableOOMKiller"),
        field<&Memory::use_hierarchy>("useHierarchy"),
        field<&Memory::check_before_update>("checkBeforeUpdate"),
    };
};

template <>
struct Fields<Cpu> {
    static constexpr Field value[] = {
        field<&Cpu::shares>("shares"),
        field<&Cpu::quota>("quota"),
        field<&Cpu::burst>("burst"),
        field<&Cpu::period>("period"),
        field<&Cpu::realtime_runtime>("realtimeRuntime"),
        field<&Cpu::realtime_period>("realtimePeriod"),
        field<&Cpu::cpus>("cpus"),
        field<&Cpu::mems>("mems"),
        field<&Cpu::idle>("idle"),
    };
};

template <>
struct Fields<WeightDevice> {
    static constexpr Field value[] = {required<&WeightDevice::major>("major"), required<&WeightDevice::minor>("minor"),
                                      field<&WeightDevice::weight>("weight"),
                                      field<&WeightDevice::leaf_weight>("leafWeight")};
};

template <>
struct Fields<ThrottleDevice> {
    static constexpr Field value[] = {required<&ThrottleDevice::major>("major"),
                                      required<&ThrottleDevice::minor>("minor"),
                                      required<&ThrottleDevice::rate>("rate")};
};

template <>
struct Fields<BlockIo> {
    static constexpr Field value[] = {
        field<&BlockIo::weight>("weight"),
        field<&BlockIo::leaf_weight>("leafWeight"),
        field<&BlockIo::weight_device>("weightDevice"),
        field<&BlockIo::throttle_read_bps_device>("throttleReadBpsDevice"),
        field<&BlockIo::throttle_write_bps_device>("throttleWriteBpsDevice"),
        field<&BlockIo::throttle_read_iops_device>("throttleReadIOPSDevice"),
        field<&BlockIo::throttle_write_iops_device>("throttleWriteIOPSDevice"),
    };
};

template <>
struct Fields<HugepageLimit> {
    static constexpr Field value[] = {required<&HugepageLimit::page_size>("pageSize"),
                                      required<&HugepageLimit::limit>("limit")};
};

template <>
struct Fields<InterfacePriority> {
    static constexpr Field value[] = {required<&InterfacePriority::name>("name"),
                                      required<&InterfacePriority::priority>("priority")};
};

template <>
struct Fields<Network> {
    static constexpr Field value[] = {field<&Network::class_id>("classID"), field<&Network::priorities>("priorities")};
};

template <>
struct Fields<Rdma> {
    static constexpr Field value[] = {field<&Rdma::hca_handles>("hcaHandles"), field<&Rdma::hca_objects>("hcaObjects")};
};

template <>
struct Fields<Pids> {
    static constexpr Field value[] = {field<&Pids::limit>("limit")};
};

template <>
struct Fields<Resources> {
    static constexpr Field value[] = {
        field<&Resources::devices>("devices"),  field<&Resources::memory>("memory"),
        field<&Resources::cpu>("cpu"),          field<&Resources::pids>("pids"),
        field<&Resources::block_io>("blockIO"), field<&Resources::hugepage_limits>("hugepageLimits"),
        field<&Resources::network>("network"),  field<&Resources::rdma>("rdma"),
        field<&Resources::unified>("unified"),
    };
};

}  // namespace gpurun::json
