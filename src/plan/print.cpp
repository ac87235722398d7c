#include <gpurun/plan.h>
#include <sched.h>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::plan {
namespace {

constexpr Name<Barrier> barriers[] = {{"id-maps", Barrier::id_maps}, {"prepared", Barrier::prepared},
                                      {"hooked", Barrier::hooked},   {"placed", Barrier::placed},
                                      {"ready", Barrier::ready},     {"start", Barrier::start}};

constexpr Name<HookKind> hook_kinds[] = {{"prestart", HookKind::prestart},
                                         {"createRuntime", HookKind::create_runtime},
                                         {"createContainer", HookKind::create_container},
                                         {"startContainer", HookKind::start_container},
                                         {"poststart", HookKind::poststart},
                                         {"poststop", HookKind::poststop}};

constexpr Name<std::uint64_t> clone_flags[] = {
    {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS},    {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS},   {"network", CLONE_NEWNET}, {"time", 0x80},        {"cgroup", CLONE_NEWCGROUP}};

std::string namespace_list(std::uint64_t flags) {
    std::vector<std::string> names;
    for (const auto& [name, flag] : clone_flags)
        if ((flags & flag) != 0) names.emplace_back(name);
    return names.empty() ? "no new namespace" : "new " + join(names, ",");
}

std::string id_list(const std::vector<spec::IdMapping>& mappings) {
    std::vector<std::string> lines;
    for (const auto& mapping : mappings)
        lines.push_back(format("{}→{}×{}", mapping.container_id, mapping.host_id, mapping.size));
    return join(lines, " ");
}

std::string device_text(const spec::Device& device) {
    const std::string mode = device.file_mode ? format(" mode={:o}", *device.file_mode) : "";
    return format("{} {} {}:{}{}", device.path, device.type, device.major, device.minor, mode);
}

std::string rule_text(const spec::DeviceRule& rule) {
    const auto number = [](const std::optional<std::int64_t>& value) {
        return value && *value >= 0 ? std::to_string(*value) : std::string("*");
    };
    return format("{} {} {}:{} {}", rule.allow ? "allow" : "deny", rule.type.empty() ? "a" : rule.type,
                  number(rule.major), number(rule.minor), rule.access);
}

template <typename Container, typename Text>
std::string list(const Container& items, Text text) {
    std::vector<std::string> parts;
    for (const auto& item : items) parts.push_back(text(item));
    return join(parts, ", ");
}

// One overload per kind: adding a kind without its line does not compile.
struct Describer {
    std::string operator()(const step::Pass& s) const { return format("pass {}", name(s.barrier)); }
    std::string operator()(const step::Await& s) const { return format("await {}", name(s.barrier)); }
    std::string operator()(const step::RunHooks& s) const {
        return format("run {} hooks: {}", name(s.kind), list(s.hooks, [](const auto& hook) { return hook.path; }));
    }
    std::string operator()(const step::CreateCgroup& s) const { return format("create cgroup {}", s.path); }
    std::string operator()(const step::LimitCgroup& s) const {
        return "limit " + list(s.writes, [](const auto& write) { return format("{}={}", write.file, write.value); });
    }
    std::string operator()(const step::LimitDevices& s) const { return "limit devices: " + list(s.rules, rule_text); }
    std::string operator()(const step::OwnCgroup& s) const { return format("give the cgroup to uid {}", s.uid); }
    std::string operator()(const step::MakeNetwork&) const { return "make a network namespace beside"; }
    std::string operator()(const step::HandOverNetwork&) const { return "hand over the network namespace"; }
    std::string operator()(const step::EnterNetwork&) const { return "enter the network namespace"; }
    std::string operator()(const step::OpenNamespaces& s) const {
        return "open namespaces " +
               list(s.namespaces, [](const auto& ns) { return format("{}={}", spec::spec_name(ns.type), ns.path); });
    }
    std::string operator()(const step::Clone& s) const {
        return format("clone with {}{}{}{}", namespace_list(s.namespaces),
                      s.joins_user ? " in the joined user namespace" : "", s.into_cgroup ? " into the cgroup" : "",
                      s.oom_score ? format(" with oom_score_adj {}", s.oom_score->score) : "");
    }
    std::string operator()(const step::MapIds& s) const {
        return format("map uids {} gids {}", id_list(s.uids), id_list(s.gids));
    }
    std::string operator()(const step::SetOomScore& s) const { return format("set oom_score_adj {}", s.score); }
    std::string operator()(const step::JoinResctrl& s) const {
        return format("join resctrl group {}", s.rdt.clos_id.empty() ? "of the container" : s.rdt.clos_id);
    }
    std::string operator()(const step::MoveNetDevices& s) const {
        return "move network devices " +
               list(s.devices, [](const auto& device) { return format("{}→{}", device.first, device.second.name); });
    }
    std::string operator()(const step::WritePidFile& s) const { return format("write pid file {}", s.path); }
    std::string operator()(const step::SendPidfd& s) const { return format("send pidfd to {}", s.socket); }
    std::string operator()(const step::EnterCgroup& s) const {
        return s.sub_path.empty() ? "enter cgroup" : "enter cgroup " + s.sub_path;
    }
    std::string operator()(const step::JoinNamespaces& s) const {
        return "join namespaces " + list(s.types, [](auto type) { return std::string(spec::spec_name(type)); });
    }
    std::string operator()(const step::Unshare& s) const { return "unshare: " + namespace_list(s.namespaces); }
    std::string operator()(const step::BecomeRoot&) const { return "become root of the user namespace"; }
    std::string operator()(const step::SetTimeOffsets& s) const {
        return "set time offsets " + list(s.offsets, [](const auto& offset) {
                   return format("{}={}.{:09}s", offset.first, offset.second.secs, offset.second.nanosecs);
               });
    }
    std::string operator()(const step::RaiseLoopback&) const { return "raise loopback interface"; }
    std::string operator()(const step::JoinKeyring& s) const { return format("join session keyring {}", s.name); }
    std::string operator()(const step::PrepareRoot& s) const { return format("prepare root {}", s.path); }
    std::string operator()(const step::Mount& s) const {
        const bool bind = s.options.bind != spec::Bind::none;
        return format(
            "{} {}{} at {}{}{}", bind ? "bind" : "mount", bind ? s.mount.source : s.mount.type,
            !bind && !s.mount.source.empty() && s.mount.source != s.mount.type ? " from " + s.mount.source : "",
            s.mount.destination, s.mount.options.empty() ? "" : " ", join(s.mount.options, ","));
    }
    std::string operator()(const step::MapMounts& s) const {
        return "prepare mounts for " + list(s.mounts, [](const auto& mount) { return mount.mount.destination; });
    }
    std::string operator()(const step::PrepareDevices& s) const {
        return "prepare devices " + list(s.devices, device_text);
    }
    std::string operator()(const step::MountCgroup& s) const { return format("mount cgroup at {}", s.target); }
    std::string operator()(const step::MakeDevice& s) const {
        return format("{} device {}", s.bind ? "bind" : "make", device_text(s.device));
    }
    std::string operator()(const step::MakeLink& s) const { return format("link {} → {}", s.path, s.target); }
    std::string operator()(const step::EditRootfs& s) const {
        std::vector<std::string> parts;
        for (const auto& link : s.edits.links) parts.push_back(format("link {} → {}", link.path, link.target));
        for (const auto& file : s.edits.files) parts.push_back(format("file {}", file.path));
        for (const auto& entry : s.edits.cache) parts.push_back(format("cache {} → {}", entry.soname, entry.path));
        for (const auto& cover : s.edits.covers) parts.push_back(format("cover {}", cover.path));
        return "edit root file system: " + join(parts, ", ");
    }
    std::string operator()(const step::OpenTerminal& s) const {
        return s.size ? format("open terminal {}×{}", s.size->height, s.size->width) : "open terminal";
    }
    std::string operator()(const step::ChangeRoot& s) const {
        return s.how == step::RootChange::pivot  ? "pivot root"
               : s.how == step::RootChange::move ? "move root"
                                                 : "chroot";
    }
    std::string operator()(const step::SetRootPropagation& s) const {
        return format("set root propagation {:#x}", s.propagation);
    }
    std::string operator()(const step::MakeReadonly& s) const { return format("make read-only {}", s.path); }
    std::string operator()(const step::Mask& s) const { return "mask " + join(s.paths, ", "); }
    std::string operator()(const step::SetHostname& s) const { return format("set hostname {}", s.name); }
    std::string operator()(const step::SetDomainname& s) const { return format("set domainname {}", s.name); }
    std::string operator()(const step::SetSysctl& s) const { return format("set sysctl {}={}", s.name, s.value); }
    std::string operator()(const step::SetPersonality& s) const {
        return format("set personality {}", s.personality.domain);
    }
    std::string operator()(const step::SetScheduler& s) const { return format("set scheduler {}", s.scheduler.policy); }
    std::string operator()(const step::SetIoPriority& s) const {
        return format("set io priority {} {}", s.priority.io_class, s.priority.priority);
    }
    std::string operator()(const step::SetMemoryPolicy& s) const {
        return format("set memory policy {} {}", s.policy.mode, s.policy.nodes);
    }
    std::string operator()(const step::SetCpuAffinity& s) const {
        return s.cpus.empty() ? "use every CPU of the cpuset" : format("run on CPUs {}", s.cpus);
    }
    std::string operator()(const step::SetRlimits& s) const {
        return "set rlimits " + list(s.rlimits, [](const auto& limit) {
                   return format("{}={}:{}", limit.type, limit.soft, limit.hard);
               });
    }
    std::string operator()(const step::SetLabel& s) const {
        return format("set label {}{}", s.apparmor_profile, s.selinux_label);
    }
    std::string operator()(const step::LoadSeccomp& s) const {
        return format("load seccomp filter of {} instructions{}{}", s.filter.program.size(),
                      s.filter.notifies ? ", hand over its listener" : "", s.privileged ? ", drop CAP_SYS_ADMIN" : "");
    }
    std::string operator()(const step::SetNoNewPrivileges&) const { return "set no_new_privs"; }
    std::string operator()(const step::TakeTerminal&) const { return "take terminal"; }
    std::string operator()(const step::MakeDirectory& s) const { return format("make directory {}", s.path); }
    std::string operator()(const step::EnterDirectory& s) const { return format("enter directory {}", s.path); }
    std::string operator()(const step::BecomeUser& s) const {
        const auto& sets = s.capabilities;
        const std::string capabilities =
            format(" capabilities bounding={:x} effective={:x} permitted={:x} inheritable={:x} ambient={:x}",
                   sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient);
        return format("become user {}:{}{}{}", s.user.uid, s.user.gid, capabilities,
                      s.keep_admin ? ", keep CAP_SYS_ADMIN" : "");
    }
    std::string operator()(const step::PrepareProgram& s) const { return format("prepare program {}", s.name); }
    std::string operator()(const step::Exec& s) const { return format("exec {}", join(s.args, " ")); }
};

}  // namespace

