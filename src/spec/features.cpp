#include <gpurun/mount_options.h>
#include <gpurun/spec.h>

#include <algorithm>

#include "json/json.h"
#include "spec/seccomp_names.h"
#include "spec/tables.h"
#include "sys/process_attributes.h"

namespace gpurun::spec {

// features-linux.md as values, in the order in which they are written.

struct Switch {
    bool enabled = true;
};

struct CgroupFeatures {
    bool v1 = true, v2 = true, systemd = true, systemd_user = true, rdma = true;
};

struct SeccompFeatures {
    bool enabled = true;
    std::vector<std::string> actions, operators, architectures, known_flags, supported_flags;
};

struct IntelRdtFeatures {
    bool enabled = true, schemata = true, monitoring = true;
};

struct MemoryPolicyFeatures {
    std::vector<std::string> modes, flags;
};

struct MountExtensions {
    Switch idmap;
};

struct LinuxFeatures {
    std::vector<std::string> namespaces, capabilities;
    CgroupFeatures cgroup;
    SeccompFeatures seccomp;
    Switch apparmor, selinux;
    IntelRdtFeatures intel_rdt;
    MemoryPolicyFeatures memory_policy;
    MountExtensions mount_extensions;
    Switch net_devices;
};

struct Features {
    std::string oci_version_min = "1.0.0", oci_version_max = version;
    std::vector<std::string> hooks, mount_options;
    LinuxFeatures linux;
    std::map<std::string, std::string> annotations;
    std::vector<std::string> potentially_unsafe_config_annotations;
};

}  // namespace gpurun::spec

namespace gpurun::json {

template <>
struct Fields<Switch> {
    static constexpr Field value[] = {always<&Switch::enabled>("enabled")};
};

template <>
struct Fields<CgroupFeatures> {
    static constexpr Field value[] = {
        always<&CgroupFeatures::v1>("v1"),           always<&CgroupFeatures::v2>("v2"),
        always<&CgroupFeatures::systemd>("systemd"), always<&CgroupFeatures::systemd_user>("systemdUser"),
        always<&CgroupFeatures::rdma>("rdma"),
    };
};

template <>
struct Fields<SeccompFeatures> {
    static constexpr Field value[] = {
        always<&SeccompFeatures::enabled>("enabled"),
        always<&SeccompFeatures::actions>("actions"),
        always<&SeccompFeatures::operators>("operators"),
        always<&SeccompFeatures::architectures>("archs"),
        always<&SeccompFeatures::known_flags>("knownFlags"),
        always<&SeccompFeatures::supported_flags>("supportedFlags"),
    };
};

template <>
struct Fields<IntelRdtFeatures> {
    static constexpr Field value[] = {always<&IntelRdtFeatures::enabled>("enabled"),
                                      always<&IntelRdtFeatures::schemata>("schemata"),
                                      always<&IntelRdtFeatures::monitoring>("monitoring")};
};

template <>
struct Fields<MemoryPolicyFeatures> {
    static constexpr Field value[] = {always<&MemoryPolicyFeatures::modes>("modes"),
                                      always<&MemoryPolicyFeatures::flags>("flags")};
};

template <>
struct Fields<MountExtensions> {
    static constexpr Field value[] = {always<&MountExtensions::idmap>("idmap")};
};

template <>
struct Fields<LinuxFeatures> {
    static constexpr Field value[] = {
        always<&LinuxFeatures::namespaces>("namespaces"),
        always<&LinuxFeatures::capabilities>("capabilities"),
        always<&LinuxFeatures::cgroup>("cgroup"),
        always<&LinuxFeatures::seccomp>("seccomp"),
        always<&LinuxFeatures::apparmor>("apparmor"),
        always<&LinuxFeatures::selinux>("selinux"),
        always<&LinuxFeatures::intel_rdt>("intelRdt"),
        always<&LinuxFeatures::memory_policy>("memoryPolicy"),
        always<&LinuxFeatures::mount_extensions>("mountExtensions"),
        always<&LinuxFeatures::net_devices>("netDevices"),
    };
};

template <>
struct Fields<Features> {
    static constexpr Field value[] = {
        always<&Features::oci_version_min>("ociVersionMin"),
        always<&Features::oci_version_max>("ociVersionMax"),
        always<&Features::hooks>("hooks"),
        always<&Features::mount_options>("mountOptions"),
        always<&Features::linux>("linux"),
        always<&Features::annotations>("annotations"),
        always<&Features::potentially_unsafe_config_annotations>("potentiallyUnsafeConfigAnnotations"),
    };
};

}  // namespace gpurun::json

namespace gpurun::spec {
namespace {

/// Annotations that change what the runtime does on the host, so that engines let only trusted users set them.
constexpr const char* unsafe_annotations[] = {"bundle", "org.systemd.property.", "org.criu.config", "run.oci."};

template <typename Value, std::size_t Size>
std::vector<std::string> sorted_names(const Name<Value> (&table)[Size]) {
    std::vector<std::string> names;
    for (const auto& row : table) names.emplace_back(row.name);
    std::sort(names.begin(), names.end());
    return names;
}

template <std::size_t Size>
std::vector<std::string> strings(const std::string_view (&names)[Size]) {
    return {std::begin(names), std::end(names)};
}

std::vector<std::string> hook_names() {
    std::vector<std::string> names;
    for (const json::Field& field : json::Fields<Hooks>::value) names.emplace_back(field.name);
    return names;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

std::string features(const FeatureLists& lists) {
    Features features{
        .hooks = hook_names(),
        .mount_options = sorted(mount_option_names()),
        .linux = {.namespaces = sorted_names(json::Names<NamespaceType>::value),
                  .capabilities = lists.capabilities,
                  .seccomp = {.actions = strings(seccomp_actions),
                              .operators = strings(seccomp_operators),
                              .architectures = strings(seccomp_architectures),
                              .known_flags = strings(seccomp_flags),
                              .supported_flags = lists.seccomp_flags},
                  .memory_policy = {.modes = sorted_names(sys::memory_policy_modes),
                                    .flags = sorted_names(sys::memory_policy_flags)}},
        .annotations = lists.annotations,
        .potentially_unsafe_config_annotations = {std::begin(unsafe_annotations), std::end(unsafe_annotations)},
    };
    // Engines ask for these names whatever the runtime.
    for (const char* name : {"org.opencontainers.runc.checkpoint.enabled", "run.oci.crun.checkpoint.enabled"})
        features.annotations[name] = lists.has_checkpoint ? "true" : "false";
    return json::write(features, "    ");
}

}  // namespace gpurun::spec
