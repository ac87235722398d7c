#pragma once

#include <gpurun/plan.h>

#include <optional>
#include <vector>

namespace gpurun::plan {

/// The process's attributes up to its user, in the order that keeps privileges as long as they are needed: limits,
/// scheduling, label, credentials; then its program. Shared by create and exec. Pure.
void add_process(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process, const Host& host,
                 int preserved_fds);

/// process.oomScoreAdj, if any. Pure.
std::optional<step::SetOomScore> oom_score_of(const spec::Process& process, const Host& host);

/// Who the container process is in its user namespace until it becomes the program's user. Pure.
step::BecomeRoot root_of(const spec::Spec& container);

/// As late as can be, so that a profile need not allow what gpurun itself does: before startContainer hooks, which the
/// filter holds too, and Exec. \a compiled: the profile's filter, if it is known.
void add_seccomp(std::vector<Step>& lane, const spec::Spec& container, const spec::Process& process,
                 const std::optional<security::Filter>& compiled);

/// process.env with the last of duplicates kept; HOME is added by the engine, who can read the container's /etc/passwd.
std::vector<std::string> clean_environment(const std::vector<std::string>& env);

}  // namespace gpurun::plan
