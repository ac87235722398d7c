#pragma once

#include <gpurun/spec.h>

#include <string>
#include <vector>

#include "sys/fd.h"

namespace gpurun::engine {

/// What changes in the file system view of a container that runs.
struct NodeChanges {
    std::vector<spec::Device> make;    ///< mknod in the container.
    std::vector<spec::Mount> bind;     ///< Host paths bound in; what is missing at the destination is made.
    std::vector<spec::Mount> mount;    ///< Binds, and tmpfs, with the options asked for.
    std::vector<spec::Device> remove;  ///< Removed where it still is this device, a bound one with its mount.
    std::vector<std::string> unbind;   ///< Directories on which `bind` put something; absent ones are fine.
    std::vector<std::string> unmount;  ///< What `mount` put there; the mount point stays.
    bool empty() const {
        return make.empty() && bind.empty() && mount.empty() && remove.empty() && unbind.empty() && unmount.empty();
    }
};

/// Carries \a changes out in the mount namespace of \a process (a pidfd of the container's init), by a short-lived
/// child process that enters it, and its user namespace first when \a user_namespace. Every path is resolved below the
/// root directory that the child finds there; nothing of the container is executed. What was made is removed again when
/// a later one fails. Throws the child's Error.
void change_nodes(sys::FdRef process, bool user_namespace, const NodeChanges& changes);

}  // namespace gpurun::engine
