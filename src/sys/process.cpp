#include "sys/process.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <link.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/text.h"
#include "sys/file.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

extern char** environ;

namespace gpurun::sys {

Child clone(const CloneOptions& options) {
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = options.flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    // A sibling is its parent's child as the caller itself is; clone3 wants no signal said then.
    arguments.exit_signal = (options.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
    if (options.cgroup) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(options.cgroup.get());
    }
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) throw Error(errno, "clone3");
    return Child{static_cast<pid_t>(pid), Fd(pid == 0 ? -1 : pidfd)};
}

Fd try_pidfd_open(pid_t pid) noexcept { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

int try_signal(FdRef pidfd, int signal) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0 ? 0 : errno;
}

int exit_code(int wait_status) noexcept {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) throw Error(errno, "waitpid");
    return exit_code(status);
}

std::optional<ProcessFacts> process_facts(pid_t pid) noexcept {
    char path[32];
    *fmt::format_to(path, "/proc/{}/stat", pid) = '\0';
    const Fd file = try_open(path, O_RDONLY);
    if (!file) return std::nullopt;
    char text[1024];
    const auto length = ::read(file.get(), text, sizeof text);
    if (length <= 0) return std::nullopt;
    // The name in parentheses may hold anything, even ")": the last one ends it.
    const std::string_view stat(text, static_cast<std::size_t>(length));
    const auto name_end = stat.rfind(')');
    if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return std::nullopt;
    ProcessFacts facts{.state = stat[name_end + 2]};
    std::string_view rest = stat.substr(name_end + 2);
    for (int field = 3; field < 22; ++field) {
        const auto blank = rest.find(' ');
        if (blank == std::string_view::npos) return std::nullopt;
        rest.remove_prefix(blank + 1);
    }
    facts.start_time = parse_number<std::uint64_t>(rest.substr(0, rest.find(' '))).value_or(0);
    return facts;
}

bool in_initial_user_namespace() {
    const auto own = try_read_link(FdRef(AT_FDCWD), "/proc/self/ns/user");
    if (!own) return errno == ENOENT;    // A kernel without user namespaces.
    return *own == "user:[4026531837]";  // USER_NS_INIT_INO of newer <linux/nsfs.h>
}

void close_on_exec_from(int first) {
    if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0u, CLOSE_RANGE_CLOEXEC) != 0)
        throw Error(errno, "close_range");
}

void enter_namespace(FdRef target, int types, const std::string& name) {
    if (::setns(target.get(), types) != 0) throw Error(errno, "setns " + name);
}

void reset_signals() noexcept {
    // The kernel's own interface: libc keeps its real-time signals out of sigaction's reach.
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)();
        std::uint64_t mask;
    } action{};
    for (int signal = 1; signal <= 64; ++signal)
        if (signal != SIGKILL && signal != SIGSTOP) ::syscall(SYS_rt_sigaction, signal, &action, nullptr, 8);
    const std::uint64_t none = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8);
}

void forget_program_pages() noexcept {
    const auto forget = [](dl_phdr_info* object, std::size_t, void*) {
        const auto page = static_cast<std::uintptr_t>(::getpagesize());
        for (int at = 0; at < object->dlpi_phnum; ++at) {
            const auto& segment = object->dlpi_phdr[at];
            // What can be written may have been.
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
            const auto begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
            const auto end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
            ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 1;  // The program is the first object.
    };
    ::dl_iterate_phdr(forget, nullptr);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const auto& string : strings) result.push_back(const_cast<char*>(string.c_str()));
    result.push_back(nullptr);
    return result;
}

namespace {

struct Pipe {
    Fd read, write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(errno, "pipe2");
    return {Fd(ends[0]), Fd(ends[1])};
}

[[noreturn]] void exec_program(const Program& program, const std::vector<char*>& arguments, char** environment,
                               const Pipe& in, const Pipe& out, FdRef failure) noexcept {
    ::dup2(in.read.get(), 0);
    ::dup2(program.out ? program.out.get() : out.write.get(), 1);
    ::dup2(program.err ? program.err.get() : out.write.get(), 2);
    ::syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
    reset_signals();
    if (!program.directory.empty()) static_cast<void>(::chdir(program.directory.c_str()));
    ::execve(program.path.c_str(), arguments.data(), environment);
    const int code = errno;
    static_cast<void>(::write(failure.get(), &code, sizeof code));
    ::_exit(127);
}

long milliseconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Feeds stdin and collects output until the program's end of the pipe is closed by everyone or it exited.
void converse(const Program& program, Fd in, FdRef out, FdRef pidfd, Finished& finished) {
    const long deadline = program.timeout_seconds ? milliseconds_now() + 1000L * *program.timeout_seconds : 0;
    std::string_view input = program.input;
    if (input.empty()) in.reset();
    bool exited = false;
    for (;;) {
        pollfd watched[3] = {{out.get(), POLLIN, 0}, {exited ? -1 : pidfd.get(), POLLIN, 0}, {in.get(), POLLOUT, 0}};
        int wait = exited ? 0 : -1;
        if (!exited && deadline != 0) {
            wait = static_cast<int>(deadline - milliseconds_now());
            if (wait <= 0) {
                finished.timed_out = true;
                try_signal(pidfd, SIGKILL);
                return;
            }
        }
        const int ready = ::poll(watched, 3, wait);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0 && exited) return;
        if ((watched[2].revents & (POLLOUT | POLLERR)) != 0) {
            const auto written = ::write(in.get(), input.data(), input.size());
            if (written > 0) input.remove_prefix(static_cast<std::size_t>(written));
            if (written < 0 || input.empty()) in.reset();  // A program that does not read its stdin is fine.
        }
        if ((watched[0].revents & (POLLIN | POLLHUP)) != 0) {
            char chunk[4096];
            const auto got = ::read(out.get(), chunk, sizeof chunk);
            if (got <= 0) return;
            if (finished.output.size() < program.output_limit)
                finished.output.append(chunk, static_cast<std::size_t>(got));
        } else if (exited) {
            return;
        }
        if ((watched[1].revents & POLLIN) != 0) exited = true;
    }
}

}  // namespace

Finished run_program(const Program& program) {
    const auto arguments = pointers(program.arguments);
    std::vector<char*> own_environment;
    if (program.environment) own_environment = pointers(*program.environment);
    char** environment = program.environment ? own_environment.data() : environ;
    Pipe in = make_pipe(), out = make_pipe(), failure = make_pipe();
    // Writing to a program that has gone must not kill gpurun; engines start us with either disposition.
    struct sigaction ignore {
    }, before{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    const Child child = clone({});
    if (child.pid == 0) exec_program(program, arguments, environment, in, out, failure.write);
    in.read.reset();
    out.write.reset();
    failure.write.reset();
    Finished finished;
    int code = 0;
    ssize_t told = 0;
    while ((told = ::read(failure.read.get(), &code, sizeof code)) < 0 && errno == EINTR) {
    }
    if (told != sizeof code) converse(program, std::move(in.write), out.read, child.pidfd, finished);
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    finished.exit_code = exit_code(status);
    finished.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    // Where signals are blocked one may be pending: ignoring it once more drops it.
    ::sigaction(SIGPIPE, &ignore, nullptr);
    ::sigaction(SIGPIPE, &before, nullptr);
    if (told == sizeof code) throw Error(code, "exec " + program.path);
    while (!finished.output.empty() && std::isspace(static_cast<unsigned char>(finished.output.back())) != 0)
        finished.output.pop_back();
    return finished;
}

}  // namespace gpurun::sys
