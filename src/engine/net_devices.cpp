#include "engine/net_devices.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/helper.h"

namespace gpurun::engine {

void move_net_devices(const std::map<std::string, spec::NetDevice>& devices, int pid, Undo& undo) {
    // Held open: on a failure the process that keeps the namespace alive may have ended before the devices are back.
    const auto space = std::make_shared<sys::Fd>(sys::open(format("/proc/{}/ns/net", pid), O_RDONLY));
    const std::string host_space = format("/proc/{}/ns/net", ::getpid());
    const std::string container_space = format("/proc/{}/fd/{}", ::getpid(), space->get());
    std::vector<std::string> arguments{"net-devices", host_space, container_space};
    for (const auto& [host, device] : devices) {
        arguments.push_back(host);
        arguments.push_back(device.name.empty() ? host : device.name);
    }
    const auto finished = sys::run_helper(std::move(arguments));
    if (finished.exit_code != 0)
        throw Error(finished.output.empty() ? "moving network devices failed" : finished.output);
    // The names that the devices have now, in the order of the map.
    std::vector<std::string> back{"net-devices", container_space, host_space};
    auto device = devices.begin();
    for (const auto name : words(finished.output)) {
        back.emplace_back(name);
        back.push_back((device++)->first);
    }
    undo.push([back = std::move(back), space] {
        try {
            const auto returned = sys::run_helper(back);
            if (returned.exit_code != 0) log::warning("{}", returned.output);
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
    });
}

}  // namespace gpurun::engine
