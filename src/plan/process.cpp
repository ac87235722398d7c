#include "plan/process.h"

#include <gpurun/error.h>

#include "base/log.h"
#include "base/text.h"

namespace gpurun::plan {
namespace {

bool has_seccomp(const spec::Spec& container) { return container.linux && container.linux->seccomp; }

bool has_cpuset(const spec::Spec& container) {
    return container.linux && container.linux->resources && container.linux->resources->cpu &&
           !container.linux->resources->cpu->cpus.empty();
}

security::CapabilitySets capability_sets(const spec::Process& process, const Host& host) {
    // As with runc and crun, a process whose capabilities are not configured has none.
    security::Ungranted ungranted;
    const auto sets =
        security::resolve(process.capabilities.value_or(spec::Capabilities{}), host.known_capabilities, ungranted);
    if (!ungranted.unknown.empty())
        log::warning("ignoring unknown or unavailable capabilities: {}", join(ungranted.unknown, " "));
    if (!ungranted.not_raisable.empty())
        log::warning("ignoring ambient capabilities that are not inheritable and permitted as well: {}",
                     join(ungranted.not_raisable, " "));
    return sets;
}

// The spec has unknown names ignored; crun's annotation asks for the opposite.
void require_known_calls(const spec::Spec& container) {
    const auto wanted = container.annotations.find("run.oci.seccomp_fail_unknown_syscall");
    if (wanted == container.annotations.end() || wanted->second == "0") return;
    if (const auto unknown = security::unknown_calls(*container.linux->seccomp); !unknown.empty())
        throw Error(format("linux.seccomp.syscalls: invalid seccomp syscall {}", join(unknown, " ")));
}

std::string_view name_part(const std::string& variable) {
    return std::string_view(variable).substr(0, variable.find('='));
}

}  // namespace

std::optional<std::string> environment_value(const std::vector<std::string>& env, const std::string& name) {
    for (auto variable = env.rbegin(); variable != env.rend(); ++variable)
        if (variable->size() > name.size() && (*variable)[name.size()] == '=' && variable->starts_with(name))
            return variable->substr(name.size() + 1);
    return std::nullopt;
}

std::vector<std::string> clean_environment(const std::vector<std::string>& env) {
    std::vector<std::string> kept;
    for (auto variable = env.begin(); variable != env.end(); ++variable) {
        bool again = false;
        for (auto later = variable + 1; later != env.end() && !again; ++later)
            again = name_part(*later) == name_part(*variable);
        if (!again) kept.push_back(*variable);
    }
    return kept;
}

std::optional<step::SetOomScore> oom_score_of(const spec::Process& process, const Host& host) {
    if (!process.oom_score_adj) return std::nullopt;
    return step::SetOomScore{.score = *process.oom_score_adj, .required = !host.rootless};
}

step::BecomeRoot root_of(const spec::Spec& container) {
    const auto first = [](const std::vector<spec::IdMapping>& mappings) -> std::uint32_t {
        for (const auto& mapping : mappings)
            if (mapping.container_id == 0) return 0;
        return mappings.empty() ? 0 : mappings.front().container_id;
    };
    if (!container.linux) return {};
    return {.uid = first(container.linux->uid_mappings), .gid = first(container.linux->gid_mappings)};
}

void add_process(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process, const Host& host,
                 int preserved_fds) {
    if (container.linux && container.linux->personality)
        lane.push_back(step::SetPersonality{*container.linux->personality});
    if (process.scheduler) lane.push_back(step::SetScheduler{*process.scheduler, has_cpuset(container)});
    if (process.io_priority) lane.push_back(step::SetIoPriority{*process.io_priority});
    if (container.linux && container.linux->memory_policy && !container.linux->memory_policy->mode.empty())
        lane.push_back(step::SetMemoryPolicy{*container.linux->memory_policy});
    if (!process.rlimits.empty()) lane.push_back(step::SetRlimits{process.rlimits});
    const std::string apparmor = security::usable_label(security::Lsm::apparmor, process.apparmor_profile);
    const std::string selinux = security::usable_label(security::Lsm::selinux, process.selinux_label);
    if (!apparmor.empty() || !selinux.empty())
        lane.push_back(step::SetLabel{.apparmor_profile = apparmor, .selinux_label = selinux});
    lane.push_back(step::EnterDirectory{process.cwd});
    if (process.no_new_privileges) lane.push_back(step::SetNoNewPrivileges{});
    step::BecomeUser user{.user = process.user, .capabilities = capability_sets(process, host), .cwd = process.cwd};
    user.keep_admin = has_seccomp(container) && !process.no_new_privileges;
    if (const auto keep = container.annotations.find("run.oci.keep_original_groups");
        keep != container.annotations.end())
        user.keep_groups = keep->second == "1";
    lane.push_back(std::move(user));
    lane.push_back(step::PrepareProgram{.name = process.args.empty() ? "" : process.args.front(),
                                        .env = clean_environment(process.env),
                                        .preserved_fds = preserved_fds});
}

void add_seccomp(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process,
                 const std::optional<security::Filter>& compiled) {
    if (!has_seccomp(container)) return;
    step::LoadSeccomp load{.filter = {}, .privileged = !process.no_new_privileges};
    if (compiled) {
        load.filter = *compiled;
    } else {
        require_known_calls(container);
        load.filter = security::compile(*container.linux->seccomp);
    }
    lane.push_back(std::move(load));
}

const security::Filter* seccomp_filter(const Plan& plan) {
    for (const Step& step : plan.container)
        if (const auto* load = std::get_if<step::LoadSeccomp>(&step)) return &load->filter;
    return nullptr;
}

}  // namespace gpurun::plan
