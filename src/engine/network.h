#pragma once

#include <pthread.h>

#include "sys/fd.h"

namespace gpurun::engine {

/// A network namespace in the making, with its loopback up: the slowest thing that a container needs of the kernel (0.4
/// ms), so a thread does it while the host's lane goes on. The thread allocates nothing and throws nothing: the static
/// binary's heap has no lock. It must have ended before the container process is cloned.
class NewNetwork {
 public:
    /// Starts the thread. \a proc is the host's /proc and outlives it. Throws Error.
    explicit NewNetwork(sys::FdRef proc);
    NewNetwork(const NewNetwork&) = delete;
    NewNetwork& operator=(const NewNetwork&) = delete;
    ~NewNetwork() { join(); }

    /// Waits for the thread; the namespace's descriptor. Throws Error with what failed in it.
    sys::Fd take();

 private:
    static void* run(void* self) noexcept;
    void join() noexcept;

    sys::FdRef proc_;
    pthread_t thread_{};
    bool joined_ = false;
    // The thread's results, read after it has ended.
    sys::Fd made_;
    const char* failed_call_ = nullptr;
    int failure_ = 0;
};

/// Brings lo of the calling thread's network namespace up. Returns 0 or the errno.
int try_raise_loopback() noexcept;

}  // namespace gpurun::engine
