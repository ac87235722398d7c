#include "engine/seccomp_listener.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "json/json.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

/// Shared by the two processes: one of them writes 1, the other sees it without a system call.
class SharedFlag {
 public:
    explicit SharedFlag(sys::FdRef memory) {
        void* page = ::mmap(nullptr, sizeof(Flag), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
        if (page == MAP_FAILED) throw Error(errno, "mmap");
        flag_ = static_cast<Flag*>(page);
    }
    ~SharedFlag() { ::munmap(flag_, sizeof(Flag)); }
    SharedFlag(const SharedFlag&) = delete;
    SharedFlag& operator=(const SharedFlag&) = delete;

    void raise() { flag_->store(1, std::memory_order_release); }
    bool is_raised() const { return flag_->load(std::memory_order_acquire) != 0; }

 private:
    using Flag = std::atomic<int>;
    static_assert(Flag::is_always_lock_free);
    Flag* flag_;
};

sys::Fd shared_memory() {
    sys::Fd memory(static_cast<int>(::syscall(SYS_memfd_create, "gpurun-seccomp", MFD_CLOEXEC)));
    if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(sizeof(std::atomic<int>))) != 0)
        throw Error(errno, "memfd_create");
    return memory;
}

int lowest_free_descriptor() {
    const sys::Fd free(::fcntl(0, F_DUPFD_CLOEXEC, 0));
    if (!free) throw Error(errno, "fcntl(F_DUPFD)");
    return free.get();
}

// No system call: the clock is read from the vDSO.
void await_host(const SharedFlag& taken) {
    constexpr time_t patience_seconds = 10;
    timespec began{}, now{};
    ::clock_gettime(CLOCK_MONOTONIC, &began);
    while (!taken.is_raised()) {
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - began.tv_sec > patience_seconds) throw Error("the seccomp listener was not taken over");
    }
}

bool is_listener(sys::FdRef descriptor) {
    return sys::try_read_link(sys::FdRef(AT_FDCWD), sys::proc_fd_path(descriptor)) == "anon_inode:seccomp notify";
}

// Asks until the filter is loaded; an empty descriptor when the process has something to report instead.
sys::Fd take_listener(sys::FdRef channel, sys::FdRef pidfd, int number) {
    constexpr int interval_ms = 1;
    for (;;) {
        sys::Fd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
        if (taken && is_listener(taken)) return taken;
        if (!taken && errno != EBADF) throw Error(errno, "take the seccomp listener: pidfd_getfd");
        pollfd news{channel.get(), POLLIN, 0};
        if (::poll(&news, 1, interval_ms) > 0) return sys::Fd();
    }
}

sys::Fd connect_to_agent(const std::string& path) {
    try {
        return sys::connect_to(path, SOCK_STREAM);
    } catch (const Error& error) {
        throw with_context(format("failed to connect with seccomp agent specified in the seccomp profile"), error);
    }
}

}  // namespace

void load_seccomp(ContainerSide& side, const plan::step::LoadSeccomp& step) {
    constexpr std::uint32_t not_asked_for = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    log::debug("seccomp filter flags: {}", step.filter.flags & ~not_asked_for);
    if (step.filter.notifies) {
        const sys::Fd memory = shared_memory();
        const SharedFlag taken(memory);
        say(side.channel, Say::listener, plan::Barrier::ready, lowest_free_descriptor(), {}, {memory});
        // Not closed here: close-on-exec does it, without a call that the filter may catch.
        static_cast<void>(security::load(step.filter).release());
        await_host(taken);
        if (step.privileged) security::set_exactly(side.capabilities);
        return;
    }
    static_cast<void>(security::load(step.filter));
    if (step.privileged) security::set_exactly(side.capabilities);
}

void deliver_listener(sys::FdRef channel, const Saying& announcement, sys::FdRef pidfd, int pid,
                      const SeccompAgent& agent) {
    if (announcement.descriptors.empty()) throw Error("a seccomp listener was announced without its page");
    SharedFlag taken(announcement.descriptors.front());
    const sys::Fd socket = connect_to_agent(agent.path);
    const sys::Fd listener = take_listener(channel, pidfd, announcement.number);
    if (!listener) return;
    const std::string payload = format(R"({{"ociVersion":"{}","fds":["seccompFd"],"pid":{},"metadata":{},"state":{}}})",
                                       spec::version, pid, json::write(agent.metadata), spec::to_json(agent.state));
    sys::send_message(socket, payload, {listener});
    taken.raise();
}

}  // namespace gpurun::engine
