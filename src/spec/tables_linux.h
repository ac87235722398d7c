#pragma once

#include <gpurun/spec.h>

#include "json/type.h"
#include "spec/tables_resources.h"

/// The part of spec/tables.h for config-linux.md.
namespace gpurun::json {

using namespace gpurun::spec;

template <>
struct Fields<Namespace> {
    static constexpr Field value[] = {required<&Namespace::type>("type"), field<&Namespace::path>("path")};
};

template <>
struct Fields<TimeOffset> {
    static constexpr Field value[] = {always<&TimeOffset::secs>("secs"), always<&TimeOffset::nanosecs>("nanosecs")};
};

template <>
struct Fields<Device> {
    static constexpr Field value[] = {
        required<&Device::path>("path"), required<&Device::type>("type"),       always<&Device::major>("major"),
        always<&Device::minor>("minor"), field<&Device::file_mode>("fileMode"), field<&Device::uid>("uid"),
        field<&Device::gid>("gid"),
    };
};

template <>
struct Fields<NetDevice> {
    static constexpr Field value[] = {field<&NetDevice::name>("name")};
};

template <>
struct Fields<IntelRdt> {
    static constexpr Field value[] = {
        field<&IntelRdt::clos_id>("closID"),
        field<&IntelRdt::schemata>("schemata"),
        field<&IntelRdt::l3_cache_schema>("l3CacheSchema"),
        field<&IntelRdt::mem_bw_schema>("memBwSchema"),
        field<&IntelRdt::enable_monitoring>("enableMonitoring"),
    };
};

template <>
struct Fields<MemoryPolicy> {
    static constexpr Field value[] = {field<&MemoryPolicy::mode>("mode"), field<&MemoryPolicy::nodes>("nodes"),
                                      field<&MemoryPolicy::flags>("flags")};
};

template <>
struct Fields<SeccompArgument> {
    static constexpr Field value[] = {
        required<&SeccompArgument::index>("index"), required<&SeccompArgument::value>("value"),
        field<&SeccompArgument::value_two>("valueTwo"), required<&SeccompArgument::op>("op")};
};

template <>
struct Fields<SeccompSyscall> {
    static constexpr Field value[] = {
        required<&SeccompSyscall::names>("names"), required<&SeccompSyscall::action>("action"),
        field<&SeccompSyscall::errno_ret>("errnoRet"), field<&SeccompSyscall::args>("args")};
};

template <>
struct Fields<Seccomp> {
    static constexpr Field value[] = {
        required<&Seccomp::default_action>("defaultAction"),
        field<&Seccomp::default_errno_ret>("defaultErrnoRet"),
        field<&Seccomp::architectures>("architectures"),
        field<&Seccomp::flags>("flags"),
        field<&Seccomp::listener_path>("listenerPath"),
        field<&Seccomp::listener_metadata>("listenerMetadata"),
        field<&Seccomp::syscalls>("syscalls"),
    };
};

template <>
struct Fields<Personality> {
    static constexpr Field value[] = {required<&Personality::domain>("domain"), field<&Personality::flags>("flags")};
};

template <>
struct Fields<Linux> {
    static constexpr Field value[] = {
        field<&Linux::uid_mappings>("uidMappings"),
        field<&Linux::gid_mappings>("gidMappings"),
        field<&Linux::sysctl>("sysctl"),
        field<&Linux::resources>("resources"),
        field<&Linux::cgroups_path>("cgroupsPath"),
        field<&Linux::namespaces>("namespaces"),
        field<&Linux::devices>("devices"),
        field<&Linux::net_devices>("netDevices"),
        field<&Linux::seccomp>("seccomp"),
        field<&Linux::rootfs_propagation>("rootfsPropagation"),
        field<&Linux::masked_paths>("maskedPaths"),
        field<&Linux::readonly_paths>("readonlyPaths"),
        field<&Linux::mount_label>("mountLabel"),
        field<&Linux::intel_rdt>("intelRdt"),
        field<&Linux::memory_policy>("memoryPolicy"),
        field<&Linux::personality>("personality"),
        field<&Linux::time_offsets>("timeOffsets"),
    };
};

}  // namespace gpurun::json
