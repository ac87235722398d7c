#pragma once

#include <sys/types.h>

namespace gpurun::helper {

/// The first process of a scope, which cannot be made empty. It stays until another process has come into the scope or
/// the caller of the helper has gone; ended with this object unless left.
class ScopeHolder {
 public:
    /// Forks: there may be no connection yet, which must not be shared. Throws Error. Not \a wanted: there is none.
    explicit ScopeHolder(bool wanted);
    ~ScopeHolder();
    ScopeHolder(const ScopeHolder&) = delete;
    ScopeHolder& operator=(const ScopeHolder&) = delete;
    /// -1: none.
    pid_t pid() const { return pid_; }
    void leave() { pid_ = -1; }

 private:
    pid_t pid_ = -1;
};

}  // namespace gpurun::helper
