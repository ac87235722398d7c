#include "engine/network.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gpurun::engine {
namespace {

// There is one such thread. A mapping for its stack would cost more than what it does with it.
alignas(64) char thread_stack[128 << 10];

}  // namespace

NewNetwork::NewNetwork(sys::Fd proc) : proc_(std::move(proc)) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstack(&attributes, thread_stack, sizeof thread_stack);
    if (const int failure = ::pthread_create(&thread_, &attributes, run, this)) {
        ended_ = true;
        throw Error(failure, "start a thread");
    }
}

void* NewNetwork::run(void* self) noexcept {
    auto& network = *static_cast<NewNetwork*>(self);
    network.reach(Stage::running);
    network.make();
    network.reach(Stage::finished);
    network.await(Stage::dismissed);
    return nullptr;
}

void NewNetwork::make() noexcept {
    const auto fail = [this](const char* call, int code) {
        failed_call_ = call;
        failure_ = code;
    };
    if (::unshare(CLONE_NEWNET) != 0) return fail("unshare network", errno);
    made_ = sys::Fd(::openat(proc_.get(), "thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!made_) return fail("open the new network namespace", errno);
    if (const int failure = try_raise_loopback()) fail("raise lo", failure);
}

void NewNetwork::reach(Stage stage) noexcept {
    stage_.store(stage);
    stage_.notify_all();
}

void NewNetwork::await(Stage stage) noexcept {
    for (Stage seen = stage_.load(); seen < stage; seen = stage_.load()) stage_.wait(seen);
}

void NewNetwork::await_running() noexcept { await(Stage::running); }

void NewNetwork::end() noexcept {
    if (ended_) return;
    await(Stage::finished);
    if (stage_.load() != Stage::dismissed) reach(Stage::dismissed);
    ::pthread_join(thread_, nullptr);
    ended_ = true;
}

sys::Fd NewNetwork::take() {
    await(Stage::finished);
    reach(Stage::dismissed);
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
