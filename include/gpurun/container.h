#pragma once

#include <gpurun/cgroup.h>
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
void start(const Context& context, const std::string& id);
/// The exit status as with run.
int exec(const Context& context, const ExecOptions& options);

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
