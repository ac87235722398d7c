#include "gpu/pci.h"

#include <fcntl.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/survey.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr const char* devices = "/sys/bus/pci/devices";

// The name that the link "driver" ends in.
std::string driver_of(const Host& host, const std::string& bus_id) {
    const sys::Fd directory =
        sys::try_open_at(host.root, format("{}/{}", devices, bus_id), O_PATH | O_DIRECTORY, Resolve::in_root);
    if (!directory) return {};
    return std::string(base_name(sys::try_read_link(directory, "driver").value_or("")));
}

}  // namespace

std::vector<PciDevice> nvidia_pci_devices(const Host& host) {
    std::vector<PciDevice> found;
    auto names = sys::list_directory(host.root, devices, Resolve::in_root);
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
        const auto fact = [&](const char* file) {
            return std::string(trim(read_fact(host, format("{}/{}/{}", devices, name, file)).value_or("")));
        };
        if (fact("vendor") != "0x10de") continue;
        // The class in the upper bytes: VGA and 3D controllers; bridges of the kind "other" are NVSwitches.
        const std::string kind = fact("class").substr(0, 6);
        if (kind != "0x0300" && kind != "0x0302" && kind != "0x0680") continue;
        found.push_back({.bus_id = name, .driver = driver_of(host, name), .is_switch = kind == "0x0680"});
    }
    return found;
}

}  // namespace gpurun::gpu
