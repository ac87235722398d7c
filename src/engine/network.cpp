#include "engine/network.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace gpurun::engine {

NewNetwork::NewNetwork(sys::FdRef proc) : proc_(proc) {
    if (const int failure = ::pthread_create(&thread_, nullptr, run, this)) {
        joined_ = true;
        throw Error(failure, "start a thread");
    }
}

void* NewNetwork::run(void* self) noexcept {
    auto& network = *static_cast<NewNetwork*>(self);
    const auto fail = [&network](const char* call, int code) {
        network.failed_call_ = call;
        network.failure_ = code;
        return nullptr;
    };
    if (::unshare(CLONE_NEWNET) != 0) return fail("unshare network", errno);
    network.made_ = sys::Fd(::openat(network.proc_.get(), "thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!network.made_) return fail("open the new network namespace", errno);
    if (const int failure = try_raise_loopback()) return fail("raise lo", failure);
    return nullptr;
}

void NewNetwork::join() noexcept {
    if (!joined_) ::pthread_join(thread_, nullptr);
    joined_ = true;
}

sys::Fd NewNetwork::take() {
    join();
    if (failed_call_ != nullptr) throw Error(failure_, failed_call_);
    return std::move(made_);
}

int try_raise_loopback() noexcept {
    const sys::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno;
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

}  // namespace gpurun::engine
