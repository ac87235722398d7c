#include "engine/container_side.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "base/log.h"
#include "base/text.h"
#include "engine/hooks.h"
#include "security/credentials.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/process_attributes.h"

namespace gpurun::engine {
namespace {

using namespace plan;

// Nobody in the container's pid namespace may ptrace us or open our descriptors (CVE-2016-9962).
void hide() { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

// Steps of the host's lane have no business here; naming none of them in the container lane is plan::build's duty.
struct Executor {
    ContainerSide& side;

    void operator()(const step::Pass& s) const { pass(side.channel, s.barrier); }
    void operator()(const step::Await& s) const {
        if (s.barrier == Barrier::start)
            await_start(side);
        else
            await(side.channel, s.barrier);
        if (s.barrier == Barrier::id_maps) hide();
    }
    void operator()(const step::RunHooks& s) const {
        spec::State state = side.state;
        state.status = s.status;
        state.pid = ::getpid();
        run_hooks(s.kind, s.hooks, state, s.kind == HookKind::start_container ? &side.variables : nullptr,
                  *side.hook_output);
    }
    void operator()(const step::EnterCgroup&) const { enter_cgroup(side); }
    void operator()(const step::JoinNamespaces& s) const { join_namespaces(side, s); }
    void operator()(const step::EnterNetwork&) const { enter_network(side); }
    void operator()(const step::Unshare& s) const { unshare_namespaces(s.namespaces); }
    void operator()(const step::BecomeRoot& s) const { become_root(s); }
    void operator()(const step::SetTimeOffsets& s) const { set_time_offsets(side, s); }
    void operator()(const step::RaiseLoopback&) const { raise_loopback(); }
    void operator()(const step::JoinKeyring& s) const { join_keyring(side, s); }
    void operator()(const step::PrepareRoot& s) const { prepare_root(side, s); }
    void operator()(const step::Mount& s) const { mount(side, s); }
    void operator()(const step::MountCgroup& s) const { mount_cgroup(side, s); }
    void operator()(const step::MakeDevice& s) const { make_device(side, s); }
    void operator()(const step::MakeLink& s) const { make_link(side, s); }
    void operator()(const step::EditRootfs& s) const { edit_rootfs(side, s); }
    void operator()(const step::OpenTerminal& s) const { open_terminal(side, s); }
    void operator()(const step::ChangeRoot& s) const { change_root(side, s); }
    void operator()(const step::SetRootPropagation& s) const { set_root_propagation(s); }
    void operator()(const step::MakeReadonly& s) const { make_readonly(side, s); }
    void operator()(const step::Mask& s) const { mask(side, s); }
    void operator()(const step::SetHostname& s) const { set_hostname(s.name); }
    void operator()(const step::SetDomainname& s) const { set_domainname(s.name); }
    void operator()(const step::SetSysctl& s) const { set_sysctl(side, s); }
    void operator()(const step::SetPersonality& s) const { set_personality(s.personality); }
    void operator()(const step::SetScheduler& s) const { set_scheduler(s); }
    void operator()(const step::SetIoPriority& s) const { set_io_priority(s.priority); }
    void operator()(const step::SetMemoryPolicy& s) const { set_memory_policy(s.policy); }
    void operator()(const step::SetCpuAffinity& s) const { sys::set_cpu_affinity(s.cpus); }
    void operator()(const step::SetRlimits& s) const { set_rlimits(s.rlimits); }
    void operator()(const step::SetLabel& s) const { set_label(side, s); }
    void operator()(const step::LoadSeccomp& s) const { load_seccomp(side, s); }
    void operator()(const step::SetNoNewPrivileges&) const { security::set_no_new_privileges(); }
    void operator()(const step::TakeTerminal&) const { take_terminal(side); }
    void operator()(const step::MakeDirectory& s) const { make_directory(side, s); }
    void operator()(const step::EnterDirectory& s) const { enter_directory(side, s); }
    void operator()(const step::BecomeUser& s) const { become_user(side, s); }
    void operator()(const step::PrepareProgram& s) const { prepare_program(side, s); }
    void operator()(const step::Exec& s) const { exec(side, s); }

    template <typename HostStep>
    void operator()(const HostStep&) const {
        throw Error("a step of the host's lane in the container's");
    }
};

}  // namespace

[[noreturn]] void run_container(const std::vector<Step>& lane, ContainerSide& side) noexcept {
    const Step* current = nullptr;
    Error failure("");
    try {
        // An unprivileged host process could not write the id maps of a hidden one.
        const auto* first = lane.empty() ? nullptr : std::get_if<step::Await>(&lane.front());
        if (first == nullptr || first->barrier != Barrier::id_maps) hide();
        // What the caller left open stays with the caller (CVE-2024-21626); all of ours are close-on-exec. Now, since a
        // seccomp filter may know nothing of so new a call.
        sys::close_on_exec_from(3 + side.options->preserved_fds);
        ::umask(0);
        // A session of its own: no way back to the caller's terminal (TIOCSTI), and CRIU asks for it.
        ::setsid();
        for (const Step& step : lane) {
            current = &step;
            if (log::enabled(log::Level::debug)) log::write(log::Level::debug, describe(step));
            std::visit(Executor{side}, step);
        }
        ::_exit(0);
    } catch (const Error& error) {
        failure = error;
    } catch (const std::exception& error) {
        failure = Error(error.what());
    } catch (...) {
        failure = Error("unknown failure");
    }
    try {
        const std::string context = current != nullptr ? context_of(*current) : "";
        const std::string text = context.empty() ? failure.message : context + ": " + failure.message;
        if (side.channel)
            say(side.channel, Say::failed, Barrier::ready, failure.code, text);
        else  // Nobody waits any more: as runc's init does, and where its log is looked for.
            sys::write_all(sys::FdRef(2), Error(failure.code, text).text() + "\n", "stderr");
    } catch (...) {
        // The host is gone: nobody to tell.
    }
    ::_exit(1);
}

}  // namespace gpurun::engine
