#include "container/notify.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::container {
namespace {

constexpr const char* name = "notify.sock";
constexpr const char* place = "/run/notify";

// sd_notify_barrier(3): systemd closes the descriptor when it has read everything before it.
void await_acknowledgement(sys::FdRef host) {
    constexpr int patience_ms = 30000;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(errno, "pipe2");
    const sys::Fd read_end(ends[0]);
    {
        const sys::Fd write_end(ends[1]);
        sys::send_message(host, "BARRIER=1", {write_end});
    }
    pollfd closed{read_end.get(), 0, 0};
    static_cast<void>(::poll(&closed, 1, patience_ms));
}

}  // namespace

std::string notify_socket() {
    const char* path = std::getenv("NOTIFY_SOCKET");
    return path != nullptr ? path : "";
}

void add_notify_socket(spec::Spec& spec, const std::string& directory) {
    if (::mkdir(directory.c_str(), 0755) != 0) throw Error(errno, "mkdir " + directory);
    spec.mounts.push_back({.destination = place,
                           .type = "bind",
                           .source = directory,
                           .options = {"bind", "nosuid", "noexec", "nodev", "ro"},
                           .uid_mappings = {},
                           .gid_mappings = {}});
    if (spec.process) spec.process->env.push_back(format("NOTIFY_SOCKET={}/{}", place, name));
}

void remove_notify_socket(const std::string& directory) noexcept {
    ::unlink((directory + "/" + name).c_str());
    ::rmdir(directory.c_str());
}

NotifyProxy::NotifyProxy(const std::string& directory) {
    const sys::Fd opened = sys::open(directory, O_PATH | O_DIRECTORY);
    ::unlinkat(opened.get(), name, 0);
    socket_ = sys::bind_in(opened, name, SOCK_DGRAM);
    // Whatever user the program is.
    if (::fchmodat(opened.get(), name, 0777, 0) != 0) throw Error(errno, "chmod notify.sock");
}

void NotifyProxy::forward(int main_pid) {
    const auto message = sys::receive_message(socket_);
    for (const auto line : split(message.payload, '\n')) {
        if (!line.starts_with("READY=")) continue;
        const sys::Fd host = sys::connect_to(notify_socket(), SOCK_DGRAM);
        sys::send_message(host, format("{}\n", line));
        sys::send_message(host, format("MAINPID={}\n", main_pid));
        await_acknowledgement(host);
        socket_.reset();
        return;
    }
}

void NotifyProxy::await_ready(sys::FdRef pidfd, int main_pid) {
    while (socket_) {
        pollfd watched[2] = {{socket_.get(), POLLIN, 0}, {pidfd.get(), POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0 && errno != EINTR) throw Error(errno, "poll");
        if (watched[0].revents != 0)
            forward(main_pid);
        else if (watched[1].revents != 0)
            return;
    }
}

}  // namespace gpurun::container
