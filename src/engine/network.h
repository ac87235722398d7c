#pragma once

#include <pthread.h>

#include <atomic>

#include "sys/fd.h"

namespace gpurun::engine {

/// A network namespace in the making, with its loopback up: the slowest thing that a container needs of the kernel (0.4
/// ms), so a thread does it while both lanes go on. The thread allocates nothing and throws nothing: the static
/// binary's heap has no lock. The container process is a copy of this one, with all locks of libc as they are, and
/// without the thread: clone it only after await_running(), from when until take() the thread is in nothing but system
/// calls.
class NewNetwork {
 public:
    /// Starts the thread. \a proc is the host's /proc. Throws Error.
    explicit NewNetwork(sys::Fd proc);
    NewNetwork(const NewNetwork&) = delete;
    NewNetwork& operator=(const NewNetwork&) = delete;
    ~NewNetwork() { end(); }

    /// Waits until the thread has left libc's start of it.
    void await_running() noexcept;

    /// Waits for the namespace and lets the thread end; the namespace's descriptor. Throws Error with what failed.
    sys::Fd take();

 private:
    enum class Stage : int { starting, running, finished, dismissed };

    static void* run(void* self) noexcept;
    void make() noexcept;
    void reach(Stage stage) noexcept;
    void await(Stage stage) noexcept;
    void end() noexcept;

    sys::Fd proc_;
    pthread_t thread_{};
    bool ended_ = false;
    std::atomic<Stage> stage_{Stage::starting};
    // The thread's results, read once it has finished.
    sys::Fd made_;
    const char* failed_call_ = nullptr;
    int failure_ = 0;
};

/// Brings lo of the calling thread's network namespace up. Returns 0 or the errno.
int try_raise_loopback() noexcept;

}  // namespace gpurun::engine
