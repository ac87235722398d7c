#include <gpurun/container.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "container/facts.h"
#include "engine/engine.h"
#include "sys/file.h"

namespace gpurun::container {
namespace {

// Every member that the update names replaces the container's; the others keep what they were.
template <typename Struct, typename... Members>
void take_over(Struct& to, const Struct& from, Members... members) {
    const auto one = [&](auto member) {
        if (from.*member != std::decay_t<decltype(from.*member)>{}) to.*member = from.*member;
    };
    (one(members), ...);
}

template <typename Part>
Part& part(std::optional<Part>& whole) {
    return whole ? *whole : whole.emplace();
}

void merge_memory(spec::Memory& to, const spec::Memory& from) {
    using spec::Memory;
    take_over(to, from, &Memory::limit, &Memory::reservation, &Memory::swap, &Memory::kernel, &Memory::kernel_tcp,
              &Memory::swappiness, &Memory::disable_oom_killer, &Memory::use_hierarchy, &Memory::check_before_update);
}

void merge_cpu(spec::Cpu& to, const spec::Cpu& from) {
    using spec::Cpu;
    take_over(to, from, &Cpu::shares, &Cpu::quota, &Cpu::burst, &Cpu::period, &Cpu::realtime_runtime,
              &Cpu::realtime_period, &Cpu::cpus, &Cpu::mems, &Cpu::idle);
}

/// What has to be written: the parts that the update touches, completed by what the container had (memory + swap is one
/// sum).
spec::Resources merge(spec::Resources& config, const spec::Resources& update) {
    spec::Resources changed;
    if (update.memory) {
        merge_memory(part(config.memory), *update.memory);
        changed.memory = config.memory;
    }
    if (update.cpu) {
        merge_cpu(part(config.cpu), *update.cpu);
        changed.cpu = config.cpu;
        // Weights and lists that did not change need no write, and on v1 a cpuset may not be written while tasks use
        // it.
        if (!update.cpu->shares) changed.cpu->shares.reset();
        if (update.cpu->cpus.empty()) changed.cpu->cpus.clear();
        if (update.cpu->mems.empty()) changed.cpu->mems.clear();
        // An idle cgroup takes no weight, which translate() must know.
        if (!update.cpu->idle && changed.cpu->idle != 1) changed.cpu->idle.reset();
    }
    if (update.block_io) config.block_io = changed.block_io = update.block_io;
    if (update.pids) config.pids = changed.pids = update.pids;
    if (update.network) config.network = changed.network = update.network;
    if (!update.hugepage_limits.empty()) config.hugepage_limits = changed.hugepage_limits = update.hugepage_limits;
    if (!update.rdma.empty()) config.rdma = changed.rdma = update.rdma;
    for (const auto& [file, value] : update.unified) config.unified[file] = changed.unified[file] = value;
    return changed;
}

// Engines repeat their first rule, deny all, in updates of limits: that alone asks for no other filter.
bool asks_for_devices(const spec::Resources& update) {
    return std::any_of(update.devices.begin(), update.devices.end(), [](const spec::DeviceRule& rule) {
        return rule.allow || (!rule.type.empty() && rule.type != "a");
    });
}

bool is_about(const spec::DeviceRule& rule, const spec::Device& device) {
    const std::string_view type = device.type == "u" ? std::string_view("c") : device.type;
    return rule.type == type && rule.major == device.major && rule.minor == device.minor;
}

// The devices that the container has nodes of, made or bound (the way of user namespaces).
std::vector<spec::Device> nodes_of(const spec::Spec& config) {
    auto nodes = config.linux->devices;
    for (const auto& mount : config.mounts) {
        struct stat facts {};
        if (!mount.destination.starts_with("/dev/") || ::stat(mount.source.c_str(), &facts) != 0) continue;
        if (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode))
            nodes.push_back({.type = S_ISCHR(facts.st_mode) ? "c" : "b",
                             .path = mount.destination,
                             .major = major(facts.st_rdev),
                             .minor = minor(facts.st_rdev)});
    }
    return nodes;
}

// An engine's update repeats the rules of its own config, which knows nothing of the devices that gpurun or CDI added:
// the rules about nodes that the container has stay, unless the update names the device.
std::vector<spec::DeviceRule> merge_devices(const spec::Spec& config, const std::vector<spec::DeviceRule>& update) {
    auto rules = update;
    const auto& kept = config.linux->resources->devices;
    for (const auto& node : nodes_of(config)) {
        const auto about = [&node](const spec::DeviceRule& rule) { return is_about(rule, node); };
        if (std::any_of(update.begin(), update.end(), about)) continue;
        std::copy_if(kept.begin(), kept.end(), std::back_inserter(rules), about);
    }
    return rules;
}

void update_rdt(spec::Linux& linux, const spec::IntelRdt& changes, const std::string& id) {
    if (!linux.intel_rdt) throw Error("Intel RDT is not enabled: the container was created without linux.intelRdt");
    engine::update_resctrl(*linux.intel_rdt, changes, id);
    take_over(*linux.intel_rdt, changes, &spec::IntelRdt::l3_cache_schema, &spec::IntelRdt::mem_bw_schema);
}

}  // namespace

void update(const Context& context, const std::string& id, const spec::Resources& resources,
            const spec::IntelRdt& rdt) {
    spec::validate(resources);
    state::Store store(context.root);
    const auto lock = store.lock(id);
    const auto record = store.load(id);
    if (state::status_of(store, record) == spec::Status::stopped) throw Error("container not running");
    auto config = spec::parse(store.load_config(id), "the container's config");
    if (!config.linux) config.linux.emplace();
    auto& kept = part(config.linux->resources);
    const auto writes = cgroup::translate(record.cgroup.layout, merge(kept, resources));
    if (record.cgroup.directories.empty() && !writes.empty())
        throw Error("the container has no cgroup that could be updated");
    const auto manager = manager_of(record);
    manager->apply(writes);
    if (asks_for_devices(resources)) {
        kept.devices = merge_devices(config, resources.devices);
        manager->set_devices(cgroup::device_rules(kept.devices));
    }
    if (!rdt.l3_cache_schema.empty() || !rdt.mem_bw_schema.empty()) update_rdt(*config.linux, rdt, id);
    store.save(record, spec::to_json(config));
}

}  // namespace gpurun::container
