#include "spec/invalid.h"
#include "sys/process_attributes.h"

namespace gpurun::spec {
namespace {

void check_rlimits(const std::vector<Rlimit>& limits, const std::string& at) {
    for (std::size_t place = 0; place < limits.size(); ++place) {
        const Rlimit& limit = limits[place];
        const std::string here = format("{}[{}]", at, place);
        if (!value_of(sys::rlimit_names, limit.type))
            throw Invalid(here + ".type", format("invalid rlimit type: \"{}\"", limit.type));
        if (limit.soft > limit.hard)
            throw Invalid(here + ".soft",
                          format("expected at most {}'s hard limit {}, got {}", limit.type, limit.hard, limit.soft));
        for (std::size_t before = 0; before < place; ++before)
            if (limits[before].type == limit.type)
                throw Invalid(here + ".type", format("duplicate rlimit {}", limit.type));
    }
}

constexpr std::string_view real_time_policies[] = {"SCHED_FIFO", "SCHED_RR"};

void check_scheduler(const Scheduler& scheduler, const std::string& at) {
    constexpr int lowest_nice = -20, highest_nice = 19;
    if (!value_of(sys::scheduler_policies, scheduler.policy))
        throw Invalid(at + ".policy",
                      format("expected one of {}, got \"{}\"", names_in(sys::scheduler_policies), scheduler.policy));
    if (scheduler.nice < lowest_nice || scheduler.nice > highest_nice)
        throw Invalid(at + ".nice", format("expected {} to {}, got {}", lowest_nice, highest_nice, scheduler.nice));
    const bool is_real_time = scheduler.policy == real_time_policies[0] || scheduler.policy == real_time_policies[1];
    if (scheduler.priority != 0 && !is_real_time)
        throw Invalid(at + ".priority", "can only be specified for the SCHED_FIFO or SCHED_RR policy");
    const bool has_deadline = scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0;
    if (has_deadline && scheduler.policy != "SCHED_DEADLINE")
        throw Invalid(at, "runtime, deadline and period can only be specified for the SCHED_DEADLINE policy");
    for (std::size_t place = 0; place < scheduler.flags.size(); ++place)
        if (!value_of(sys::scheduler_flags, scheduler.flags[place]))
            throw Invalid(
                format("{}.flags[{}]", at, place),
                format("expected one of {}, got \"{}\"", names_in(sys::scheduler_flags), scheduler.flags[place]));
}

void check_io_priority(const IoPriority& priority, const std::string& at) {
    constexpr int lowest = 7;
    if (!value_of(sys::io_priority_classes, priority.io_class))
        throw Invalid(at + ".class",
                      format("expected one of {}, got \"{}\"", names_in(sys::io_priority_classes), priority.io_class));
    if (priority.priority < 0 || priority.priority > lowest)
        throw Invalid(at + ".priority", format("expected 0 to {}, got {}", lowest, priority.priority));
}

void check_cpu_list(const std::string& list, const std::string& at) {
    if (!list.empty() && !is_number_list(list))
        throw Invalid(at, format("expected a list of CPUs such as \"0-3,7\", got \"{}\"", list));
}

// The highest number means "no change" to setresuid and its like.
void check_id(std::uint32_t id, const std::string& at) {
    constexpr std::uint32_t none = 0xffffffff;
    if (id == none) throw Invalid(at, format("expected 0 to {}, got {}", none - 1, id));
}

void check_user(const User& user, const std::string& at) {
    constexpr std::uint32_t all_bits = 0777;
    check_id(user.uid, at + ".uid");
    check_id(user.gid, at + ".gid");
    for (std::size_t place = 0; place < user.additional_gids.size(); ++place)
        check_id(user.additional_gids[place], format("{}.additionalGids[{}]", at, place));
    if (user.umask && *user.umask > all_bits)
        throw Invalid(at + ".umask", format("expected 0 to {} (0777), got {}", all_bits, *user.umask));
}

void check_environment(const std::vector<std::string>& env, const std::string& at) {
    for (std::size_t place = 0; place < env.size(); ++place)
        if (const auto equals = env[place].find('='); equals == std::string::npos || equals == 0)
            throw Invalid(format("{}[{}]", at, place), format("expected NAME=value, got \"{}\"", env[place]));
}

}  // namespace

bool is_number_list(const std::string& list) {
    constexpr unsigned highest = 8191;  // More CPUs or memory nodes than any kernel is built for.
    for (const auto part : split(list, ',')) {
        const auto ends = split(part, '-');
        const auto first = parse_number<unsigned>(trim(ends[0]));
        const auto last = ends.size() > 1 ? parse_number<unsigned>(trim(ends[1])) : first;
        if (ends.size() > 2 || !first || !last || *first > *last || *last > highest) return false;
    }
    return true;
}

void check_process(const Process& process, const std::string& at) {
    constexpr int lowest_oom_score = -1000, highest_oom_score = 1000;
    require_absolute(process.cwd, below(at, "cwd"));
    if (process.args.empty()) throw Invalid(below(at, "args"), "args must not be empty");
    check_user(process.user, below(at, "user"));
    check_environment(process.env, below(at, "env"));
    check_rlimits(process.rlimits, below(at, "rlimits"));
    if (process.oom_score_adj &&
        (*process.oom_score_adj < lowest_oom_score || *process.oom_score_adj > highest_oom_score))
        throw Invalid(below(at, "oomScoreAdj"),
                      format("expected {} to {}, got {}", lowest_oom_score, highest_oom_score, *process.oom_score_adj));
    if (process.scheduler) check_scheduler(*process.scheduler, below(at, "scheduler"));
    if (process.io_priority) check_io_priority(*process.io_priority, below(at, "ioPriority"));
    if (process.exec_cpu_affinity) {
        check_cpu_list(process.exec_cpu_affinity->initial, below(at, "execCPUAffinity.initial"));
        check_cpu_list(process.exec_cpu_affinity->final, below(at, "execCPUAffinity.final"));
    }
    require_one_line(process.apparmor_profile, below(at, "apparmorProfile"));
    require_one_line(process.selinux_label, below(at, "selinuxLabel"));
}

}  // namespace gpurun::spec
