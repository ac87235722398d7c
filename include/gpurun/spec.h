#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// The OCI runtime-spec 1.3 (config.json, Linux) as plain values. Property names are the spec's in lower_snake. Absent
/// and null are the same: an empty string, vector, map or optional. What makes a value invalid is in `validate`; the
/// JSON tables are in src/spec. Anchors name the file and heading of the spec.
namespace gpurun::spec {

// ---- config.md
// -------------------------------------------------------------------------------------------------------------

struct Root {
    std::string path;  ///< Absolute or relative to the bundle.
    bool readonly = false;
};

/// config-linux.md#user-namespace-mappings
struct IdMapping {
    std::uint32_t container_id = 0;
    std::uint32_t host_id = 0;
    std::uint32_t size = 0;
    bool operator==(const IdMapping&) const = default;
};

/// config.md#mounts
struct Mount {
    std::string destination;
    std::string type;
    std::string source;
    std::vector<std::string> options;
    std::vector<IdMapping> uid_mappings;
    std::vector<IdMapping> gid_mappings;
};

struct ConsoleSize {
    std::uint16_t height = 0;  ///< Character cells.
    std::uint16_t width = 0;
};

struct User {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::optional<std::uint32_t> umask;
    std::vector<std::uint32_t> additional_gids;
};

struct Rlimit {
    std::string type;  ///< "RLIMIT_NOFILE" …
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

/// Names such as "CAP_NET_RAW"; unknown ones are warned about and dropped.
struct Capabilities {
    std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

/// config.md#linux-process
struct Scheduler {
    std::string policy;  ///< "SCHED_OTHER" …
    std::int32_t nice = 0;
    std::int32_t priority = 0;
    std::vector<std::string> flags;
    std::uint64_t runtime = 0;  ///< Nanoseconds; SCHED_DEADLINE only.
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};

struct IoPriority {
    std::string io_class;  ///< "IOPRIO_CLASS_RT", "_BE", "_IDLE".
    std::int32_t priority = 0;
};

/// CPU lists such as "0-3,7"; only for exec.
struct CpuAffinity {
    std::string initial, final;
};

struct Process {
    bool terminal = false;
    std::optional<ConsoleSize> console_size;
    std::string cwd;
    std::vector<std::string> env;
    std::vector<std::string> args;
    std::string command_line;  ///< Windows only; kept so that it is recognised.
    std::vector<Rlimit> rlimits;
    std::string apparmor_profile;
    std::optional<Capabilities> capabilities;
    bool no_new_privileges = false;
    std::optional<int> oom_score_adj;
    std::optional<Scheduler> scheduler;
    std::string selinux_label;
    std::optional<IoPriority> io_priority;
    std::optional<CpuAffinity> exec_cpu_affinity;
    User user;
};

/// config.md#posix-platform-hooks
struct Hook {
    std::string path;
    std::vector<std::string> args;
    std::optional<std::vector<std::string>>
        env;                     ///< Absent: the runtime's own environment (startContainer: the process's).
    std::optional<int> timeout;  ///< Seconds.
};

struct Hooks {
    std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

// ---- config-linux.md
// -------------------------------------------------------------------------------------------------------

enum class NamespaceType { pid, network, mount, ipc, uts, user, cgroup, time };

struct Namespace {
    NamespaceType type = NamespaceType::pid;
    std::string path;  ///< Empty: a new one.
};

struct TimeOffset {
    std::int64_t secs = 0;
    std::uint32_t nanosecs = 0;
};

struct Device {
    std::string type;  ///< "c", "u", "b" or "p".
    std::string path;
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::optional<std::uint32_t> file_mode;
    std::optional<std::uint32_t> uid, gid;
};

/// config-linux.md#network-devices
struct NetDevice {
    std::string name;  ///< Name in the container; empty: unchanged; may hold one "%d".
};

/// config-linux.md#allowed-device-list
struct DeviceRule {
    bool allow = false;
    std::string type;                          ///< "a", "c", "b"; empty is "a".
    std::optional<std::int64_t> major, minor;  ///< Absent or -1: all.
    std::string access;                        ///< Of "rwm".
    bool operator==(const DeviceRule&) const = default;
};

/// Bytes; -1: unlimited; absent: not touched. config-linux.md#memory
struct Memory {
    std::optional<std::int64_t> limit, reservation, swap, kernel, kernel_tcp;  ///< swap is memory + swap.
    std::optional<std::uint64_t> swappiness;
    std::optional<bool> disable_oom_killer, use_hierarchy, check_before_update;
};

/// config-linux.md#cpu
struct Cpu {
    std::optional<std::uint64_t> shares;
    std::optional<std::int64_t> quota;   ///< Microseconds per period; -1: unlimited.
    std::optional<std::uint64_t> burst;  ///< Microseconds.
    std::optional<std::uint64_t> period;
    std::optional<std::int64_t> realtime_runtime;
    std::optional<std::uint64_t> realtime_period;
    std::string cpus, mems;  ///< Lists such as "0-3,7".
    std::optional<std::int64_t> idle;
};

struct WeightDevice {
    std::int64_t major = 0, minor = 0;
    std::optional<std::uint16_t> weight, leaf_weight;
    bool operator==(const WeightDevice&) const = default;
};

struct ThrottleDevice {
    std::int64_t major = 0, minor = 0;
    std::uint64_t rate = 0;
    bool operator==(const ThrottleDevice&) const = default;
};

/// config-linux.md#block-io
struct BlockIo {
    std::optional<std::uint16_t> weight, leaf_weight;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> throttle_read_bps_device, throttle_write_bps_device, throttle_read_iops_device,
        throttle_write_iops_device;
};

struct HugepageLimit {
    std::string page_size;  ///< "2MB" as the kernel spells it.
    std::uint64_t limit = 0;
};

struct InterfacePriority {
    std::string name;
    std::uint32_t priority = 0;
};

struct Network {
    std::optional<std::uint32_t> class_id;
    std::vector<InterfacePriority> priorities;
};

struct Rdma {
    std::optional<std::uint32_t> hca_handles, hca_objects;
};

struct Pids {
    std::optional<std::int64_t> limit;  ///< -1: unlimited; 0 is a limit.
};

/// config-linux.md#control-groups
struct Resources {
    std::vector<DeviceRule> devices;
    std::optional<Memory> memory;
    std::optional<Cpu> cpu;
    std::optional<BlockIo> block_io;
    std::vector<HugepageLimit> hugepage_limits;
    std::optional<Network> network;
    std::optional<Pids> pids;
    std::map<std::string, Rdma> rdma;
    std::map<std::string, std::string> unified;  ///< cgroup v2 file → value.
};

/// config-linux.md#intelrdt
struct IntelRdt {
    std::string clos_id;
    std::string l3_cache_schema, mem_bw_schema;
    std::vector<std::string> schemata;
    bool enable_monitoring = false;
};

/// config-linux.md#memory-policy
struct MemoryPolicy {
    std::string mode;  ///< "MPOL_BIND" …
    std::string nodes;
    std::vector<std::string> flags;
};

struct SeccompArgument {
    std::uint32_t index = 0;
    std::uint64_t value = 0;
    std::uint64_t value_two = 0;
    std::string op;  ///< "SCMP_CMP_EQ" …
};

struct SeccompSyscall {
    std::vector<std::string> names;
    std::string action;  ///< "SCMP_ACT_ALLOW" …
    std::optional<std::uint32_t> errno_ret;
    std::vector<SeccompArgument> args;
};

/// config-linux.md#seccomp
struct Seccomp {
    std::string default_action;
    std::optional<std::uint32_t> default_errno_ret;
    std::vector<std::string> architectures;  ///< "SCMP_ARCH_X86_64" …; empty: the native one.
    std::optional<std::vector<std::string>> flags;
    std::string listener_path, listener_metadata;
    std::vector<SeccompSyscall> syscalls;
};

struct Personality {
    std::string domain;  ///< "LINUX" or "LINUX32".
    std::vector<std::string> flags;
};

struct Linux {
    std::vector<Namespace> namespaces;
    std::vector<IdMapping> uid_mappings, gid_mappings;
    std::map<std::string, TimeOffset> time_offsets;  ///< "monotonic", "boottime".
    std::vector<Device> devices;
    std::map<std::string, NetDevice> net_devices;  ///< Host name → device.
    std::string cgroups_path;
    std::optional<Resources> resources;
    std::optional<IntelRdt> intel_rdt;
    std::optional<MemoryPolicy> memory_policy;
    std::map<std::string, std::string> sysctl;
    std::optional<Seccomp> seccomp;
    std::string rootfs_propagation;
    std::vector<std::string> masked_paths, readonly_paths;
    std::string mount_label;
    std::optional<Personality> personality;
};

/// config.md
struct Spec {
    std::string oci_version;
    std::optional<Root> root;
    std::vector<Mount> mounts;
    std::optional<Process> process;
    std::string hostname, domainname;
    std::optional<Hooks> hooks;
    std::map<std::string, std::string> annotations;
    std::optional<Linux> linux;
};

// ---- runtime.md
// ------------------------------------------------------------------------------------------------------------

enum class Status { creating, created, running, paused, stopped };

/// runtime.md#state, what `state` prints and hooks read from stdin.
struct State {
    std::string oci_version, id;
    Status status = Status::creating;
    std::int64_t pid = 0;
    std::string bundle;
    std::map<std::string, std::string> annotations;
};

/// The spec version gpurun implements.
inline constexpr const char* version = "1.3.0";

/// Reads config.json and validates it. Throws Error("config.json:LINE:COLUMN: PATH: what was expected, what was
/// found").
Spec read(const std::string& path);
Spec read_text(const std::string& text, const std::string& name);
/// Only the types of a text, without `validate`; \a name stands in errors. For gpurun's own copies.
Spec parse(const std::string& text, const std::string& name);
/// What of it a further process needs: no mounts, hooks and devices, nor with \a has_filter linux.seccomp.syscalls.
Spec parse_for_exec(const std::string& text, const std::string& name, bool has_filter);

/// Before 1.3 a pids.limit of 0 meant no limit, and engines write so (Podman makes it of -1): it becomes -1 in a config
/// of \a oci_version. The functions that read a config have done so.
void settle_pids(Resources& resources, std::string_view oci_version);

/// Reads and validates a process.json (exec --process) and a resources JSON (update --resources).
Process read_process(const std::string& path);
Resources read_resources(const std::string& text, const std::string& name);

/// Reads the `mounts` of a config, alone or as the property of an object (mounts add). Not validated.
std::vector<Mount> read_mounts(const std::string& text, const std::string& name);

/// Everything the spec says MUST be an error and that can be told from the value alone. Throws Error with the
/// property's path.
void validate(const Spec& spec);
void validate(const Process& process);
void validate(const Resources& resources);

/// The JSON text of a value: config.json for Spec, hooks' stdin for State. One line, slashes not escaped.
std::string to_json(const Spec& spec);
std::string to_json(const State& state);
std::string to_json(const Process& process);

enum class Privilege { root, rootless };
enum class CgroupNamespace { hosts, own };

/// runc's default config.json (`gpurun spec`), indented with tabs. Rootless: with a user namespace for the caller's ids
/// and without what needs root. runc lists a cgroup namespace where the host has only cgroup v2.
std::string default_config(Privilege privilege, CgroupNamespace cgroup_namespace);

/// What `features` says of the modules above this one; the caller asks them.
struct FeatureLists {
    std::vector<std::string> capabilities;
    std::vector<std::string> seccomp_flags;          ///< Of those gpurun knows, the ones this kernel supports.
    bool has_checkpoint = false;                     ///< CRIU can be used.
    std::map<std::string, std::string> annotations;  ///< Versions of gpurun and its libraries.
};

/// features.md: what this binary knows, whatever the host has, as JSON with an indent of four blanks.
std::string features(const FeatureLists& lists);

/// The namespace of \a type in the config, if listed.
const Namespace* find_namespace(const Linux& linux, NamespaceType type);

/// "pid", "network" … as the spec spells it, and as /proc/PID/ns spells it ("pid", "net", "mnt").
const char* spec_name(NamespaceType type);
const char* proc_name(NamespaceType type);
/// CLONE_NEW… of the namespace.
std::uint64_t clone_flag(NamespaceType type);

const char* name(Status status);

/// The path of a sysctl below /proc/sys. As with sysctl(8) the first separator decides: "net.ipv4.ip_forward" and
/// "net/ipv4/conf/eth0.100/forwarding" name components with it, the other of "." and "/" is an ordinary character
/// ("net.ipv4.conf.eth0/100.x").
std::string sysctl_path(const std::string& key);

}  // namespace gpurun::spec
