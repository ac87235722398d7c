#include "gpu/edits.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace gpurun::gpu {
namespace {

std::string_view name_in(std::string_view assignment) { return assignment.substr(0, assignment.find('=')); }

void set_environment(std::vector<std::string>& env, std::string assignment) {
    const std::string name(name_in(assignment));
    std::erase_if(env, [&](const std::string& entry) { return name_in(entry) == name; });
    env.push_back(std::move(assignment));
}

template <typename Entry, typename Key>
void replace_or_append(std::vector<Entry>& entries, Entry entry, Key Entry::*key) {
    std::erase_if(entries, [&](const Entry& old) { return old.*key == entry.*key; });
    entries.push_back(std::move(entry));
}

template <typename Entry>
void append(std::vector<Entry>& entries, std::vector<Entry> more) {
    entries.insert(entries.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// A hook that an engine has put in from the same CDI file runs once.
void append_new(std::vector<spec::Hook>& hooks, std::vector<spec::Hook> more) {
    std::erase_if(more, [&](const spec::Hook& hook) {
        return std::any_of(hooks.begin(), hooks.end(), [&](const spec::Hook& old) {
            return old.path == hook.path && old.args == hook.args && old.env == hook.env;
        });
    });
    append(hooks, std::move(more));
}

void append(spec::Hooks& hooks, spec::Hooks more) {
    append_new(hooks.prestart, std::move(more.prestart));
    append_new(hooks.create_runtime, std::move(more.create_runtime));
    append_new(hooks.create_container, std::move(more.create_container));
    append_new(hooks.start_container, std::move(more.start_container));
    append_new(hooks.poststart, std::move(more.poststart));
    append_new(hooks.poststop, std::move(more.poststop));
}

void append(std::optional<spec::Hooks>& hooks, std::optional<spec::Hooks> more) {
    if (!more) return;
    if (!hooks) hooks.emplace();
    append(*hooks, std::move(*more));
}

void add_group(std::vector<std::uint32_t>& groups, std::uint32_t group) {
    if (group != 0 && std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
}

// Set-uid programs mean nothing on a node; "nodev" must not be there, or the node could not be opened.
spec::Mount bind_of(const Device& device) {
    return {.destination = device.path,
            .type = "bind",
            .source = device.host_path.empty() ? device.path : device.host_path,
            .options = {"bind", "nosuid", "noexec", "rprivate"}};
}

void apply_device(const Device& device, spec::Spec& spec, NodeStyle nodes) {
    spec::Linux& config = *spec.linux;
    if (nodes == NodeStyle::bind) {
        std::erase_if(config.devices, [&](const spec::Device& old) { return old.path == device.path; });
        replace_or_append(spec.mounts, bind_of(device), &spec::Mount::destination);
    } else {
        replace_or_append(config.devices,
                          spec::Device{.type = device.type,
                                       .path = device.path,
                                       .major = device.major,
                                       .minor = device.minor,
                                       .file_mode = device.file_mode,
                                       .uid = device.uid,
                                       .gid = device.gid},
                          &spec::Device::path);
    }
    if (device.type == "p" || device.access.empty() || device.access == "none") return;
    if (!config.resources) config.resources.emplace();
    spec::DeviceRule rule{.allow = true,
                          .type = device.type == "u" ? "c" : device.type,
                          .major = device.major,
                          .minor = device.minor,
                          .access = device.access};
    // Rules are read in order, so an equal one counts only when no denial stands behind it.
    auto& rules = config.resources->devices;
    const auto denied =
        std::find_if(rules.rbegin(), rules.rend(), [](const spec::DeviceRule& old) { return !old.allow; });
    if (std::find(denied.base(), rules.end(), rule) == rules.end()) rules.push_back(std::move(rule));
}

void set_affinity(const Edits& edits, spec::Linux& config) {
    if (edits.cpus.empty() && edits.mems.empty()) return;
    if (!config.resources) config.resources.emplace();
    auto& cpu = config.resources->cpu ? *config.resources->cpu : config.resources->cpu.emplace();
    if (cpu.cpus.empty()) cpu.cpus = edits.cpus;
    if (cpu.mems.empty()) cpu.mems = edits.mems;
}

auto depth(const spec::Mount& mount) {
    const std::string path = clean_path(mount.destination);
    return path == "/" ? 0 : std::count(path.begin(), path.end(), '/');
}

}  // namespace

NodeStyle node_style(const spec::Spec& spec, bool rootless) {
    if (rootless) return NodeStyle::bind;
    if (!spec.linux) return NodeStyle::make;
    const auto& spaces = spec.linux->namespaces;
    const bool user_namespace = std::any_of(spaces.begin(), spaces.end(), [](const spec::Namespace& space) {
        return space.type == spec::NamespaceType::user;
    });
    return user_namespace ? NodeStyle::bind : NodeStyle::make;
}

void add(Edits& edits, Edits more) {
    for (auto& entry : more.env) set_environment(edits.env, std::move(entry));
    for (auto& device : more.devices) replace_or_append(edits.devices, std::move(device), &Device::path);
    for (auto& mount : more.mounts) replace_or_append(edits.mounts, std::move(mount), &spec::Mount::destination);
    append(edits.hooks, std::move(more.hooks));
    for (const auto group : more.additional_gids) add_group(edits.additional_gids, group);
    if (more.intel_rdt) edits.intel_rdt = std::move(more.intel_rdt);
    more.net_devices.merge(edits.net_devices);
    edits.net_devices = std::move(more.net_devices);
    if (!more.cpus.empty()) edits.cpus = std::move(more.cpus);
    if (!more.mems.empty()) edits.mems = std::move(more.mems);
    add(edits.rootfs, std::move(more.rootfs));
    if (!more.reasons) return;
    if (!edits.reasons) edits.reasons.emplace();
    append(*edits.reasons, std::move(*more.reasons));
}

void add(RootfsEdits& rootfs, RootfsEdits more) {
    append(rootfs.links, std::move(more.links));
    append(rootfs.files, std::move(more.files));
    append(rootfs.cache, std::move(more.cache));
    append(rootfs.covers, std::move(more.covers));
}

RootfsEdits apply(Edits edits, spec::Spec& spec, Application how) {
    if (!spec.linux) spec.linux.emplace();
    if (spec.process) {
        for (auto& entry : edits.env) set_environment(spec.process->env, std::move(entry));
        for (const auto group : edits.additional_gids) add_group(spec.process->user.additional_gids, group);
    }
    const bool has_mounts = !edits.mounts.empty();
    for (auto& mount : edits.mounts) replace_or_append(spec.mounts, std::move(mount), &spec::Mount::destination);
    for (const auto& device : edits.devices) apply_device(device, spec, how.nodes);
    if (how.order == MountOrder::by_depth && has_mounts)
        std::stable_sort(spec.mounts.begin(), spec.mounts.end(),
                         [](const spec::Mount& a, const spec::Mount& b) { return depth(a) < depth(b); });
    set_affinity(edits, *spec.linux);
    append(spec.hooks, std::move(edits.hooks));
    if (edits.intel_rdt) spec.linux->intel_rdt = std::move(edits.intel_rdt);
    edits.net_devices.merge(spec.linux->net_devices);
    spec.linux->net_devices = std::move(edits.net_devices);
    return std::move(edits.rootfs);
}

std::optional<std::string_view> environment_value(const std::vector<std::string>& env, std::string_view name) {
    for (auto entry = env.rbegin(); entry != env.rend(); ++entry) {
        const std::string_view text = *entry;
        if (text.size() > name.size() && text[name.size()] == '=' && text.starts_with(name))
            return text.substr(name.size() + 1);
    }
    return std::nullopt;
}

}  // namespace gpurun::gpu
