#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "gpu/edits.h"

namespace gpurun::gpu {
namespace {

// Host paths as they are on a real host: a fixture tree in front says nothing about the edit.
std::string_view on_host(std::string_view path, std::string_view host_root) {
    while (host_root.ends_with('/')) host_root.remove_suffix(1);
    if (!host_root.empty() && path.starts_with(host_root)) path.remove_prefix(host_root.size());
    return path;
}

void print_device(std::string& out, const Device& device, std::string_view host_root) {
    out += format("device {} {} {}:{} {}", device.path, device.type, device.major, device.minor, device.access);
    if (device.file_mode) out += format(" mode={:04o}", *device.file_mode);
    if (device.uid) out += format(" uid={}", *device.uid);
    if (device.gid) out += format(" gid={}", *device.gid);
    const auto host = on_host(device.host_path, host_root);
    if (!host.empty() && host != device.path) out += format(" from {}", host);
    out += '\n';
}

void print_mount(std::string& out, const spec::Mount& mount, std::string_view host_root) {
    out += format("mount {} at {} {} {}\n", on_host(mount.source, host_root), mount.destination,
                  mount.type.empty() ? "bind" : mount.type, join(mount.options, ","));
}

// Content on one line, so that a golden file stays one line per edit.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text.substr(0, 400)) line += c == '\n' ? std::string("\\n") : std::string(1, c);
    return line;
}

void print_hooks(std::string& out, const char* stage, const std::vector<spec::Hook>& hooks) {
    for (const auto& hook : hooks) out += format("hook {} {} {}\n", stage, hook.path, join(hook.args, " "));
}

}  // namespace

std::string print(const Edits& edits, const std::string& host_root) {
    std::string out;
    for (const auto& entry : edits.env) out += format("env {}\n", entry);
    for (const auto& device : edits.devices) print_device(out, device, host_root);
    for (const auto group : edits.additional_gids) out += format("group {}\n", group);
    for (const auto& mount : edits.mounts) print_mount(out, mount, host_root);
    if (edits.hooks) {
        print_hooks(out, "prestart", edits.hooks->prestart);
        print_hooks(out, "createRuntime", edits.hooks->create_runtime);
        print_hooks(out, "createContainer", edits.hooks->create_container);
        print_hooks(out, "startContainer", edits.hooks->start_container);
        print_hooks(out, "poststart", edits.hooks->poststart);
        print_hooks(out, "poststop", edits.hooks->poststop);
    }
    if (edits.intel_rdt) out += format("intelRdt {}\n", edits.intel_rdt->clos_id);
    for (const auto& [host, device] : edits.net_devices)
        out += format("net {} as {}\n", host, device.name.empty() ? host : device.name);
    for (const auto& link : edits.rootfs.links) out += format("link {} -> {}\n", link.path, link.target);
    for (const auto& file : edits.rootfs.files)
        out += format("file {} {:04o} {}\n", file.path, file.mode, one_line(file.content));
    for (const auto& entry : edits.rootfs.cache)
        out += format("cache {} => {} {:#06x}\n", entry.soname, entry.path, entry.flags);
    for (const auto& cover : edits.rootfs.covers)
        out += format("cover {} {:04o} {} bytes\n", cover.path, cover.mode, cover.content.size());
    return out;
}

}  // namespace gpurun::gpu
