#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/plan.h>

#include <functional>
#include <string>
#include <vector>

#include "sys/fd.h"

/// Checkpoint and restore by CRIU, which gpurun-helper talks to.
namespace gpurun::engine {

/// What CRIU is asked to do, as a value.
struct CriuRequest {
    std::string verb;                ///< "dump", "pre-dump", "restore"
    std::vector<std::string> words;  ///< Options with their values, those of src/helper/criu_options.cpp.
    bool operator==(const CriuRequest&) const = default;
};

/// What CRIU tells while it works. Names are CRIU's: "setup-namespaces", "post-restore", "orphan-pts-master" (with the
/// descriptor), "status-ready". What the callback throws makes CRIU give up.
using CriuNews = std::function<void(const std::string& name, int pid, std::vector<sys::Fd>& descriptors)>;

/// Runs \a request to its end. Descriptors 0 to 2 of this process are those CRIU works with. Throws Error with CRIU's
/// reason.
void run_criu(const CriuRequest& request, const CriuNews& news);

/// Restores: in a mount namespace of its own, which goes with it, CRIU finds the root file system and everything it has
/// to bind, made from the steps of \a plan (that of create); the processes are born in \a cgroup, null for the
/// caller's. Returns the pid of the container's init, which this process's subreaper (itself, if it is one) becomes the
/// parent of.
/// \a scratch: a directory that CRIU has no use for; files that only gpurun knows are shown to it there.
int run_restore(const CriuRequest& request, const plan::Plan& plan, cgroup::Manager* cgroup, const std::string& scratch,
                const CriuNews& news);

/// Makes the root of \a pid read-only while CRIU still holds it back: CRIU saves no flags of the root (until its pull
/// request 2637). Throws Error.
void make_restored_root_readonly(int pid);

}  // namespace gpurun::engine
