#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"

/// Processes by clone3 and pidfd.
namespace gpurun::sys {

/// A cloned child as the parent sees it.
struct Child {
    pid_t pid = -1;
    Fd pidfd;
};

struct CloneOptions {
    std::uint64_t flags = 0;  ///< CLONE_NEW…; CLONE_PIDFD is added.
    FdRef cgroup{};           ///< Directory to be born in (CLONE_INTO_CGROUP); unset: the parent's cgroup.
};

/// fork by clone3: returns twice; pid 0 in the child. Throws Error("clone3").
Child clone(const CloneOptions& options);

/// A pidfd of \a pid; empty with errno set when there is none.
Fd try_pidfd_open(pid_t pid) noexcept;
/// Returns 0 or the errno.
int try_signal(FdRef pidfd, int signal) noexcept;

/// How a process ended, as the shell counts: exit status, or 128 + signal.
int exit_code(int wait_status) noexcept;
/// Waits for a child; EINTR is retried. Throws Error("waitid").
int wait_for(pid_t pid);

/// Start time of \a pid in clock ticks since boot (field 22 of /proc/PID/stat): tells a reused pid. Nothing when there
/// is no such process.
struct ProcessFacts {
    char state = '?';  ///< 'R', 'S', 'Z' …
    std::uint64_t start_time = 0;
};
std::optional<ProcessFacts> process_facts(pid_t pid) noexcept;

/// Whether this process is in the user namespace of the host.
bool in_initial_user_namespace();

/// Marks all descriptors from \a first on close-on-exec. Throws Error("close_range").
void close_on_exec_from(int first);

/// Enters a namespace given by descriptor (\a type 0: any, else CLONE_NEW…) or several of a process given by pidfd.
void enter_namespace(FdRef target, int types, const std::string& name);

/// Empties the signal mask and resets every disposition to default.
void reset_signals() noexcept;

/// What execve(2) takes: pointers into \a strings, which must live as long, and a null pointer.
std::vector<char*> pointers(const std::vector<std::string>& strings);

/// A helper program run to its end with \a arguments (argv[0] included), stdin from \a input, its output collected
/// (bounded).
struct Finished {
    int exit_code = 0;
    int signal = 0;  ///< That ended it; exit_code is 128 + signal then.
    bool timed_out = false;
    std::string output;  ///< stdout and stderr, at most Program::output_limit, trimmed.
};
struct Program {
    std::string path;
    std::vector<std::string> arguments;
    std::optional<std::vector<std::string>> environment;  ///< Absent: this process's.
    std::string input;
    std::string directory;                 ///< Working directory; empty: the caller's.
    std::optional<int> timeout_seconds;    ///< SIGKILL after it.
    std::size_t output_limit = 64u << 10;  ///< Bytes; what is printed beyond it is dropped.
    FdRef out{}, err{};                    ///< Where its stdout and stderr go; unset: both into the output.
};
/// Starts and waits. The child has default signals, no descriptors but 0–2. Throws Error("exec PATH") when it cannot be
/// executed.
Finished run_program(const Program& program);

/// Gives back what of this program's own file is in memory; it comes again as it is used. For a process that may wait
/// long.
void forget_program_pages() noexcept;

}  // namespace gpurun::sys
