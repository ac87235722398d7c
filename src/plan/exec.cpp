#include <gpurun/plan.h>

#include "plan/process.h"

namespace gpurun::plan {
namespace {

using spec::NamespaceType;

// The container's own namespaces, in setns order; those it shares with the host are not entered.
std::vector<NamespaceType> entered(const spec::Spec& container) {
    std::vector<NamespaceType> types;
    if (container.linux)
        for (const auto& ns : container.linux->namespaces)
            if (ns.type != NamespaceType::pid) types.push_back(ns.type);
    return types;
}

}  // namespace

Plan build_exec(const spec::Spec& container, const spec::Process& process, const Host& host, const Options& options) {
    Plan plan;
    const bool pid = container.linux && spec::find_namespace(*container.linux, NamespaceType::pid) != nullptr;
    plan.host.push_back(step::Clone{.joins_pid = pid, .into_cgroup = options.has_cgroup});
    if (process.oom_score_adj) plan.host.push_back(step::SetOomScore{*process.oom_score_adj});
    plan.host.push_back(step::Await{Barrier::ready});
    if (!options.pidfd_socket.empty()) plan.host.push_back(step::SendPidfd{options.pidfd_socket});
    if (!options.pid_file.empty()) plan.host.push_back(step::WritePidFile{options.pid_file});

    auto& lane = plan.container;
    if (process.exec_cpu_affinity && !process.exec_cpu_affinity->initial.empty())
        lane.push_back(step::SetCpuAffinity{process.exec_cpu_affinity->initial});
    if (options.has_cgroup) lane.push_back(step::EnterCgroup{options.cgroup_path});
    if (process.exec_cpu_affinity) lane.push_back(step::SetCpuAffinity{process.exec_cpu_affinity->final});
    lane.push_back(step::JoinNamespaces{entered(container)});
    if (container.linux && spec::find_namespace(*container.linux, NamespaceType::user) != nullptr)
        lane.push_back(step::BecomeRoot{});
    if (!options.no_new_keyring)
        lane.push_back(step::JoinKeyring{.name = "_ses." + options.id,
                                         .label = host.lsm == security::Lsm::selinux ? process.selinux_label : ""});
    if (process.terminal) {
        lane.push_back(step::OpenTerminal{.size = process.console_size, .console = false});
        lane.push_back(step::TakeTerminal{});
    }
    add_process(lane, container, process, host, options.preserved_fds);
    lane.push_back(step::Pass{Barrier::ready});
    add_exec(lane, container, process);
    return plan;
}

}  // namespace gpurun::plan
