#include "engine/seccomp_listener.h"

#include <gpurun/error.h>
#include <sys/socket.h>

#include "base/text.h"
#include "json/json.h"
#include "sys/socket.h"

namespace gpurun::engine {

void send_listener(sys::FdRef listener, const plan::Plan& plan, const spec::State& state, int pid) {
    for (const auto& step : plan.container) {
        const auto* seccomp = std::get_if<plan::step::LoadSeccomp>(&step);
        if (seccomp == nullptr) continue;
        spec::State now = state;
        now.pid = pid;
        const std::string payload =
            format(R"({{"ociVersion":"{}","fds":["seccompFd"],"pid":{},"metadata":{},"state":{}}})", spec::version, pid,
                   json::write(seccomp->listener_metadata), spec::to_json(now));
        const sys::Fd socket = sys::connect_to(seccomp->listener_path, SOCK_STREAM);
        return sys::send_message(socket, payload, {listener});
    }
    throw Error("a seccomp listener without a listenerPath");
}

}  // namespace gpurun::engine
