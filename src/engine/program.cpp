#include <fcntl.h>
#include <gpurun/error.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "engine/container_side.h"
#include "engine/exec_failure.h"
#include "sys/passwd.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// 0 when \a path can be executed by this process, else why not.
int why_not_executable(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return errno;
    if (!S_ISREG(facts.st_mode)) return S_ISDIR(facts.st_mode) ? EISDIR : EACCES;
    // With the capabilities that the program is executed with, which access() leaves out.
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) return 0;
    // EPERM is a seccomp profile older than faccessat2.
    if (errno == EPERM && ::access(path.c_str(), X_OK) == 0) return 0;
    return errno;
}

// The user's home directory in the container's /etc/passwd; what it says is only ever a string.
std::string home_directory() {
    const auto entry = sys::try_passwd_entry(::geteuid());
    return entry && !entry->home.empty() ? entry->home : "/";
}

std::string find_program(const std::string& name, const std::vector<std::string>& env) {
    if (name.find('/') != std::string::npos) {
        if (const int failure = why_not_executable(name)) {
            if (failure == EACCES) throw Error(EACCES, format("exec: \"{}\"", name));
            // Docker 20 takes "permission denied" alone for status 126.
            if (failure == EISDIR) throw Error(EACCES, format("exec: \"{}\": is a directory", name));
            throw Error(failure, format("exec: \"{}\": stat {}", name, name));
        }
        return name;
    }
    int failure = 0;
    const std::string path = plan::environment_value(env, "PATH").value_or(std::string(default_path));
    for (const auto directory : split(path, ':')) {
        const std::string candidate = format("{}/{}", directory.empty() ? "." : directory, name);
        const int why = name.empty() ? ENOENT : why_not_executable(candidate);
        if (why == 0) return candidate;
        if (why == EACCES || why == EISDIR) failure = EACCES;
    }
    if (failure != 0) throw Error(failure, format("exec: \"{}\"", name));
    throw Error(format("exec: \"{}\": executable file not found in $PATH", name));
}

// What ends a created container, as it does runc's: a pid 1 without handlers would ignore them.
constexpr int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGTERM};

void handle_ending_signals(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    for (const int signal : ending_signals) ::sigaction(signal, &action, nullptr);
}

}  // namespace

void prepare_program(ContainerSide& side, const plan::step::PrepareProgram& step) {
    side.program = find_program(step.name, step.env);
    side.variables = step.env;
    // An empty HOME is none, as with runc.
    std::erase(side.variables, "HOME=");
    if (!plan::environment_value(side.variables, "HOME")) side.variables.push_back("HOME=" + home_directory());
    sys::reset_signals();
    for (int fd = 3; fd < 3 + step.preserved_fds; ++fd) ::fcntl(fd, F_SETFD, 0);
}

void await_start(ContainerSide& side) {
    if (!side.start_listener) throw Error("no socket to await start on");
    handle_ending_signals([](int signal) { ::_exit(128 + signal); });
    side.channel.reset();
    sys::forget_program_pages();
    int connection = -1;
    while ((connection = ::accept4(side.start_listener.get(), nullptr, nullptr, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNABORTED) throw Error(errno, "accept");
    side.channel = sys::Fd(connection);
    if (await(side.channel, plan::Barrier::start) == 0) {
        sys::receive_message(side.channel);  // the end of the file
        side.channel.reset();
        ::sched_yield();  // to the caller of `start`, which was woken just now
    }
    handle_ending_signals(SIG_DFL);
}

[[noreturn]] void exec(ContainerSide& side, const plan::step::Exec& step) {
    const auto arguments = sys::pointers(step.args);
    const auto variables = sys::pointers(side.variables);
    ::execve(side.program.c_str(), arguments.data(), variables.data());
    const int failure = errno;
    const std::string cause = why_not_executed(side.program, failure);
    if (cause.empty()) throw Error(failure, format("exec {}", side.program));
    throw Error(format("exec {}: {} ({})", side.program, errno_text(failure), cause));
}

}  // namespace gpurun::engine
