#include "engine/net_devices.h"

#include <gpurun/error.h>

#include "base/text.h"
#include "sys/helper.h"
#include "sys/process.h"

namespace gpurun::engine {

void move_net_devices(const std::map<std::string, spec::NetDevice>& devices, int pid) {
    std::vector<std::string> arguments{"net-devices", std::to_string(pid)};
    for (const auto& [host, device] : devices) {
        arguments.push_back(host);
        arguments.push_back(device.name.empty() ? host : device.name);
    }
    const auto finished = sys::run_helper(std::move(arguments));
    if (finished.exit_code != 0)
        throw Error(finished.output.empty() ? "moving network devices failed" : finished.output);
}

}  // namespace gpurun::engine
