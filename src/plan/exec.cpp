#include <gpurun/plan.h>

#include "plan/process.h"

namespace gpurun::plan {
namespace {

using spec::NamespaceType;

bool has(const spec::Spec& container, NamespaceType type) {
    return container.linux && spec::find_namespace(*container.linux, type) != nullptr;
}

// The container's own namespaces but those that the clone joins; those it shares with the host are not entered.
std::vector<NamespaceType> entered(const spec::Spec& container, const step::Clone& clone) {
    std::vector<NamespaceType> types;
    if (container.linux)
        for (const auto& ns : container.linux->namespaces)
            if (ns.type != NamespaceType::pid && !(clone.joins_user && ns.type == NamespaceType::user))
                types.push_back(ns.type);
    return types;
}

}  // namespace

Plan build_exec(const spec::Spec& container, const spec::Process& process, const Host& host, const Options& options) {
    Plan plan;
    // Without root every namespace is entered with the rights that the container's user namespace gives.
    const bool joins_user = host.rootless && has(container, NamespaceType::user);
    const auto score = oom_score_of(process, host);
    const step::Clone clone{.joins_user = joins_user,
                            .joins_pid = has(container, NamespaceType::pid),
                            .into_cgroup = options.has_cgroup,
                            .oom_score = joins_user ? score : std::nullopt};
    plan.host.push_back(clone);
    if (score && !joins_user) plan.host.push_back(*score);
    if (container.linux && container.linux->intel_rdt)
        plan.host.push_back(step::JoinResctrl{.rdt = *container.linux->intel_rdt, .exists = true});
    // The program must not be executed before.
    const bool placed = plan.host.size() > 1;
    if (placed) plan.host.push_back(step::Pass{Barrier::placed});
    plan.host.push_back(step::Await{Barrier::ready});
    if (!options.pidfd_socket.empty()) plan.host.push_back(step::SendPidfd{options.pidfd_socket});
    if (!options.pid_file.empty()) plan.host.push_back(step::WritePidFile{options.pid_file});

    auto& lane = plan.container;
    lane.reserve(24);
    const auto affinity = process.exec_cpu_affinity.value_or(spec::CpuAffinity{});
    if (!affinity.initial.empty()) lane.push_back(step::SetCpuAffinity{affinity.initial});
    if (options.has_cgroup) lane.push_back(step::EnterCgroup{options.cgroup_path});
    // config.md#linux-process: with an initial affinity and no final one the kernel decides.
    if (affinity.initial.empty() || !affinity.final.empty()) lane.push_back(step::SetCpuAffinity{affinity.final});
    lane.push_back(step::JoinNamespaces{entered(container, clone)});
    if (has(container, NamespaceType::user)) lane.push_back(root_of(container));
    if (!options.no_new_keyring)
        lane.push_back(step::JoinKeyring{.name = "_ses." + options.id,
                                         .label = host.lsm == security::Lsm::selinux ? process.selinux_label : ""});
    if (process.terminal) {
        lane.push_back(step::OpenTerminal{.size = process.console_size, .console = false});
        lane.push_back(step::TakeTerminal{});
    }
    if (placed) lane.push_back(step::Await{Barrier::placed});
    add_process(lane, container, process, host, options.preserved_fds);
    lane.push_back(step::Pass{Barrier::ready});
    add_seccomp(lane, container, process, options.filter);
    lane.push_back(step::Exec{process.args});
    return plan;
}

}  // namespace gpurun::plan
