#include "engine/launcher.h"

#include <gpurun/error.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/channel.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

// The launcher may know the process by its number in another pid namespace; the host's /proc has ours.
pid_t pid_of(sys::FdRef pidfd) {
    const std::string facts = sys::read_file(format("/proc/self/fdinfo/{}", pidfd.get()));
    for (const auto line : split(facts, '\n'))
        if (line.starts_with("Pid:"))
            if (const auto pid = parse_number<pid_t>(trim(line.substr(4))); pid && *pid > 0) return *pid;
    throw Error("the container process ended during its set-up");
}

// A namespace of the host's (an engine's network) can be joined by the rights of the host only; the container's user
// namespace gives none over it. What cannot be joined yet is left to the container process.
void join_as_host(OpenNamespaces& namespaces) {
    for (auto& [type, fd] : namespaces) {
        if (type == spec::NamespaceType::user || type == spec::NamespaceType::pid || type == spec::NamespaceType::mount)
            continue;
        if (fd && ::setns(fd.get(), static_cast<int>(spec::clone_flag(type))) == 0) fd.reset();
    }
}

// In the joined user namespace, a short-lived child of ours: its clone becomes our child by CLONE_PARENT.
sys::Child launch_from_inside(const CloneRequest& request) {
    auto [near, far] = sys::socket_pair();
    const sys::Child launcher = sys::clone({});
    if (launcher.pid == 0) {
        near.reset();
        try {
            if (request.oom_score != nullptr) set_oom_score(request.proc, "self", *request.oom_score);
            if (request.joined != nullptr) join_as_host(*request.joined);
            if (request.user_namespace) sys::enter_namespace(request.user_namespace, CLONE_NEWUSER, "user");
            if (request.pid_namespace) sys::enter_namespace(request.pid_namespace, CLONE_NEWPID, "pid");
            sys::Child child = sys::clone({.flags = request.namespaces | CLONE_PARENT, .cgroup = request.cgroup});
            if (child.pid == 0) return child;
            say(far, Say::child, plan::Barrier::ready, 0, {}, {child.pidfd});
        } catch (const Error& error) {
            say(far, Say::failed, plan::Barrier::ready, error.code, error.message);
        }
        ::_exit(0);
    }
    far.reset();
    auto heard = hear(near);
    sys::wait_for(launcher.pid);
    if (!heard || heard->what == Say::failed || heard->descriptors.empty())
        throw Error(heard ? heard->number : 0, heard ? heard->text : "clone in the joined user namespace");
    sys::Fd pidfd = std::move(heard->descriptors.front());
    const pid_t pid = pid_of(pidfd);
    return {pid, std::move(pidfd)};
}

}  // namespace

sys::Child launch(CloneRequest request) {
    bool entered = false;
    if (request.pid_namespace) {
        // Without root the rights to a pid namespace come from its user namespace, which is joined first.
        entered = ::setns(request.pid_namespace.get(), CLONE_NEWPID) == 0;
        if (!entered && !(errno == EPERM && request.user_namespace)) throw Error(errno, "setns pid");
        if (entered) request.pid_namespace = sys::FdRef();
    }
    // Only children are affected; hooks and helpers started later belong where we are.
    ScopeExit back([entered] {
        if (entered) ::setns(sys::try_pidfd_open(::getpid()).get(), CLONE_NEWPID);
    });
    const bool joins_others = request.joined != nullptr && !request.joined->empty();
    const bool needs_launcher = request.user_namespace || ((request.namespaces & CLONE_NEWUSER) != 0 && joins_others);
    sys::Child child = needs_launcher ? launch_from_inside(request)
                                      : sys::clone({.flags = request.namespaces, .cgroup = request.cgroup});
    if (child.pid == 0) back.dismiss();
    return child;
}

void set_oom_score(sys::FdRef proc, const std::string& process, const plan::step::SetOomScore& step) {
    const std::string file = process + "/oom_score_adj";
    const int failure = sys::try_write_file_at(proc, file, std::to_string(step.score));
    if (failure == EACCES && !step.required)
        return log::warning("oom_score_adj stays what the caller's is: only root may lower it to {}", step.score);
    if (failure != 0) throw Error(failure, "write " + file);
}

void check_namespace_type(sys::FdRef fd, const spec::Namespace& wanted) {
    const int type = ::ioctl(fd.get(), NS_GET_NSTYPE);
    if (type >= 0 && static_cast<std::uint64_t>(static_cast<unsigned>(type)) == spec::clone_flag(wanted.type)) return;
    throw Error(format("namespace path {}: not a {} namespace", wanted.path, spec::spec_name(wanted.type)));
}

}  // namespace gpurun::engine
