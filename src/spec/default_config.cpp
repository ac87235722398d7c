#include <gpurun/spec.h>
#include <unistd.h>

#include "json/json.h"
#include "spec/tables.h"

namespace gpurun::spec {
namespace {

constexpr const char* default_capabilities[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};

Process default_process() {
    const std::vector<std::string> capabilities(std::begin(default_capabilities), std::end(default_capabilities));
    return {
        .terminal = true,
        .cwd = "/",
        .env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
        .args = {"sh"},
        .rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1024, .hard = 1024}},
        .capabilities = Capabilities{.bounding = capabilities, .effective = capabilities, .permitted = capabilities},
        .no_new_privileges = true,
    };
}

Mount mount(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
    return {.destination = destination, .type = type, .source = source, .options = std::move(options)};
}

/// An unprivileged user can map no group for the terminals' gid=5 and mount no sysfs without a network namespace of its
/// own.
std::vector<Mount> default_mounts(Privilege privilege) {
    const bool is_rootless = privilege == Privilege::rootless;
    std::vector<std::string> terminals = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
    if (!is_rootless) terminals.emplace_back("gid=5");
    return {
        mount("/proc", "proc", "proc", {}),
        mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        mount("/dev/pts", "devpts", "devpts", std::move(terminals)),
        mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
        mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
        is_rootless ? mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"})
                    : mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
    };
}

Linux default_linux(Privilege privilege, CgroupNamespace cgroup_namespace) {
    Linux linux;
    linux.masked_paths = {"/proc/acpi",
                          "/proc/asound",
                          "/proc/kcore",
                          "/proc/keys",
                          "/proc/latency_stats",
                          "/proc/timer_list",
                          "/proc/timer_stats",
                          "/proc/sched_debug",
                          "/sys/firmware",
                          "/proc/scsi",
                          "/sys/devices/virtual/tpm"};
    linux.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    linux.namespaces = {{NamespaceType::pid, ""}};
    if (privilege == Privilege::root) linux.namespaces.push_back({NamespaceType::network, ""});
    for (const auto type : {NamespaceType::ipc, NamespaceType::uts, NamespaceType::mount})
        linux.namespaces.push_back({type, ""});
    if (cgroup_namespace == CgroupNamespace::own) linux.namespaces.push_back({NamespaceType::cgroup, ""});
    if (privilege == Privilege::root) {
        linux.resources = Resources{.devices = {{.allow = false, .access = "rwm"}}};
        return linux;
    }
    linux.namespaces.push_back({NamespaceType::user, ""});
    linux.uid_mappings = {{.container_id = 0, .host_id = ::geteuid(), .size = 1}};
    linux.gid_mappings = {{.container_id = 0, .host_id = ::getegid(), .size = 1}};
    return linux;
}

}  // namespace

std::string default_config(Privilege privilege, CgroupNamespace cgroup_namespace) {
    const Spec spec{
        .oci_version = version,
        .root = Root{.path = "rootfs", .readonly = true},
        .mounts = default_mounts(privilege),
        .process = default_process(),
        .hostname = "gpurun",
        .linux = default_linux(privilege, cgroup_namespace),
    };
    return json::write(spec, "\t");
}

}  // namespace gpurun::spec
