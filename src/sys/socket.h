#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/fd.h"

/// AF_UNIX sockets and descriptors passed over them.
namespace gpurun::sys {

/// Two connected SOCK_SEQPACKET sockets: message borders, and end of file when the other side is gone.
std::pair<Fd, Fd> socket_pair();

/// Connects to a socket of \a type (SOCK_STREAM …) at \a path; "@NAME" is in the abstract namespace. Throws
/// Error("connect PATH").
Fd connect_to(const std::string& path, int type);

/// A bound socket of \a type \a name in \a directory, however long the directory's path is.
Fd bind_in(FdRef directory, const std::string& name, int type);

/// A listening SOCK_SEQPACKET socket \a name in \a directory, however long the directory's path is.
Fd listen_in(FdRef directory, const std::string& name);
/// Connects to it. Empty with errno set when nobody listens.
Fd try_connect_in(FdRef directory, const std::string& name) noexcept;

/// One message with descriptors. Throws Error("sendmsg").
void send_message(FdRef socket, std::string_view payload, const std::vector<FdRef>& descriptors = {});

struct Message {
    std::string payload;  ///< Empty at end of file.
    std::vector<Fd> descriptors;
};
/// Waits for one message of at most 64 KiB. EINTR is retried; ECONNRESET counts as end of file.
Message receive_message(FdRef socket);

}  // namespace gpurun::sys
