#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/engine.h"

#include <cerrno>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "engine/hooks.h"
#include "engine/id_maps.h"
#include "engine/launcher.h"
#include "engine/net_devices.h"
#include "engine/network.h"
#include "engine/resctrl.h"
#include "engine/seccomp_listener.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

using namespace plan;

struct Lane {
    const Plan& plan;
    HostSide& side;
    Undo& undo;
    bool waits_for_exec;
    Started started{};
    sys::Fd channel{}, far_channel{};
    sys::Fd proc{};
    HookOutput hook_output{};
    OpenNamespaces namespaces{};
    std::map<std::string, sys::Fd> made_mounts{};
    PreparedDevices made_devices{};

    void operator()(const step::Pass& s) { pass(channel, s.barrier); }
    void operator()(const step::Await& s) {
        if (only_execution_follows(s)) await_end(channel);
        await_container(s.barrier);
    }
    void operator()(const step::RunHooks& s) {
        spec::State state = side.state;
        state.status = s.status;
        state.pid = started.child.pid;
        run_hooks(s.kind, s.hooks, state, nullptr);
    }
    void operator()(const step::CreateCgroup& s) {
        undo.push([manager = side.cgroup] {
            try {
                manager->remove();
            } catch (const Error& error) {
                log::warning("{}", error.text());
            }
        });
        side.cgroup->create(s.resources);
    }
    void operator()(const step::LimitCgroup& s) { side.cgroup->apply(s.writes); }
    void operator()(const step::LimitDevices& s) { side.cgroup->set_devices(s.rules); }
    void operator()(const step::OwnCgroup& s) { side.cgroup->hand_over(s.uid); }
    void operator()(const step::MakeNetwork&) {
        if (side.network == nullptr) throw Error("nobody has begun to make the network namespace");
    }
    void operator()(const step::HandOverNetwork&) { hand_over(channel, side.network->take()); }
    void operator()(const step::OpenNamespaces& s) {
        for (const auto& ns : s.namespaces) {
            sys::Fd fd = sys::try_open(ns.path, O_RDONLY);
            if (!fd) throw Error(errno, format("namespace path {}", ns.path));
            check_namespace_type(fd, ns);
            namespaces[ns.type] = std::move(fd);
        }
    }
    void operator()(const step::MapMounts& s) {
        const auto joined = namespaces.find(spec::NamespaceType::user);
        const sys::FdRef user = joined == namespaces.end() ? sys::FdRef() : joined->second.ref();
        for (const auto& mount : s.mounts)
            made_mounts[mount.mount.destination] =
                mount.mapped_by_host ? make_mapped_mount(proc, mount, user) : try_open_bind(mount);
    }
    void operator()(const step::PrepareDevices& s) { made_devices = prepare_devices(s.devices); }
    void operator()(const step::Clone& s) { clone(s); }
    void operator()(const step::MapIds& s) { write_id_maps(proc, started.child.pid, s); }
    void operator()(const step::SetOomScore& s) { set_oom_score(proc, std::to_string(started.child.pid), s); }
    void operator()(const step::JoinResctrl& s) {
        if (s.exists) return rejoin_resctrl(s.rdt, side.options->id, started.child.pid);
        const std::string group = join_resctrl(s.rdt, side.options->id, started.child.pid, undo);
        if (side.on_resctrl) side.on_resctrl(group);
    }
    void operator()(const step::MoveNetDevices& s) { move_net_devices(s.devices, started.child.pid, undo); }
    void operator()(const step::WritePidFile& s) {
        const sys::Fd directory = sys::open(
            parent_of(s.path).empty() ? (s.path.starts_with('/') ? "/" : ".") : std::string(parent_of(s.path)),
            O_PATH | O_DIRECTORY);
        const std::string name(base_name(s.path));
        sys::replace_file_at(directory, name, std::to_string(started.child.pid), 0644);
        undo.push([path = s.path] { ::unlink(path.c_str()); });
    }
    void operator()(const step::SendPidfd& s) {
        const sys::Fd socket = sys::connect_to(s.socket, SOCK_STREAM);
        sys::send_message(socket, side.options->id, {started.child.pidfd});
    }
    template <typename ContainerStep>
    void operator()(const ContainerStep&) {
        throw Error("a step of the container's lane in the host's");
    }

