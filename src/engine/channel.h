#pragma once

#include <gpurun/error.h>
#include <gpurun/plan.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"

/// What the two sides of a plan say to each other, over one SOCK_SEQPACKET pair: a message per barrier, at most one
/// report of a failure, descriptors that the container process made for the host. End of file from the container's side
/// means that exec succeeded, since its end is close-on-exec, or that it died.
namespace gpurun::engine {

enum class Say : std::uint8_t { passed, failed, warning, terminal, listener, child, handed };

struct Saying {
    Say what = Say::passed;
    plan::Barrier barrier = plan::Barrier::ready;  ///< passed
    std::int32_t number = 0;  ///< failed: errno; child: pid; listener: its number there; passed start: 1 to report back
    std::string text;         ///< failed, warning: the message
    std::vector<sys::Fd> descriptors;
};

void say(sys::FdRef channel, Say what, plan::Barrier barrier, std::int32_t number, std::string_view text,
         const std::vector<sys::FdRef>& descriptors = {});
/// Waits for the next saying; nothing at end of file.
std::optional<Saying> hear(sys::FdRef channel);
/// Sleeps until nothing more will be said; what was said can still be heard.
void await_end(sys::FdRef channel);

void pass(sys::FdRef channel, plan::Barrier barrier);
/// For the container's side: waits until the host passed \a barrier; the number that it said. Throws Error when the
/// host is gone.
std::int32_t await(sys::FdRef channel, plan::Barrier barrier);

/// The host's side gives the container's a descriptor. One that has ended gets none: what it said tells why.
void hand_over(sys::FdRef channel, sys::FdRef descriptor);
/// For the container's side: waits for what the host hands over. Throws Error when the host is gone.
sys::Fd take_over(sys::FdRef channel);

}  // namespace gpurun::engine
