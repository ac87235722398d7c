#include <gpurun/container.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>

#include "base/log.h"
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

// Many callers send 0 for "leave it".
template <typename Struct, typename... Members>
void drop_zeros(Struct& whole, Members... members) {
    const auto one = [&](auto& value) {
        if (value == 0) value.reset();
    };
    (one(whole.*members), ...);
}

void merge_memory(spec::Memory& to, spec::Memory from) {
    using spec::Memory;
    drop_zeros(from, &Memory::limit, &Memory::reservation, &Memory::swap, &Memory::kernel, &Memory::kernel_tcp);
    // The sum cannot be limited when a part of it is not.
    if (from.limit == -1 && !from.swap) from.swap = -1;
    take_over(to, from, &Memory::limit, &Memory::reservation, &Memory::swap, &Memory::kernel, &Memory::kernel_tcp,
              &Memory::swappiness, &Memory::disable_oom_killer, &Memory::use_hierarchy, &Memory::check_before_update);
}

spec::Cpu merge_cpu(spec::Cpu& to, spec::Cpu from) {
    using spec::Cpu;
    drop_zeros(from, &Cpu::shares, &Cpu::quota, &Cpu::period, &Cpu::realtime_runtime, &Cpu::realtime_period);
    take_over(to, from, &Cpu::shares, &Cpu::quota, &Cpu::burst, &Cpu::period, &Cpu::realtime_runtime,
              &Cpu::realtime_period, &Cpu::cpus, &Cpu::mems, &Cpu::idle);
    auto changed = to;
    // Weights and lists that did not change need no write, and on v1 a cpuset may not be written while tasks use it.
    // What is idle no more has lost its weight.
    if (!from.shares && !from.idle) changed.shares.reset();
    if (from.cpus.empty()) changed.cpus.clear();
    if (from.mems.empty()) changed.mems.clear();
    // An idle cgroup takes no weight, which translate() must know.
    if (!from.idle && changed.idle != 1) changed.idle.reset();
    return changed;
}

void merge_block_io(spec::BlockIo& to, const spec::BlockIo& from) {
    using spec::BlockIo;
    take_over(to, from, &BlockIo::weight, &BlockIo::leaf_weight, &BlockIo::weight_device,
              &BlockIo::throttle_read_bps_device, &BlockIo::throttle_write_bps_device,
              &BlockIo::throttle_read_iops_device, &BlockIo::throttle_write_iops_device);
}

/// What has to be written: the parts that the update touches, completed by what the container had (memory + swap is one
/// sum).
spec::Resources merge(spec::Resources& config, const spec::Resources& update) {
    spec::Resources changed;
    if (update.memory) {
        merge_memory(part(config.memory), *update.memory);
        changed.memory = config.memory;
    }
    if (update.cpu) changed.cpu = merge_cpu(part(config.cpu), *update.cpu);
    if (update.block_io) {
        merge_block_io(part(config.block_io), *update.block_io);
        changed.block_io = update.block_io;
    }
    if (update.pids) config.pids = changed.pids = update.pids;
    if (update.network) config.network = changed.network = update.network;
    if (!update.hugepage_limits.empty()) config.hugepage_limits = changed.hugepage_limits = update.hugepage_limits;
    if (!update.rdma.empty()) config.rdma = changed.rdma = update.rdma;
    for (const auto& [file, value] : update.unified) config.unified[file] = changed.unified[file] = value;
    return changed;
}

/// The limits that the parts in \a changed had before: those of \a config, or what the kernel gives everybody.
spec::Resources limits_before(const spec::Resources& config, const spec::Resources& changed) {
    spec::Resources before;
    if (changed.memory) before.memory = spec::Memory{.limit = -1, .swap = -1};
    if (changed.pids) before.pids = spec::Pids{.limit = -1};
    if (changed.cpu) {
        before.cpu = spec::Cpu{.shares = 1024, .quota = -1};
        if (changed.cpu->burst) before.cpu->burst = 0;
        if (changed.cpu->idle) before.cpu->idle = 0;
    }
    merge(before, config);
    before.devices = config.devices;
    return before;
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

// An update that failed half-way has changed nothing.
void go_back(cgroup::Manager& manager, const spec::Resources& before, bool devices) try {
    auto writes = cgroup::translate(manager.location().layout, before);
    for (auto& write : writes) write.optional = true;  // What is not there has not changed.
    manager.apply(writes);
    if (devices) manager.set_devices(cgroup::device_rules(before.devices));
} catch (const Error& error) {
    log::warning("the limits from before the update could not be set again: {}", error.text());
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
    const auto before = kept;
    auto wanted = resources;
    spec::settle_pids(wanted, config.oci_version);
    const auto changed = merge(kept, wanted);
    const auto writes = cgroup::translate(record.cgroup.layout, changed);
    if (record.cgroup.directories.empty() && !writes.empty())
        throw Error("the container has no cgroup that could be updated");
    const bool devices = asks_for_devices(resources);
    if (devices) kept.devices = merge_devices(config, resources.devices);
    const auto manager = manager_of(record);
    try {
        manager->apply(writes);
        if (devices) manager->set_devices(cgroup::device_rules(kept.devices));
        if (!rdt.l3_cache_schema.empty() || !rdt.mem_bw_schema.empty()) update_rdt(*config.linux, rdt, id);
    } catch (const Error&) {
        go_back(*manager, limits_before(before, changed), devices);
        throw;
    }
    store.save(record, spec::to_json(config));
}

}  // namespace gpurun::container
