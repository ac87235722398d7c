#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/error.h>

#include <string>
#include <vector>

/// What v1 and v2 have in common: directories, processes and writes in a cgroup file system. Host process, paths of the
/// host.
namespace gpurun::cgroup {

/// Who makes the directories: gpurun itself, or systemd with its unit, whose processes are in them already.
enum class Origin { own, unit };

/// False in a user namespace: even uid 0 has no rights to the host's cgroups there.
bool is_host_root();

/// mkdir -p; true when the last component is new. Throws Error.
bool make_directory(const std::string& path);

/// Throws Error(EBUSY), in runc's words, when a process is in \a path.
void require_empty(const std::string& path);

/// rmdir of \a path and all below it, leaf first. EBUSY is retried with growing pauses, about a second in all; absent
/// is fine. Throws Error.
void remove_tree(const std::string& path);

/// Adds the pids in \a path and below it. Processes outside this pid namespace (0) are left out; absent is fine.
void collect_processes(const std::string& path, std::vector<int>& pids);

/// Sends \a signal to each; a process that is gone is fine. Throws Error.
void signal_processes(const std::vector<int>& pids, int signal);

/// kill() of a manager for v1 and for kernels without cgroup.kill: freeze, signal, thaw, until nothing new shows up.
/// A SIGKILL thaws for good, other signals leave a paused container paused.
void signal_frozen(Manager& manager, int signal);

/// A write with the directory it goes to; an empty directory: its controller has none.
struct PlacedWrite {
    const Write* write;
    std::string directory;
    std::string file;  ///< May differ from write->file (a limit of v1's words on cgroup2).
};

/// Does the writes in order. One that the kernel refuses with EINVAL is tried again after the others, as long as that
/// helps: raising a memory limit needs memory+swap first, lowering the other way round; likewise cpu quota, period and
/// burst. Throws Error.
void carry_out(const std::vector<PlacedWrite>& writes);

/// Waits up to \a milliseconds, or less when a signal comes.
void pause_for(int milliseconds) noexcept;

/// The path for a cgroup below \a directory. Throws Error when \a sub_path is empty or leads out.
std::string below_directory(const std::string& directory, std::string_view sub_path);

/// The limits that \a resources asks for, by controller ("memory, pids"); empty when none. Devices don't count.
std::string limits_asked(Layout layout, const spec::Resources& resources);

/// Whether a failed mkdir \a error may be passed over: no right to it, not root of the host, no path and no limits
/// asked for. Throws an Error that says what to delegate when limits were asked for, the given one otherwise.
void require_unneeded(const Error& error, const Location& location, const spec::Resources& resources);

}  // namespace gpurun::cgroup
