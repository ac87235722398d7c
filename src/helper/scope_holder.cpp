#include "helper/scope_holder.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>

#include "base/text.h"

namespace gpurun::helper {
namespace {

// The beginning of a small file; empty when it cannot be read.
std::string read_some(const std::string& path) {
    char text[4096];
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return {};
    const auto got = ::read(file, text, sizeof text);
    ::close(file);
    return {text, got > 0 ? static_cast<std::size_t>(got) : 0};
}

// Where this process is in the hierarchy that systemd keeps: cgroup2 alone, or v1's named one.
std::string own_directory() {
    const std::string text = read_some("/proc/self/cgroup");
    std::string unified, named;
    for (const auto line : split(text, '\n')) {
        const auto colon = line.find(':', line.find(':') + 1);
        if (colon == std::string_view::npos) continue;
        if (line.find(":name=systemd:") != std::string_view::npos) named = line.substr(colon + 1);
        if (line.starts_with("0::")) unified = line.substr(colon + 1);
    }
    if (!named.empty() && ::access("/sys/fs/cgroup/systemd/cgroup.procs", F_OK) == 0)
        return "/sys/fs/cgroup/systemd" + named;
    return "/sys/fs/cgroup" + unified;
}

bool has_company(const std::string& directory) {
    const std::string pids = read_some(directory + "/cgroup.procs");
    return pids.find('\n') != pids.rfind('\n');
}

[[noreturn]] void hold(pid_t caller) {
    // Until systemd has moved this process, its company is the caller's.
    const std::string before = own_directory();
    ::setsid();
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(nothing, fd);
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, caller, 0));
    if (pidfd > 3) ::syscall(SYS_close_range, 3, static_cast<unsigned>(pidfd) - 1, 0);
    constexpr int look_every = 5;  // Milliseconds: the container process comes within ten.
    for (pollfd gone{.fd = pidfd, .events = POLLIN, .revents = 0}; pidfd >= 0 && ::poll(&gone, 1, look_every) <= 0;)
        if (const auto now = own_directory(); now != before && has_company(now)) break;
    ::_exit(0);
}

}  // namespace

ScopeHolder::ScopeHolder(bool wanted) {
    if (!wanted) return;
    const pid_t caller = ::getppid();
    pid_ = ::fork();
    if (pid_ < 0) throw Error(errno, "fork");
    if (pid_ == 0) hold(caller);
}

ScopeHolder::~ScopeHolder() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

}  // namespace gpurun::helper
