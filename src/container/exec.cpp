#include <gpurun/container.h>
#include <gpurun/error.h>
#include <sys/socket.h>
#include "engine/engine.h"

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "container/facts.h"
#include "container/foreground.h"
#include "sys/process_attributes.h"
#include "sys/socket.h"

namespace gpurun::container {
namespace {

void add_capabilities(spec::Process& process, const std::vector<std::string>& names) {
    if (names.empty()) return;
    if (!process.capabilities) process.capabilities.emplace();
    auto& sets = *process.capabilities;
    for (const auto& name : names) {
        for (auto* set : {&sets.bounding, &sets.effective, &sets.permitted}) set->push_back(name);
        // Ambient, so that a user other than root has it too; that needs inheritable.
        const bool inheritable =
            std::find(sets.inheritable.begin(), sets.inheritable.end(), name) != sets.inheritable.end();
        if (process.user.uid != 0 && !inheritable) sets.inheritable.push_back(name);
        if (process.user.uid != 0 || inheritable) sets.ambient.push_back(name);
    }
}

spec::Process from_options(const ExecOptions& options, const spec::Spec& container) {
    spec::Process process = container.process.value_or(spec::Process{});
    process.args = options.args;
    process.terminal = options.tty;
    process.console_size.reset();
    process.env.insert(process.env.end(), options.env.begin(), options.env.end());
    process.cwd = options.cwd.value_or(process.cwd.empty() ? "/" : process.cwd);
    if (options.apparmor) process.apparmor_profile = *options.apparmor;
    if (options.selinux_label) process.selinux_label = *options.selinux_label;
    if (options.uid) process.user.uid = *options.uid;
    if (options.gid) process.user.gid = *options.gid;
    process.user.additional_gids.insert(process.user.additional_gids.end(), options.additional_gids.begin(),
                                        options.additional_gids.end());
    if (options.no_new_privileges) process.no_new_privileges = true;
    process.oom_score_adj.reset();
    add_capabilities(process, options.capabilities);
    return process;
}

// What a process.json leaves out is the container's.
void fill_in(spec::Process& process, const spec::Spec& container, const ExecOptions& options) {
    if (!container.process) return;
    const auto& base = *container.process;
    if (!process.capabilities) process.capabilities = base.capabilities;
    if (process.rlimits.empty()) process.rlimits = base.rlimits;
    if (process.apparmor_profile.empty()) process.apparmor_profile = base.apparmor_profile;
    if (process.selinux_label.empty()) process.selinux_label = base.selinux_label;
    if (options.tty) process.terminal = true;
}

spec::Process process_of(const ExecOptions& options, const spec::Spec& container) {
    if (options.process_file.empty()) {
        auto process = from_options(options, container);
        spec::validate(process);
        return process;
    }
    auto process = spec::read_process(options.process_file);
    fill_in(process, container, options);
    return process;
}

void check_status(spec::Status status, bool ignore_paused) {
    if (status == spec::Status::stopped || status == spec::Status::creating)
        throw Error(format("cannot exec in a {} container", spec::name(status)));
    if (status == spec::Status::paused && !ignore_paused) throw Error("cannot exec in a paused container");
}

std::optional<security::Filter> known_filter(const state::Stored& stored) {
    if (stored.compiled.empty()) return std::nullopt;
    return security::from_bytes(stored.compiled);
}

engine::Started start_process(const ExecOptions& options, const state::Stored& stored, sys::FdRef init,
                              spec::Process& process, const spec::Spec& container) {
    const auto& record = stored.record;
    sys::Fd console_socket;
    if (!options.console_socket.empty()) console_socket = sys::connect_to(options.console_socket, SOCK_STREAM);
    std::vector<std::string> listen_env;
    const plan::Options plan_options{.id = record.id,
                                     .bundle = record.bundle,
                                     .pid_file = options.pid_file,
                                     .pidfd_socket = options.pidfd_socket,
                                     .preserved_fds = preserved_fds(options.preserve_fds, listen_env),
                                     .cgroup_path = options.cgroup_path,
                                     .has_cgroup = !record.cgroup.directories.empty(),
                                     .filter = known_filter(stored)};
    process.env.insert(process.env.end(), listen_env.begin(), listen_env.end());
    plan::Host host = probe_host();
    host.cgroup = record.cgroup;
    const auto manager = manager_of(record);
    engine::HostSide side{.options = &plan_options,
                          .cgroup = manager.get(),
                          .state = state::to_state(record, spec::Status::running),
                          .seccomp = container.linux && container.linux->seccomp ? &*container.linux->seccomp : nullptr,
                          .console_socket = console_socket,
                          .target = init,
                          .target_pid = static_cast<int>(record.pid)};
    const auto plan = plan::build_exec(container, process, host, plan_options);
    Undo undo;
    auto started = engine::execute(plan, side, undo, true);
    undo.dismiss();
    return started;
}

}  // namespace

int exec(const Context& context, const ExecOptions& options) {
    state::Store store(context.root);
    const auto stored = store.load_with_config(options.id);
    const auto& record = stored.record;
    const sys::Fd init = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    // Opened first, checked after: the pid can't be another's any more.
    check_status(current_status(store, record), options.ignore_paused);
    if (!init) throw Error("cannot exec in a stopped container");
    const auto container = spec::parse_for_exec(stored.config, "the container's config", !stored.compiled.empty());
    auto process = process_of(options, container);
    if (process.terminal && options.detach && options.console_socket.empty())
        throw Error("cannot allocate tty if runc will detach without setting console socket");
    if (!process.terminal && !options.console_socket.empty())
        throw Error("cannot use console socket if runc will not detach or allocate tty");
    sys::OneCpu shared;  // with the process, which this one waits for from its clone on
    if (options.detach) {
        start_process(options, stored, init, process, container);
        return 0;
    }
    Foreground foreground;
    auto started = start_process(options, stored, init, process, container);
    return foreground.attend(started, nullptr, &shared);
}

}  // namespace gpurun::container
