#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/gpu.h>
#include <gpurun/mount_options.h>
#include <gpurun/security.h>
#include <gpurun/spec.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// Setting up a container as data: two lanes of steps, carried out at the same time by the host process and the
/// container process, with named barriers between them. A step is one intent and holds values only: no descriptors, no
/// resolved paths, no conditions. Fallbacks live in the engine. Building and printing are pure; what `build` needs to
/// know about the machine is in Host.
namespace gpurun::plan {

/// What one side passes and the other awaits.
enum class Barrier {
    id_maps,   ///< Host → container: the user namespace's maps are written.
    prepared,  ///< Container → host: everything is mounted, nothing pivoted; hooks may look.
    hooked,    ///< Host → container: the runtime-namespace hooks have run, network devices have moved.
    placed,  ///< Host → container: what is set from outside (OOM score, resctrl, idle cgroup) is set; where no `start`
             ///< comes first.
    ready,  ///< Container → host: only the user's program is missing.
    start,  ///< `start` → container, over the container's socket.
};

enum class HookKind { prestart, create_runtime, create_container, start_container, poststart, poststop };

namespace step {

// ---- both lanes
struct Pass {
    Barrier barrier;
};
struct Await {
    Barrier barrier;
};
/// Runs hooks one after the other with \a status in the state on stdin. createContainer and startContainer run in the
/// container's lane.
struct RunHooks {
    HookKind kind;
    std::vector<spec::Hook> hooks;
    spec::Status status;
};

// ---- host lane
struct CreateCgroup {
    std::string path;
    spec::Resources resources;
};
struct LimitCgroup {
    std::vector<cgroup::Write> writes;
};
struct LimitDevices {
    std::vector<spec::DeviceRule> rules;
};
/// Gives the cgroup to the container's user, config-linux.md#cgroup-ownership.
struct OwnCgroup {
    std::uint32_t uid = 0;  ///< Of the host.
};
/// Makes the container's network namespace, with its loopback up, in a thread while both lanes go on; begun before.
struct MakeNetwork {};
/// Waits for what MakeNetwork makes and gives it to the container process, which awaits it in EnterNetwork.
struct HandOverNetwork {};
/// Opens the namespaces that are joined by path, while the host's /proc is still in reach.
struct OpenNamespaces {
    std::vector<spec::Namespace> namespaces;
};
struct SetOomScore {
    int score = 0;
    bool required = true;  ///< Without root a score may not be lowered; that is a warning then.
};
/// Makes the container process with these new namespaces (CLONE_NEW…). Where a user namespace is joined, by way of a
/// launcher inside it.
struct Clone {
    std::uint64_t namespaces = 0;
    bool joins_user = false;
    bool joins_pid = false;
    bool into_cgroup = false;
    std::optional<SetOomScore> oom_score{};  ///< Set by the launcher: only root can once the namespace is joined.
};
struct MapIds {
    std::vector<spec::IdMapping> uids, gids;
    bool rootless = false;  ///< newuidmap/newgidmap, or one id and setgroups denied.
};
struct JoinResctrl {
    spec::IntelRdt rdt;
    bool exists = false;  ///< exec: the container's group, as it is.
};
struct MoveNetDevices {
    std::map<std::string, spec::NetDevice> devices;
};
struct WritePidFile {
    std::string path;
};
struct SendPidfd {
    std::string socket;
};

// ---- container lane
struct EnterCgroup {
    std::string sub_path;
};
struct JoinNamespaces {
    std::vector<spec::NamespaceType> types;
};
/// Into the network namespace that the host's lane hands over: before the first mount that shows it, or any hook.
struct EnterNetwork {};
struct Unshare {
    std::uint64_t namespaces = 0;
};
/// Becomes id 0 of the user namespace, so that what is made belongs to it.
struct BecomeRoot {
    std::uint32_t uid = 0, gid = 0;  ///< The first that are mapped, where 0 is not.
};
struct SetTimeOffsets {
    std::map<std::string, spec::TimeOffset> offsets;
};
struct RaiseLoopback {};
struct JoinKeyring {
    std::string name;
    std::string label;
};
/// Cuts mount propagation to the host and binds the root file system onto itself.
struct PrepareRoot {
    std::string path;
    unsigned long propagation = 0;  ///< MS_…, of the old root while mounting.
    bool shares_mounts =
        false;  ///< No mount namespace of its own: only the root itself is bound, nothing else is touched.
};
/// One entry of `mounts`: a new file system, a bind, a remount.
struct Mount {
    spec::Mount mount;
    spec::MountOptions options;
    std::string label;                        ///< File system option with the SELinux context, or empty.
    std::string root_label;                   ///< SELinux context of the root, where no option carries one.
    bool late_readonly = false;               ///< Made read-only by a later step, after its content.
    std::vector<spec::IdMapping> uids, gids;  ///< For idmap: the mount's own or the container's.
    bool mapped_by_host =
        false;  ///< Idmapping needs the host's privileges: in a user namespace the host process prepares it.
    bool opened_by_host = false;  ///< A bind in a user namespace, whose root may not be let through to the source.
};
/// Host lane: detached mounts for a container in a user namespace, idmapped ones and binds, taken over by the steps
/// that mount them.
struct MapMounts {
    std::vector<Mount> mounts;
};
/// Host lane: nodes for a container in a user namespace, where mknod is refused, of devices that the host has no node
/// of. MakeDevice binds them. Their uid and gid are the host's.
struct PrepareDevices {
    std::vector<spec::Device> devices;
};
struct MountCgroup {
    std::string target;
    spec::MountOptions options;
    bool own_namespace = false;  ///< The container has a cgroup namespace.
};
struct MakeDevice {
    spec::Device device;
    bool bind = false;  ///< In a user namespace mknod is refused: the host's node, or that of PrepareDevices, is bound.
};
struct MakeLink {
    std::string path, target;
};
struct EditRootfs {
    gpu::RootfsEdits edits;
    bool read_only = false;
};
/// Opens the pty, binds it to /dev/console and hands the master to the console socket or the foreground runtime.
struct OpenTerminal {
    std::optional<spec::ConsoleSize> size;
    bool console = true;
};
/// How the root directory becomes "/": pivot_root; MS_MOVE and chroot where that can't be (initramfs); chroot alone
/// where the container shares its caller's mount namespace.
enum class RootChange { pivot, move, chroot };
struct ChangeRoot {
    RootChange how = RootChange::pivot;
};
struct SetRootPropagation {
    unsigned long propagation = 0;
};
struct MakeReadonly {
    std::string path;
    bool required = false;  ///< The root, /dev, cgroup mounts; else a path of readonlyPaths that may be missing.
};
struct Mask {
    std::vector<std::string> paths;
    std::string label;
};
struct SetHostname {
    std::string name;
};
struct SetDomainname {
    std::string name;
};
struct SetSysctl {
    std::string name, value;
};
struct SetPersonality {
    spec::Personality personality;
};
struct SetScheduler {
    spec::Scheduler scheduler;
    bool has_cpuset = false;  ///< With linux.resources.cpu.cpus, which explains a refusal.
};
struct SetIoPriority {
    spec::IoPriority priority;
};
struct SetMemoryPolicy {
    spec::MemoryPolicy policy;
};
struct SetCpuAffinity {
    std::string cpus;  ///< Empty: all that the cpuset allows.
};
struct SetRlimits {
    std::vector<spec::Rlimit> rlimits;
};
struct SetLabel {
    std::string apparmor_profile, selinux_label;
};
/// Behind it the filter may refuse or divert any system call but execve.
struct LoadSeccomp {
    security::Filter filter;
    bool privileged =
        false;  ///< Without no_new_privs it takes CAP_SYS_ADMIN, which BecomeUser kept: given up after it.
};
struct SetNoNewPrivileges {};
struct TakeTerminal {};
/// Makes the program's working directory when it is missing, as runc does.
struct MakeDirectory {
    std::string path;
};
/// Enters the working directory and makes sure that it lies in the container.
struct EnterDirectory {
    std::string path;
};
/// User, groups, umask and capabilities, in the one order that works. A working directory that root of the namespace
/// could not enter is entered now.
struct BecomeUser {
    spec::User user;
    security::CapabilitySets capabilities;
    std::string cwd;
    bool keep_groups = false;
    bool keep_admin = false;  ///< CAP_SYS_ADMIN stays until the seccomp filter is loaded.
};
/// Resolves args[0] in the container, checks that it can be executed, and readies what it inherits: HOME, default
/// signals, descriptors.
struct PrepareProgram {
    std::string name;
    std::vector<std::string> env;
    int preserved_fds = 0;  ///< 3 … 3+n−1 stay open.
};
struct Exec {
    std::vector<std::string> args;
};

}  // namespace step

using Step = std::variant<
    step::Pass, step::Await, step::RunHooks, step::CreateCgroup, step::LimitCgroup, step::LimitDevices, step::OwnCgroup,
    step::MakeNetwork, step::HandOverNetwork, step::OpenNamespaces, step::Clone, step::MapIds, step::SetOomScore,
    step::JoinResctrl, step::MoveNetDevices, step::WritePidFile, step::SendPidfd, step::EnterCgroup,
    step::JoinNamespaces, step::EnterNetwork, step::Unshare, step::BecomeRoot, step::SetTimeOffsets,
    step::RaiseLoopback, step::JoinKeyring, step::PrepareRoot, step::Mount, step::MapMounts, step::PrepareDevices,
    step::MountCgroup, step::MakeDevice, step::MakeLink, step::EditRootfs, step::OpenTerminal, step::ChangeRoot,
    step::SetRootPropagation, step::MakeReadonly, step::Mask, step::SetHostname, step::SetDomainname, step::SetSysctl,
    step::SetPersonality, step::SetScheduler, step::SetIoPriority, step::SetMemoryPolicy, step::SetCpuAffinity,
    step::SetRlimits, step::SetLabel, step::LoadSeccomp, step::SetNoNewPrivileges, step::TakeTerminal,
    step::MakeDirectory, step::EnterDirectory, step::BecomeUser, step::PrepareProgram, step::Exec>;

struct Plan {
    std::vector<Step> host, container;
};

/// Facts about the machine and about this process, probed once.
struct Host {
    bool rootless = false;             ///< Not uid 0 of the initial user namespace.
    bool privileged_namespace = true;  ///< In the initial user namespace.
    cgroup::Location cgroup;
    std::uint64_t known_capabilities = 0;  ///< Bits 0 … CAP_LAST_CAP.
    security::Lsm lsm = security::Lsm::none;
    bool selinux_type_context = false;
};

/// What the caller of create, run or exec asks for beside the config.
struct Options {
    std::string id;
    std::string bundle;  ///< Absolute.
    std::string pid_file, pidfd_socket;
    bool no_pivot = false;
    bool no_new_keyring = false;
    bool run = false;         ///< Start at once: no start barrier.
    int preserved_fds = 0;    ///< LISTEN_FDS first, then --preserve-fds.
    std::string cgroup_path;  ///< exec --cgroup.
    bool has_cgroup = true;
    std::optional<security::Filter> filter{};  ///< exec: linux.seccomp as create compiled it, if it is known.
};

/// Everything a new container needs. The spec has been validated, GPU edits are applied. Throws Error for what only
/// shows here (an unconvertible resource, an invalid seccomp profile). Pure.
Plan build_create(const spec::Spec& spec, const Host& host, const Options& options, const gpu::RootfsEdits& edits);

/// What the plan loads; nullptr without linux.seccomp.
const security::Filter* seccomp_filter(const Plan& plan);

/// Whether that plan has step::MakeNetwork, which may begin before there is a plan.
bool makes_network(const spec::Linux& linux);

/// A further process in a container. \a container is the container's config, \a process what to run. Pure.
Plan build_exec(const spec::Spec& container, const spec::Process& process, const Host& host, const Options& options);

/// One line for a step: what errors, `gpurun plan`, golden tests and --debug show.
std::string describe(const Step& step);
/// What an error of the step is told with: the description, runc's words for mounts, nothing where the error says it
/// all.
std::string context_of(const Step& step);
/// Both lanes side by side with their barriers.
std::string print(const Plan& plan);

const char* name(Barrier barrier);
const char* name(HookKind kind);

/// `NAME=value` of \a env, if set.
std::optional<std::string> environment_value(const std::vector<std::string>& env, const std::string& name);

}  // namespace gpurun::plan
