#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/table.h"
#include "base/text.h"
#include "gpu/cdi_registry.h"
#include "gpu/host_path.h"
#include "sys/file.h"

namespace gpurun::gpu::cdi {
namespace {

constexpr gpurun::Name<mode_t> node_types[] = {{"c", S_IFCHR}, {"b", S_IFBLK}, {"p", S_IFIFO}};

// The host's numbers where the file has none.
void complete(gpu::Device& device, const DeviceNode& node, const struct stat& facts) {
    const auto type = name_of(node_types, facts.st_mode & S_IFMT);
    if (!type) throw Error(format("{} is no device node", device.host_path));
    if (device.type.empty()) device.type = *type;
    // "u" is an unbuffered character device, which Linux does not tell apart.
    if (device.type != *type && !(device.type == "u" && *type == "c"))
        throw Error(format("{} has type {}, the CDI file says {}", device.host_path, *type, device.type));
    if (!node.file_mode) device.file_mode = facts.st_mode & 07777;
    if (device.type == "p") return;
    const auto host_major = static_cast<std::int64_t>(major(facts.st_rdev)),
               host_minor = static_cast<std::int64_t>(minor(facts.st_rdev));
    if (!node.major) {
        device.major = host_major;
        device.minor = host_minor;
        return;
    }
    // Dynamic majors change from boot to boot, and the driver's nodes with them; a file written before has the old
    // ones.
    if (device.path.starts_with("/dev/nvidia") && (device.major != host_major || device.minor != host_minor)) {
        log::warning("{}: the CDI file says {}:{}, the host's node is {}:{}, which is used", device.path, device.major,
                     device.minor, host_major, host_minor);
        device.major = host_major;
        device.minor = host_minor;
    }
}

gpu::Device to_device(const DeviceNode& node, const Context& context) {
    gpu::Device device{.path = node.path,
                       .host_path = host_path(context.host_root, node.host_path.empty() ? node.path : node.host_path),
                       .type = node.type,
                       .major = node.major.value_or(0),
                       .minor = node.minor.value_or(0),
                       .access = node.permissions.empty() ? "rwm" : node.permissions,
                       .file_mode = node.file_mode,
                       .uid = node.uid ? node.uid : context.uid,
                       .gid = node.gid ? node.gid : context.gid};
    const auto facts = sys::try_stat(sys::FdRef(AT_FDCWD), device.host_path, AT_SYMLINK_NOFOLLOW);
    const bool is_complete = !node.type.empty() && (node.major || node.type == "p");
    if (facts) complete(device, node, *facts);
    if (!facts && !is_complete) throw Error(ENOENT, device.host_path);
    return device;
}

spec::Hook to_hook(const Hook& hook) {
    // An empty list and not an absent one: a hook that declares no environment must not get the runtime's.
    return {.path = hook.path, .args = hook.args, .env = hook.env, .timeout = hook.timeout};
}

constexpr gpurun::Name<std::vector<spec::Hook> spec::Hooks::*> stages[] = {
    {"prestart", &spec::Hooks::prestart},
    {"createRuntime", &spec::Hooks::create_runtime},
    {"createContainer", &spec::Hooks::create_container},
    {"startContainer", &spec::Hooks::start_container},
    {"poststart", &spec::Hooks::poststart},
    {"poststop", &spec::Hooks::poststop}};

}  // namespace

Edits to_edits(const ContainerEdits& edits, const Context& context) {
    Edits result{.env = edits.env};
    for (const auto& node : edits.device_nodes) result.devices.push_back(to_device(node, context));
    for (const auto& mount : edits.mounts)
        result.mounts.push_back({.destination = mount.container_path,
                                 .type = mount.type,
                                 .source = host_path(context.host_root, mount.host_path),
                                 .options = mount.options});
    for (const auto& hook : edits.hooks) {
        if (!result.hooks) result.hooks.emplace();
        ((*result.hooks).*value_of(stages, hook.hook_name).value()).push_back(to_hook(hook));
    }
    for (const auto group : edits.additional_gids) result.additional_gids.push_back(group);
    if (const auto& rdt = edits.intel_rdt)
        result.intel_rdt =
            spec::IntelRdt{.clos_id = rdt->clos_id,
                           .l3_cache_schema = rdt->l3_cache_schema,
                           .mem_bw_schema = rdt->mem_bw_schema,
                           .schemata = rdt->schemata,
                           .enable_monitoring = rdt->enable_monitoring || rdt->enable_cmt || rdt->enable_mbm};
    for (const auto& device : edits.net_devices) result.net_devices[device.host_interface_name] = {.name = device.name};
    return result;
}

}  // namespace gpurun::gpu::cdi
