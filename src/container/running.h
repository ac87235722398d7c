#pragma once

#include <gpurun/spec.h>
#include <gpurun/state.h>

#include <string>
#include <string_view>

namespace gpurun::container {

/// A running container that is changed from outside: locked, its init held by a pidfd.
struct Running {
    state::LockedRecord locked;
    sys::Fd process;
    spec::Spec config;
    bool user_namespace = false;  ///< Of its own.
};

/// \a hosts says what would be the host's without a mount namespace: "/dev is". Throws Error when the container does
/// not run or has none.
Running lock_running(const state::Store& store, const std::string& id, std::string_view hosts);

}  // namespace gpurun::container