const char* name(Barrier barrier) { return name_of(barriers, barrier)->data(); }
const char* name(HookKind kind) { return name_of(hook_kinds, kind)->data(); }

std::string describe(const Step& step) { return std::visit(Describer{}, step); }

std::string context_of(const Step& step) {
    // Engines match on what these say themselves.
    if (std::holds_alternative<step::PrepareProgram>(step) || std::holds_alternative<step::Exec>(step) ||
        std::holds_alternative<step::BecomeUser>(step) || std::holds_alternative<step::EnterDirectory>(step) ||
        std::holds_alternative<step::RunHooks>(step) || std::holds_alternative<step::Await>(step) ||
        std::holds_alternative<step::SetRlimits>(step))
        return {};
    // Hundreds of edits would bury what went wrong with the one that the failure names.
    if (std::holds_alternative<step::EditRootfs>(step)) return "edit root file system";
    if (const auto* mount = std::get_if<step::Mount>(&step))
        return format("error mounting \"{}\" to rootfs at \"{}\"", mount->mount.source, mount->mount.destination);
    return describe(step);
}

namespace {

// The lane stops at a barrier it awaits until the other lane has passed it.
bool waits(const Step& step, const std::vector<Barrier>& passed) {
    const auto* await = std::get_if<step::Await>(&step);
    if (await == nullptr || await->barrier == Barrier::start) return false;
    for (const Barrier barrier : passed)
        if (barrier == await->barrier) return false;
    return true;
}

void print_lane(const std::vector<Step>& lane, std::size_t& next, bool container, bool& cloned,
                std::vector<Barrier>& passed, std::string& text) {
    while (next < lane.size() && !waits(lane[next], passed)) {
        const Step& step = lane[next++];
        text += format("{}{}\n", container ? "                              | " : "", describe(step));
        if (const auto* pass = std::get_if<step::Pass>(&step)) passed.push_back(pass->barrier);
        if (std::holds_alternative<step::Clone>(step)) {
            cloned = true;
            return;
        }
    }
}

}  // namespace

std::string print(const Plan& plan) {
    std::string text = "host                          | container\n";
    std::size_t host = 0, container = 0;
    bool cloned = false;
    std::vector<Barrier> passed;
    while (host < plan.host.size() || (cloned && container < plan.container.size())) {
        const auto before = host + container;
        print_lane(plan.host, host, false, cloned, passed, text);
        if (cloned) print_lane(plan.container, container, true, cloned, passed, text);
        if (host + container == before) break;
    }
    return text;
}

}  // namespace gpurun::plan
