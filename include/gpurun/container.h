#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/fd.h>
#include <gpurun/plan.h>
#include <gpurun/spec.h>
#include <gpurun/state.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// The operations of runtime.md and those that runc has beside them, one function each. All run in the host process,
/// throw Error, and leave nothing behind when they fail.
namespace gpurun::container {

/// What holds for every operation.
struct Context {
    std::string root;  ///< Where the records are; see state::default_root.
    cgroup::Driver driver = cgroup::Driver::cgroupfs;
    std::string criu = "criu";  ///< The program: a path, or a name to be found in PATH.
};

struct CreateOptions {
    std::string id;
    std::string bundle = ".";
    std::string config_file;  ///< Empty: config.json in the bundle.
    std::string console_socket, pid_file, pidfd_socket;
    bool no_pivot = false;
    bool no_new_keyring = false;
    int preserve_fds = 0;
    std::vector<std::string> gpus;  ///< --gpu: indexes, UUIDs, CDI names.
};

struct RunOptions {
    CreateOptions create;
    bool detach = false;
    bool keep = false;  ///< The container's record stays after it ended.
    bool no_subreaper = false;
};

struct ExecOptions {
    std::string id;
    std::string process_file;  ///< Empty: made from the container's process and what follows.
    std::vector<std::string> args, env;
    std::optional<std::string> cwd, apparmor, selinux_label;
    std::optional<std::uint32_t> uid, gid;
    std::vector<std::uint32_t> additional_gids;
    std::vector<std::string> capabilities;
    bool tty = false;
    bool no_new_privileges = false;
    bool detach = false;
    bool ignore_paused = false;
    std::string console_socket, pid_file, pidfd_socket, cgroup_path;
    int preserve_fds = 0;
};

void create(const Context& context, const CreateOptions& options);
/// Returns the program's exit status, 128 + signal when it was killed; 0 when detached.
int run(const Context& context, const RunOptions& options);
/// Lets the program of a created container go. Waits for its execution where hooks of start or a seccomp agent need it;
/// otherwise a program that can't be executed says so on the container's stderr and ends it with status 1. What holds
/// the program back until it is closed, for which the end of this process does as well; empty when the program is on
/// its way.
sys::Fd start(const Context& context, const std::string& id);
/// The exit status as with run.
int exec(const Context& context, const ExecOptions& options);

/// What checkpoint and restore have in common; see criu(8) for what CRIU makes of it.
struct CriuOptions {
    std::string image_path = "checkpoint";  ///< Directory of the images.
    std::string work_path;                  ///< Directory of CRIU's log; empty: the images'.
    bool tcp_established = false;
    bool ext_unix_sk = false;
    bool shell_job = false;
    bool file_locks = false;
    bool auto_dedup = false;
    bool lazy_pages = false;
    bool empty_network = false;         ///< --empty-ns network: a network namespace without its content.
    std::string cgroups_mode = "soft";  ///< Or "full", "strict", "ignore".
    std::string network_lock;           ///< "iptables", "nftables", "skip"; empty: CRIU's default.
};

struct CheckpointOptions {
    std::string id;
    CriuOptions criu;
    std::string parent_path;  ///< Images of an earlier pre-dump, relative to the image path.
    bool pre_dump = false;    ///< Only memory, and the container goes on.
    bool leave_running = false;
    bool tcp_skip_in_flight = false;
    bool link_remap = false;
    std::string page_server_address;
    int page_server_port = 0;  ///< 0: no page server.
    int status_fd = -1;        ///< Gets a NUL once pages can be fetched (lazy pages).
};

struct RestoreOptions {
    CreateOptions create;
    CriuOptions criu;
    bool tcp_close = false;
    std::string lsm_profile;        ///< "apparmor:NAME", "selinux:LABEL"
    std::string lsm_mount_context;  ///< SELinux context of the mounts.
    bool detach = false;
    bool keep = false;
    bool no_subreaper = false;
};

/// Writes the container to images and, unless it is left running, removes it. Throws Error with CRIU's reason; the
/// container runs on then.
void checkpoint(const Context& context, const CheckpointOptions& options);
/// Makes a container from a bundle whose processes are those of the images. Returns as run does.
int restore(const Context& context, const RestoreOptions& options);

enum class Reach { init, all };
/// Throws Error("container not running") where there is nobody to signal; `Reach::all` on a stopped container is fine.
void kill(const Context& context, const std::string& id, int signal, Reach reach);
/// \a force: kill first, and succeed when there is no such container.
void remove(const Context& context, const std::string& id, bool force);

void pause(const Context& context, const std::string& id);
void resume(const Context& context, const std::string& id);

struct Summary {
    state::Record record;
    spec::Status status = spec::Status::stopped;
};
Summary state(const Context& context, const std::string& id);
std::vector<Summary> list(const Context& context);
/// `state`'s JSON, as runc prints it: the OCI state with rootfs, created and owner.
std::string to_json(const Summary& summary, const std::string& owner, bool indented);

/// Host pids of every process in the container.
std::vector<int> processes(const Context& context, const std::string& id);

/// Changes limits of a container, and the schemata of its resctrl group, and remembers them. What \a resources and \a
/// rdt leave out stays.
void update(const Context& context, const std::string& id, const spec::Resources& resources,
            const spec::IntelRdt& rdt = {});

/// Adds GPUs to a container that runs and takes others away: nodes in its mount namespace, device rules, the config it
/// remembers. Names are those of --gpu. A process that has a removed GPU open keeps what it opened. Throws Error.
void update_gpus(const Context& context, const std::string& id, const std::vector<std::string>& add,
                 const std::vector<std::string>& remove);

/// Adds binds of host paths and tmpfs to a container that runs, or takes away what is mounted at their destinations;
/// its config remembers. Throws Error, then nothing has changed.
void add_mounts(const Context& context, const std::string& id, const std::vector<spec::Mount>& mounts);
void remove_mounts(const Context& context, const std::string& id, const std::vector<spec::Mount>& mounts);

/// One `events --stats` line without its end.
std::string stats(const Context& context, const std::string& id);
/// Statistics every \a interval_ms and OOM kills as they happen, until the container ends.
void events(const Context& context, const std::string& id, int interval_ms,
            const std::function<void(const std::string&)>& emit);

/// The plan that create would carry out, without carrying it out; \a host_root: another host, such as a recorded one.
plan::Plan plan_create(const Context& context, const CreateOptions& options, const std::string& host_root);

/// A signal's number by number, NAME, SIGNAME or RTMIN+n. Throws Error("unknown signal …").
int signal_number(const std::string& name);

}  // namespace gpurun::container
