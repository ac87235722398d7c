#pragma once

#include <gpurun/spec.h>
#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys/fd.h"

/// Capabilities, seccomp and LSM labels. Names become values in the host process (pure); applying happens in the container process.
namespace gpurun::security {

/// Bit n is capability number n.
struct CapabilitySets {
    std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
    bool operator==(const CapabilitySets&) const = default;
};

/// Names to bits. Unknown names and those above \a last (the kernel's last capability) are dropped and added to \a unknown (a MUST warn
/// of config.md); ambient is cut to inheritable ∩ permitted.
CapabilitySets resolve(const spec::Capabilities& names, std::uint64_t known, std::vector<std::string>& unknown);
/// The bit of "CAP_NET_RAW" (prefix and case optional); nothing when unknown. `names()` lists all for `features`.
int capability_number(const std::string& name);
std::vector<std::string> capability_names();

/// Drops every capability that is not in \a sets from the bounding set. Needs CAP_SETPCAP. Runs in the container.
void drop_bounding(std::uint64_t bounding);
/// Sets permitted, effective, inheritable, then ambient. Bits that this process does not hold are dropped (a debug message names them).
/// Runs in the container, after setuid with keep-caps.
void apply(const CapabilitySets& sets);

/// A compiled profile. Empty program: no seccomp.
struct Filter {
    std::vector<sock_filter> program;
    std::uint32_t flags = 0;  ///< SECCOMP_FILTER_FLAG_…
    bool notifies = false;    ///< A rule has SCMP_ACT_NOTIFY: loading gives a listener.
};

/// config-linux.md#seccomp → BPF by our own generator: ranges merged, binary search by syscall number, one part per architecture; a
/// syscall newer than all in the profile gives ENOSYS as in runc. Pure. Throws Error naming the rule for invalid profiles.
Filter compile(const spec::Seccomp& profile);

/// Loads the filter into this process; returns the listener when it notifies. Runs in the container.
sys::Fd load(const Filter& filter);

/// Flags gpurun knows, and those this kernel supports; for `features`.
std::vector<std::string> seccomp_flags();
std::vector<std::string> seccomp_actions();
std::vector<std::string> seccomp_operators();
std::vector<std::string> seccomp_architectures();

enum class Lsm { none, apparmor, selinux };
/// The LSM that can label processes on this host.
Lsm active_lsm();

}  // namespace gpurun::security
