#pragma once

#include <linux/filter.h>

#include <vector>

#include "security/seccomp_rules.h"

namespace gpurun::security {

/// The filter's program: one binary search over ranges of numbers with equal answers per audit architecture, leaves
/// return or test arguments. Any architecture that is not in \a rules kills the thread.
std::vector<sock_filter> generate(const ProfileRules& rules);

}  // namespace gpurun::security
