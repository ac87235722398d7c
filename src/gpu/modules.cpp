#include "gpu/modules.h"

#include <gpurun/error.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/process.h"

namespace gpurun::gpu {
namespace {

bool may_load(const Host& host) {
    if (!host.prefix.empty() || ::geteuid() != 0) return false;
    // The initial user namespace maps everything onto itself.
    const auto map = sys::try_read_file("/proc/self/uid_map", 4096);
    if (!map) return false;
    const auto fields = words(*map);
    return fields.size() == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295";
}

bool has_module(const std::string& name) { return sys::exists("/sys/module/" + name); }

}  // namespace

bool load_modules(const Host& host, const Inventory* inventory, CapabilitySet capabilities) {
    std::vector<std::string> missing;
    if (inventory == nullptr) missing.emplace_back("nvidia");
    if (inventory == nullptr || inventory->majors.uvm == 0) missing.emplace_back("nvidia-uvm");
    if (capabilities.has(Capability::display) && !has_module("nvidia_modeset")) missing.emplace_back("nvidia-modeset");
    if (missing.empty() || !may_load(host)) return false;
    const auto configured = sys::try_read_file("/proc/sys/kernel/modprobe", 4096);
    std::string modprobe(configured ? trim(*configured) : std::string_view());
    if (modprobe.empty()) modprobe = "/sbin/modprobe";
    bool loaded = false;
    for (const auto& module : missing) {
        try {
            const auto end = sys::run_program({.path = modprobe,
                                               .arguments = {"modprobe", "-q", module},
                                               .environment = {{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
                                               .input = {},
                                               .directory = "/",
                                               .timeout_seconds = 30});
            if (end.exit_code == 0)
                loaded = true;
            else
                log::debug("gpu: modprobe {} ended with {}: {}", module, end.exit_code, end.output);
        } catch (const Error& error) {
            log::debug("gpu: {}: {}", modprobe, error.text());
        }
        // Without the driver itself its companions can't be there.
        if (module == "nvidia" && !loaded) return false;
    }
    return loaded;
}

}  // namespace gpurun::gpu
