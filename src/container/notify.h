#pragma once

#include <gpurun/spec.h>

#include <string>

#include "sys/fd.h"

/// sd_notify(3) for containers, as runc has it: the container sends to a socket of its own at /run/notify/notify.sock,
/// and its READY=1 goes on to the NOTIFY_SOCKET that gpurun was started with, followed by MAINPID.
namespace gpurun::container {

/// NOTIFY_SOCKET of this process; "" when it is not set.
std::string notify_socket();

/// Makes \a directory for the container's socket and puts it and its NOTIFY_SOCKET into \a spec. Throws Error.
void add_notify_socket(spec::Spec& spec, const std::string& directory);
/// Removes what `add_notify_socket` and NotifyProxy made. Nothing there is fine.
void remove_notify_socket(const std::string& directory) noexcept;

/// The runtime's end of a container's socket. Without NOTIFY_SOCKET it does nothing.
class NotifyProxy {
 public:
    NotifyProxy() = default;
    /// Binds the socket in \a directory. Throws Error.
    explicit NotifyProxy(const std::string& directory);

    /// Readable when the container has sent something; empty once READY=1 was passed on.
    sys::FdRef descriptor() const { return socket_; }
    /// Takes one message; one with READY=1 is passed on with \a main_pid, and systemd's acknowledgement is awaited (30
    /// s at most). Throws Error.
    void forward(int main_pid);
    /// Until READY=1 was passed on or the process behind \a pidfd has ended.
    void await_ready(sys::FdRef pidfd, int main_pid);

 private:
    sys::Fd socket_;
};

}  // namespace gpurun::container
