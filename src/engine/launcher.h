#pragma once

#include <gpurun/plan.h>

#include <cstdint>
#include <map>
#include <string>

#include "sys/fd.h"
#include "sys/process.h"

namespace gpurun::engine {

/// Namespaces that were opened, by type; an empty descriptor has been joined already.
using OpenNamespaces = std::map<spec::NamespaceType, sys::Fd>;

struct CloneRequest {
    std::uint64_t namespaces = 0;  ///< CLONE_NEW…
    sys::FdRef cgroup{};
    sys::FdRef user_namespace{};                         ///< To be joined; the new namespaces belong to it.
    sys::FdRef pid_namespace{};                          ///< To be joined: a namespace, or a pidfd of a process in it.
    OpenNamespaces* joined = nullptr;                    ///< Others that the container process joins.
    sys::FdRef proc{};                                   ///< The host's /proc.
    const plan::step::SetOomScore* oom_score = nullptr;  ///< The launcher's, which its clone inherits.
};

/// Clones the container process; returns twice, with pid 0 in it. The child is this process's own child in every case.
/// Where a user namespace is joined, a launcher enters it and clones from inside, as the pid namespace must belong to
/// it; beside a new user namespace it joins the others first. Runs in the host process.
sys::Child launch(CloneRequest request);

/// Of the process that is called so in \a proc: a number or "self". Where it may stay as it is, that is a warning.
void set_oom_score(sys::FdRef proc, const std::string& process, const plan::step::SetOomScore& step);

/// Throws Error when the descriptor is a namespace of another type than the config says (a MUST of
/// config-linux.md#namespaces).
void check_namespace_type(sys::FdRef fd, const spec::Namespace& wanted);

}  // namespace gpurun::engine
