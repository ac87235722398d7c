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

std::string text_of(const Device& device, std::string_view host_root) {
    std::string text =
        format("device {} {} {}:{} {}", device.path, device.type, device.major, device.minor, device.access);
    if (device.file_mode) text += format(" mode={:04o}", *device.file_mode);
    if (device.uid) text += format(" uid={}", *device.uid);
    if (device.gid) text += format(" gid={}", *device.gid);
    const auto host = on_host(device.host_path, host_root);
    if (!host.empty() && host != device.path) text += format(" from {}", host);
    return text;
}

std::string text_of(const spec::Mount& mount, std::string_view host_root) {
    return format("mount {} at {} {} {}", on_host(mount.source, host_root), mount.destination,
                  mount.type.empty() ? "bind" : mount.type, join(mount.options, ","));
}

// Content on one line, so that a golden file stays one line per edit.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text.substr(0, 400)) line += c == '\n' ? std::string("\\n") : std::string(1, c);
    return line;
}

struct Stage {
    const char* name;
    std::vector<spec::Hook> spec::Hooks::*hooks;
};

constexpr Stage stages[] = {{"prestart", &spec::Hooks::prestart},
                            {"createRuntime", &spec::Hooks::create_runtime},
                            {"createContainer", &spec::Hooks::create_container},
                            {"startContainer", &spec::Hooks::start_container},
                            {"poststart", &spec::Hooks::poststart},
                            {"poststop", &spec::Hooks::poststop}};

void add_rootfs(std::vector<EditLine>& lines, const RootfsEdits& rootfs) {
    for (const auto& link : rootfs.links)
        lines.push_back({"link", link.path, format("link {} -> {}", link.path, link.target)});
    for (const auto& file : rootfs.files)
        lines.push_back({"file", file.path, format("file {} {:04o} {}", file.path, file.mode, one_line(file.content))});
    for (const auto& entry : rootfs.cache)
        lines.push_back({"cache", entry.path, format("cache {} => {} {:#06x}", entry.soname, entry.path, entry.flags)});
    for (const auto& cover : rootfs.covers)
        lines.push_back(
            {"cover", cover.path, format("cover {} {:04o} {} bytes", cover.path, cover.mode, cover.content.size())});
}

}  // namespace

std::vector<EditLine> lines(const Edits& edits, const std::string& host_root) {
    std::vector<EditLine> lines;
    for (const auto& entry : edits.env)
        lines.push_back({"env", entry.substr(0, entry.find('=')), format("env {}", entry)});
    for (const auto& device : edits.devices) lines.push_back({"device", device.path, text_of(device, host_root)});
    for (const auto group : edits.additional_gids)
        lines.push_back({"group", std::to_string(group), format("group {}", group)});
    for (const auto& mount : edits.mounts) lines.push_back({"mount", mount.destination, text_of(mount, host_root)});
    if (edits.hooks)
        for (const auto& stage : stages)
            for (const auto& hook : (*edits.hooks).*stage.hooks)
                lines.push_back(
                    {"hook", hook.path, format("hook {} {} {}", stage.name, hook.path, join(hook.args, " "))});
    if (edits.intel_rdt)
        lines.push_back({"intelRdt", edits.intel_rdt->clos_id, format("intelRdt {}", edits.intel_rdt->clos_id)});
    for (const auto& [host, device] : edits.net_devices)
        lines.push_back({"net", host, format("net {} as {}", host, device.name.empty() ? host : device.name)});
    add_rootfs(lines, edits.rootfs);
    return lines;
}

void because_all(Edits& edits, std::string_view why) {
    if (!edits.reasons) edits.reasons.emplace();
    for (const auto& line : lines(edits)) because(edits, line.subject, "{}", why);
}

std::string print(const Edits& edits, const std::string& host_root) {
    std::string out;
    for (const auto& line : lines(edits, host_root)) out.append(line.text).append("\n");
    return out;
}

}  // namespace gpurun::gpu
