#include "sys/socket.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::sys {
namespace {

constexpr std::size_t most_descriptors = 16;

bool set_path(sockaddr_un& address, const std::string& path) {
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return true;
}

// sun_path has 108 bytes; a descriptor of the directory makes any directory short.
sockaddr_un address_in(FdRef directory, const std::string& name) {
    sockaddr_un address{};
    if (!set_path(address, format("{}/{}", proc_fd_path(directory), name)))
        throw Error(ENAMETOOLONG, "socket name " + name);
    return address;
}

}  // namespace

std::pair<Fd, Fd> socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw Error(errno, "socketpair");
    return {Fd(ends[0]), Fd(ends[1])};
}

Fd connect_to(const std::string& path, int type) {
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) throw Error(errno, "socket");
    sockaddr_un address{};
    socklen_t length = sizeof address;
    Fd directory;
    if (!set_path(address, path)) {
        directory = open(std::string(parent_of(path)), O_PATH | O_DIRECTORY);
        address = address_in(directory, std::string(base_name(path)));
    } else if (path.starts_with('@')) {
        // The length ends an abstract name.
        address.sun_path[0] = '\0';
        length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    }
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
        if (errno != EINTR) throw Error(errno, "connect " + path);
    return socket;
}

Fd bind_in(FdRef directory, const std::string& name, int type) {
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) throw Error(errno, "socket");
    const sockaddr_un address = address_in(directory, name);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw Error(errno, "bind " + name);
    return socket;
}

Fd listen_in(FdRef directory, const std::string& name) {
    Fd socket = bind_in(directory, name, SOCK_SEQPACKET);
    if (::listen(socket.get(), 1) != 0) throw Error(errno, "listen " + name);
    return socket;
}

Fd try_connect_in(FdRef directory, const std::string& name) noexcept {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return socket;
    try {
        const sockaddr_un address = address_in(directory, name);
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Fd();
    } catch (const Error& error) {
        errno = error.code;
        return Fd();
    }
    return socket;
}

void send_message(FdRef socket, std::string_view payload, const std::vector<FdRef>& descriptors) {
    iovec part{const_cast<char*>(payload.data()), payload.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    if (!descriptors.empty()) {
        if (descriptors.size() > most_descriptors) throw Error(E2BIG, "sendmsg");
        const std::size_t bytes = sizeof(int) * descriptors.size();
        std::memset(control, 0, sizeof control);
        header.msg_control = control;
        header.msg_controllen = static_cast<decltype(header.msg_controllen)>(CMSG_SPACE(bytes));
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = static_cast<decltype(rights->cmsg_len)>(CMSG_LEN(bytes));
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
            const int fd = descriptors[i].get();
            std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    while (::sendmsg(socket.get(), &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) throw Error(errno, "sendmsg");
}

Message receive_message(FdRef socket) {
    // In the image: only the pages that a message fills are ever touched.
    static char bytes[64u << 10];
    Message message;
    iovec part{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t got = 0;
    while ((got = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC)) < 0) {
        if (errno == ECONNRESET) {
            got = 0;
            break;
        }
        if (errno != EINTR) throw Error(errno, "recvmsg");
    }
    message.payload.assign(bytes, static_cast<std::size_t>(got));
    if (got == 0) return message;
    for (cmsghdr* part_header = CMSG_FIRSTHDR(&header); part_header != nullptr;
         part_header = CMSG_NXTHDR(&header, part_header)) {
        if (part_header->cmsg_level != SOL_SOCKET || part_header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part_header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part_header) + i * sizeof fd, sizeof fd);
            message.descriptors.emplace_back(fd);
        }
    }
    return message;
}

}  // namespace gpurun::sys
