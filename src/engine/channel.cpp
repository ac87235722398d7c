#include "engine/channel.h"

#include <poll.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

struct Header {
    Say what;
    plan::Barrier barrier;
    std::int32_t number;
};

}  // namespace

void say(sys::FdRef channel, Say what, plan::Barrier barrier, std::int32_t number, std::string_view text,
         const std::vector<sys::FdRef>& descriptors) {
    Header header;
    std::memset(&header, 0, sizeof header);
    header.what = what;
    header.barrier = barrier;
    header.number = number;
    std::string payload(reinterpret_cast<const char*>(&header), sizeof header);
    payload += text;
    sys::send_message(channel, payload, descriptors);
}

std::optional<Saying> hear(sys::FdRef channel) {
    auto message = sys::receive_message(channel);
    if (message.payload.size() < sizeof(Header)) return std::nullopt;
    Header header;
    std::memcpy(&header, message.payload.data(), sizeof header);
    return Saying{.what = header.what,
                  .barrier = header.barrier,
                  .number = header.number,
                  .text = message.payload.substr(sizeof header),
                  .descriptors = std::move(message.descriptors)};
}

void await_end(sys::FdRef channel) {
    pollfd end{channel.get(), 0, 0};  // no event but POLLHUP
    while (::poll(&end, 1, -1) < 0)
        if (errno != EINTR) throw Error(errno, "poll");
}

void pass(sys::FdRef channel, plan::Barrier barrier) { say(channel, Say::passed, barrier, 0, {}); }

std::int32_t await(sys::FdRef channel, plan::Barrier barrier) {
    const auto heard = hear(channel);
    if (!heard || heard->what != Say::passed || heard->barrier != barrier)
        throw Error(format("the runtime went away before {}", plan::name(barrier)));
    return heard->number;
}

void hand_over(sys::FdRef channel, sys::FdRef descriptor) {
    try {
        say(channel, Say::handed, plan::Barrier::ready, 0, {}, {descriptor});
    } catch (const Error& error) {
        if (error.code != EPIPE && error.code != ECONNRESET) throw;
    }
}

sys::Fd take_over(sys::FdRef channel) {
    auto heard = hear(channel);
    if (!heard || heard->what != Say::handed || heard->descriptors.empty())
        throw Error("the runtime went away before it handed a descriptor over");
    return std::move(heard->descriptors.front());
}

}  // namespace gpurun::engine
