#include "container/foreground.h"

#include <gpurun/error.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sys/terminal.h"

namespace gpurun::container {
namespace {

constexpr int short_while = 10;  // milliseconds

// Moves what is there; false at the end.
bool relay(int from, int to) {
    char bytes[8192];
    const auto got = ::read(from, bytes, sizeof bytes);
    if (got <= 0) return got < 0 && (errno == EINTR || errno == EAGAIN);
    for (ssize_t at = 0; at < got;) {
        const auto written = ::write(to, bytes + at, static_cast<std::size_t>(got - at));
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) at += written;
    }
    return true;
}

}  // namespace

Foreground::Foreground() {
    sigset_t all;
    ::sigfillset(&all);
    // Those that tell of our own faults must not be deferred.
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS}) ::sigdelset(&all, fault);
    ::sigprocmask(SIG_BLOCK, &all, &before_);
    signals_ = sys::Fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw Error(errno, "signalfd");
}

Foreground::~Foreground() {
    if (settings_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*settings_);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void Foreground::make_raw() {
    termios settings{};
    if (::tcgetattr(STDIN_FILENO, &settings) != 0) return;
    settings_ = settings;
    ::cfmakeraw(&settings);
    // The container's terminal passes newlines on as they are; this one still turns them into line ends.
    settings.c_oflag |= OPOST;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

// False once the process has ended.
bool Foreground::handle_signal(const engine::Started& started, std::optional<int>& status) {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        const int signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGCHLD) {
            int wait_status = 0;
            for (pid_t pid = 0; (pid = ::waitpid(-1, &wait_status, WNOHANG)) > 0;)
                if (pid == started.child.pid) status = sys::exit_code(wait_status);
        } else if (signal == SIGWINCH && started.terminal) {
            sys::copy_terminal_size(sys::FdRef(STDIN_FILENO), started.terminal);
        } else if (signal != SIGURG && signal != SIGPIPE) {
            sys::try_signal(started.child.pidfd, signal);
        }
    }
    return !status;
}

int Foreground::attend(engine::Started& started, NotifyProxy* notify, sys::OneCpu* shared) {
    const auto part = [&shared] {
        if (shared != nullptr) shared->release();
        shared = nullptr;
    };
    if (started.terminal) {
        part();
        sys::copy_terminal_size(sys::FdRef(STDIN_FILENO), started.terminal);
        make_raw();
    }
    bool input = static_cast<bool>(started.terminal);
    std::optional<int> status;
    // It may have ended, and its SIGCHLD been taken, before this loop.
    int wait_status = 0;
    if (::waitpid(started.child.pid, &wait_status, WNOHANG) == started.child.pid) status = sys::exit_code(wait_status);
    while (!status) {
        pollfd watched[4] = {{signals_.get(), POLLIN, 0},
                             {started.terminal.get(), POLLIN, 0},
                             {input ? STDIN_FILENO : -1, POLLIN, 0},
                             {notify != nullptr ? notify->descriptor().get() : -1, POLLIN, 0}};
        const int ready = ::poll(watched, 4, shared != nullptr ? short_while : -1);
        if (ready < 0 && errno != EINTR) throw Error(errno, "poll");
        if (ready == 0) part();
        if (watched[1].revents != 0 && !relay(started.terminal.get(), STDOUT_FILENO)) started.terminal.reset();
        if (watched[2].revents != 0 && started.terminal && !relay(STDIN_FILENO, started.terminal.get())) input = false;
        // In the foreground it is gpurun that systemd shall look after.
        if (watched[3].revents != 0) notify->forward(::getpid());
        if (watched[0].revents != 0) handle_signal(started, status);
    }
    // What the program wrote last may still be in the terminal.
    while (started.terminal) {
        pollfd rest{started.terminal.get(), POLLIN, 0};
        if (::poll(&rest, 1, 0) <= 0 || !relay(started.terminal.get(), STDOUT_FILENO)) break;
    }
    return *status;
}

}  // namespace gpurun::container