    void clone(const step::Clone& s);
    cgroup::Entry cgroup_entry() const;
    void attach_outside() const;
    bool follows_init() const;
    cgroup::Spot beside_init() const { return {.below = {}, .beside = side.target_pid}; }
    std::string adding_pid() const {
        return format("error adding pid of the program to cgroups {} of the container", side.options->cgroup_path);
    }
    void launch_outside(CloneRequest request, std::vector<sys::Fd>& tasks);
    void end_with_failure();
    [[noreturn]] void become_container(std::vector<sys::Fd>& tasks) noexcept;
    void await_container(Barrier barrier);
    void await_exec();
    bool only_execution_follows(const step::Await& s) const;
    std::optional<Saying> next_saying();
    SeccompAgent seccomp_agent() const;
    [[noreturn]] void container_died();
};

// What only the container process uses; it never returns.
[[noreturn]] void Lane::become_container(std::vector<sys::Fd>& tasks) noexcept {
    channel.reset();
    ContainerSide container;
    container.channel = std::move(far_channel);
    container.proc = proc;
    container.console_socket = side.console_socket;
    container.start_listener = side.start_listener;
    container.target = side.target;
    container.tasks = &tasks;
    container.namespaces = &namespaces;
    container.made_mounts = &made_mounts;
    container.made_devices = &made_devices;
    container.cgroup = side.cgroup != nullptr ? &side.cgroup->location() : nullptr;
    container.options = side.options;
    container.state = side.state;
    container.hook_output = &hook_output;
    run_container(plan.container, container);
}

// exec goes where init has gone when the container's own cgroup is closed to processes (controllers enabled below it,
// as by systemd inside) or gone (systemd takes empty ones away), unless it is told where to go.
bool Lane::follows_init() const { return side.target_pid != 0 && side.options->cgroup_path.empty(); }

cgroup::Entry Lane::cgroup_entry() const {
    try {
        return side.cgroup->entry({.below = side.options->cgroup_path});
    } catch (const Error& error) {
        if (!side.options->cgroup_path.empty()) throw with_context(adding_pid(), error);
        if (error.code != ENOENT || !follows_init()) throw;
        return side.cgroup->entry(beside_init());
    }
}

void Lane::clone(const step::Clone& s) {
    std::tie(channel, far_channel) = sys::socket_pair();
    if (side.target_pid == 0) hook_output = open_hook_output(side.state);
    cgroup::Entry entry;
    if (s.into_cgroup && side.cgroup != nullptr) entry = cgroup_entry();
    CloneRequest request{.namespaces = s.namespaces,
                         .cgroup = entry.directory,
                         .user_namespace = !s.joins_user ? sys::FdRef()
                                           : side.target ? side.target
                                                         : namespaces.at(spec::NamespaceType::user).ref(),
                         .pid_namespace = !s.joins_pid  ? sys::FdRef()
                                          : side.target ? side.target
                                                        : namespaces.at(spec::NamespaceType::pid).ref(),
                         .joined = &namespaces,
                         .proc = proc,
                         .oom_score = s.oom_score ? &*s.oom_score : nullptr};
    if (side.network != nullptr) side.network->await_running();
    try {
        started.child = launch(request);
    } catch (const Error& error) {
        if (!request.cgroup) throw;
        if (error.code == EACCES || error.code == ENOENT) return launch_outside(request, entry.tasks);
        if (!side.options->cgroup_path.empty()) throw with_context(adding_pid(), error);
        if (error.code != EBUSY || !follows_init()) throw;
        entry = side.cgroup->entry(beside_init());
        request.cgroup = entry.directory;
        started.child = launch(request);
    }
    if (started.child.pid == 0) become_container(entry.tasks);
    far_channel.reset();
    end_with_failure();
    if (side.on_cloned) side.on_cloned(started.child.pid);
}

// An ordinary user may not clone from a session's cgroup into one below the user's service manager (EACCES), nor
// anybody in a joined cgroup namespace into one outside of it, where cgroup2 is mounted with nsdelegate (ENOENT). This
// process may move others there, though. The container process waits for that.
void Lane::launch_outside(CloneRequest request, std::vector<sys::Fd>& tasks) {
    auto [near, far] = sys::socket_pair();
    request.cgroup = sys::FdRef();
    started.child = launch(request);
    if (started.child.pid == 0) {
        near.reset();
        if (sys::receive_message(far).payload.empty()) ::_exit(1);
        far.reset();
        become_container(tasks);
    }
    far.reset();
    far_channel.reset();
    end_with_failure();
    attach_outside();
    sys::send_message(near, "attached");
    if (side.on_cloned) side.on_cloned(started.child.pid);
}

