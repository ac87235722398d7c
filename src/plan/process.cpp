#include "plan/process.h"

#include "base/log.h"
#include "base/text.h"

namespace gpurun::plan {
namespace {

step::LoadSeccomp seccomp_step(const spec::Seccomp& profile) {
    return {.filter = security::compile(profile),
            .listener_path = profile.listener_path,
            .listener_metadata = profile.listener_metadata};
}

const spec::Seccomp* profile_of(const spec::Spec& container) {
    return container.linux && container.linux->seccomp ? &*container.linux->seccomp : nullptr;
}

security::CapabilitySets capability_sets(const spec::Process& process, const Host& host) {
    // As with runc and crun, a process whose capabilities are not configured has none.
    std::vector<std::string> unknown;
    const auto sets =
        security::resolve(process.capabilities.value_or(spec::Capabilities{}), host.known_capabilities, unknown);
    if (!unknown.empty())
        log::warning("capabilities not known or not grantable here are ignored: {}", join(unknown, " "));
    return sets;
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

void add_process(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process, const Host& host) {
    if (container.linux && container.linux->personality)
        lane.push_back(step::SetPersonality{*container.linux->personality});
    if (process.scheduler) lane.push_back(step::SetScheduler{*process.scheduler});
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
    // Without no_new_privs loading a filter needs CAP_SYS_ADMIN, so it comes before the capabilities go.
    if (const auto* profile = profile_of(container); profile != nullptr && !process.no_new_privileges)
        lane.push_back(seccomp_step(*profile));
    step::BecomeUser user{.user = process.user, .capabilities = capability_sets(process, host), .cwd = process.cwd};
    if (const auto keep = container.annotations.find("run.oci.keep_original_groups");
        keep != container.annotations.end())
        user.keep_groups = keep->second == "1";
    lane.push_back(std::move(user));
}

void add_late_seccomp(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process) {
    if (const auto* profile = profile_of(container); profile != nullptr && process.no_new_privileges)
        lane.push_back(seccomp_step(*profile));
}

}  // namespace gpurun::plan
