#pragma once

#include <signal.h>
#include <termios.h>
#include "engine/engine.h"

#include <optional>

#include "container/notify.h"
#include "sys/process_attributes.h"

namespace gpurun::container {

/// A process that gpurun stays with: signals are passed on to it, its terminal is connected to ours, orphans it leaves
/// are reaped. Constructed before the process exists, so that no signal is lost.
class Foreground {
 public:
    Foreground();
    ~Foreground();
    Foreground(const Foreground&) = delete;
    Foreground& operator=(const Foreground&) = delete;

    /// Until it ends; returns its exit status, 128 + signal when it was killed. \a notify: its READY=1 is passed on.
    /// \a shared: the CPU on which it began; released when there is more to do or to wait for than a short program.
    int attend(engine::Started& started, NotifyProxy* notify = nullptr, sys::OneCpu* shared = nullptr);

 private:
    void make_raw();
    bool handle_signal(const engine::Started& started, std::optional<int>& status);

    sigset_t before_{};
    sys::Fd signals_;
    std::optional<termios> settings_;
};

}  // namespace gpurun::container