void Lane::attach_outside() const {
    try {
        side.cgroup->attach(started.child.pid, {.below = side.options->cgroup_path});
    } catch (const Error& error) {
        if (!side.options->cgroup_path.empty()) throw with_context(adding_pid(), error);
        if (!follows_init()) throw;
        side.cgroup->attach(started.child.pid, beside_init());
    }
}

void Lane::end_with_failure() {
    undo.push([this_pid = started.child.pid, pidfd = ::fcntl(started.child.pidfd.get(), F_DUPFD_CLOEXEC, 3)] {
        sys::try_signal(sys::FdRef(pidfd), SIGKILL);
        ::close(pidfd);
        try {
            sys::wait_for(this_pid);
        } catch (const Error&) {
            // Somebody else reaped it.
        }
    });
}

[[noreturn]] void Lane::container_died() {
    const int code = sys::wait_for(started.child.pid);
    throw Error(code == 128 + SIGKILL
                    ? "the container process was killed during its set-up, probably for want of memory"
                    : format("the container process ended during its set-up with status {}", code));
}

// Passes on what the container hands over until a barrier, a failure or the end of file.
std::optional<Saying> Lane::next_saying() {
    for (;;) {
        auto heard = hear(channel);
        if (!heard) return heard;
        switch (heard->what) {
            case Say::failed: throw Error(heard->number, heard->text);
            case Say::warning: log::warning("{}", heard->text); break;
            case Say::terminal:
                if (!heard->descriptors.empty()) started.terminal = std::move(heard->descriptors.front());
                break;
            case Say::listener:
                deliver_listener(channel, *heard, started.child.pidfd, started.child.pid, seccomp_agent());
                break;
            case Say::child:
            case Say::handed:
            case Say::passed: return heard;
        }
    }
}

SeccompAgent Lane::seccomp_agent() const {
    if (side.seccomp == nullptr) throw Error("a seccomp listener without a profile");
    SeccompAgent agent{
        .path = side.seccomp->listener_path, .metadata = side.seccomp->listener_metadata, .state = side.state};
    agent.state.pid = side.target_pid != 0 ? side.target_pid : started.child.pid;
    return agent;
}

void Lane::await_container(Barrier barrier) {
    const auto heard = next_saying();
    if (!heard) container_died();
    if (heard->what != Say::passed || heard->barrier != barrier)
        throw Error(format("the container process did not pass {}", name(barrier)));
}

// With nothing left to do before the execution one wake-up is enough for both: each costs the container's process 20 µs
// where CPUs are virtual. A seccomp agent would be waited for in between.
bool Lane::only_execution_follows(const step::Await& s) const {
    const bool has_agent = side.seccomp != nullptr && !side.seccomp->listener_path.empty();
    return waits_for_exec && &s == std::get_if<step::Await>(&plan.host.back()) && !has_agent;
}

void Lane::await_exec() {
    while (next_saying()) {
    }
}

}  // namespace

sys::Fd open_proc() {
    sys::Fd proc = sys::open("/proc", O_PATH | O_DIRECTORY);
    if (sys::filesystem_magic(proc) != PROC_SUPER_MAGIC) throw Error("/proc is not a procfs; mount one");
    return proc;
}

Started execute(const Plan& plan, HostSide& side, Undo& undo, bool wait_for_exec) {
    Lane lane{.plan = plan, .side = side, .undo = undo, .waits_for_exec = wait_for_exec};
    lane.proc = open_proc();
    for (const Step& step : plan.host) {
        if (log::enabled(log::Level::debug)) log::write(log::Level::debug, describe(step));
        try {
            std::visit(lane, step);
        } catch (const Error& error) {
            // A failure that the container reported has its context already.
            const bool own = !std::holds_alternative<step::Await>(step);
            const std::string context = own ? context_of(step) : std::string();
            if (context.empty()) throw;
            throw with_context(context, error);
        }
    }
    if (wait_for_exec) lane.await_exec();
    return std::move(lane.started);
}

void release(sys::FdRef socket, int pid, bool await_exec, const std::function<SeccompAgent()>& agent) {
    say(socket, Say::passed, Barrier::start, await_exec ? 1 : 0, {});
    if (!await_exec) return;
    while (const auto heard = hear(socket)) {
        if (heard->what == Say::failed) throw Error(heard->number, heard->text);
        if (heard->what == Say::listener) deliver_listener(socket, *heard, sys::try_pidfd_open(pid), pid, agent());
        if (heard->what == Say::warning) log::warning("{}", heard->text);
    }
}

}  // namespace gpurun::engine
