#include "gpu/kept.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

constexpr const char* folder = "/run/gpurun-gpu";
constexpr std::size_t largest = 1u << 20;

bool may_keep(const Host& host) { return host.prefix.empty() && ::geteuid() == 0; }

// One line. The inode number of the module's directory in sysfs is a new one each time the driver is loaded.
std::string heading(const std::string& key) {
    const auto boot = sys::try_read_file("/proc/sys/kernel/random/boot_id", 64);
    const auto module = sys::try_stat(sys::FdRef(AT_FDCWD), "/sys/module/nvidia");
    return format("{} {} {}\n", boot ? trim(*boot) : std::string_view(), module ? module->st_ino : 0, key);
}

}  // namespace

std::optional<std::string> read_kept(const Host& host, const std::string& name, const std::string& key) {
    if (!may_keep(host)) return std::nullopt;
    auto text = sys::try_read_file(format("{}/{}", folder, name), largest);
    if (!text) return std::nullopt;
    const std::string first = heading(key);
    if (!text->starts_with(first)) return std::nullopt;
    return text->substr(first.size());
}

void keep(const Host& host, const std::string& name, const std::string& key, const std::string& text) {
    if (!may_keep(host)) return;
    try {
        sys::make_directories(folder, 0700);
        sys::replace_file_at(sys::open(folder, O_PATH | O_DIRECTORY), name, heading(key) + text, 0600);
    } catch (const Error& error) {
        log::debug("gpu: {}", error.text());
    }
}

}  // namespace gpurun::gpu
