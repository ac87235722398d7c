#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "security/credentials.h"
#include "sys/file.h"
#include "sys/process_attributes.h"

namespace gpurun::engine {
namespace {

template <typename Value, std::size_t Size>
Value look_up(const Name<Value> (&table)[Size], const std::string& name, const char* what) {
    const auto value = value_of(table, name);
    if (!value) throw Error(format("{} \"{}\" is not known", what, name));
    return *value;
}

}  // namespace

void set_hostname(const std::string& name) {
    if (::sethostname(name.data(), name.size()) != 0) throw Error(errno, "sethostname " + name);
}

void set_domainname(const std::string& name) {
    if (::setdomainname(name.data(), name.size()) != 0) throw Error(errno, "setdomainname " + name);
}

void set_sysctl(ContainerSide& side, const plan::step::SetSysctl& step) {
    const sys::Fd directory = sys::open_at(side.proc, "sys", O_PATH | O_DIRECTORY, sys::Resolve::no_symlinks);
    sys::write_file_at(directory, spec::sysctl_path(step.name), step.value, sys::Resolve::no_symlinks);
}

void set_personality(const spec::Personality& personality) {
    constexpr unsigned long linux32 = 0x0008;
    if (::syscall(SYS_personality, personality.domain == "LINUX32" ? linux32 : 0UL) < 0)
        throw Error(errno, "personality " + personality.domain);
}

void set_scheduler(const plan::step::SetScheduler& step) {
    const auto& scheduler = step.scheduler;
    sys::Scheduling scheduling{.policy = look_up(sys::scheduler_policies, scheduler.policy, "scheduler policy"),
                               .nice = scheduler.nice,
                               .priority = static_cast<std::uint32_t>(scheduler.priority),
                               .runtime = scheduler.runtime,
                               .deadline = scheduler.deadline,
                               .period = scheduler.period};
    for (const auto& flag : scheduler.flags) scheduling.flags |= look_up(sys::scheduler_flags, flag, "scheduler flag");
    try {
        sys::set_scheduling(scheduling);
    } catch (const Error& error) {
        // SCHED_DEADLINE is for processes that may run on every CPU (sched_setattr(2)).
        if (error.code != EPERM || !step.has_cpuset) throw;
        throw Error(EPERM,
                    "process scheduler can't be used together with AllowedCPUs, which linux.resources.cpu.cpus are");
    }
}

void set_io_priority(const spec::IoPriority& priority) {
    sys::set_io_priority(look_up(sys::io_priority_classes, priority.io_class, "io priority class"), priority.priority);
}

void set_memory_policy(const spec::MemoryPolicy& policy) {
    int mode = look_up(sys::memory_policy_modes, policy.mode, "memory policy mode");
    for (const auto& flag : policy.flags) mode |= look_up(sys::memory_policy_flags, flag, "memory policy flag");
    sys::set_memory_policy(mode, policy.nodes);
}

void set_rlimits(const std::vector<spec::Rlimit>& rlimits) {
    for (const auto& limit : rlimits)
        sys::set_rlimit(look_up(sys::rlimit_names, limit.type, "rlimit"), limit.soft, limit.hard);
}

void set_label(ContainerSide& side, const plan::step::SetLabel& step) {
    if (!step.selinux_label.empty()) security::set_selinux_label(side.proc, step.selinux_label);
    if (!step.apparmor_profile.empty()) security::set_apparmor_profile(side.proc, step.apparmor_profile);
}

namespace {

// CVE-2024-21626: a leaked descriptor of a host directory as cwd shows as "(unreachable)".
void check_directory(const std::string& cwd) {
    char path[4096];
    const long length = ::syscall(SYS_getcwd, path, sizeof path);
    if (length < 0 && errno != ENOENT && errno != ENAMETOOLONG) throw Error(errno, "getcwd");
    if (length <= 0 || path[0] != '/')
        throw Error(format("current working directory \"{}\" is outside of container mount namespace root", cwd));
}

}  // namespace

void make_directory(ContainerSide& side, const plan::step::MakeDirectory& step) {
    sys::make_directories_in(side.root, step.path);
}

void enter_directory(ContainerSide& side, const plan::step::EnterDirectory& step) {
    if (::chdir(step.path.c_str()) == 0) {
        check_directory(step.path);
        side.entered = true;
        return;
    }
    // Root of a user namespace may be refused what the user is granted: become_user tries again.
    if (errno != EACCES && errno != EPERM)
        throw Error(errno, format("chdir to cwd (\"{}\") set in config.json failed", step.path));
}

void become_user(ContainerSide& side, const plan::step::BecomeUser& step) {
    const auto& user = step.user;
    security::drop_bounding(step.capabilities.bounding);
    security::give_standard_streams(user.uid);
    security::set_user(user, step.keep_groups ? security::Groups::keep : security::Groups::set, side.proc);
    ::umask(user.umask.value_or(0022));
    if (!side.entered) {
        if (::chdir(step.cwd.c_str()) != 0)
            throw Error(errno, format("chdir to cwd (\"{}\") set in config.json failed", step.cwd));
        check_directory(step.cwd);
    }
    side.capabilities = security::apply(step.capabilities, step.keep_admin ? std::uint64_t{1} << CAP_SYS_ADMIN : 0);
    security::forget_kept_capabilities();
    // setuid made us dumpable again where the ids changed.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace gpurun::engine
