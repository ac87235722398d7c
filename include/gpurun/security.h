#pragma once

#include <gpurun/fd.h>
#include <gpurun/spec.h>
#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

/// Capabilities, seccomp and LSM labels. Names become values in the host process (pure); applying happens in the
/// container process.
namespace gpurun::security {

/// Bit n is capability number n.
struct CapabilitySets {
    std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
    bool operator==(const CapabilitySets&) const = default;
};

/// Names that a config asks for in vain, for the warnings that config.md#linux-process demands.
struct Ungranted {
    std::vector<std::string> unknown;       ///< Not a capability, or not one of this kernel.
    std::vector<std::string> not_raisable;  ///< Ambient, but not inheritable and permitted as well (capabilities(7)).
};

/// Names to bits. What can't be granted is dropped and added once to \a ungranted. Pure.
CapabilitySets resolve(const spec::Capabilities& names, std::uint64_t known, Ungranted& ungranted);
/// The set of all capabilities this kernel has; two cheap system calls.
std::uint64_t known_capabilities();
/// The bit of "CAP_NET_RAW" (prefix and case optional); -1 when unknown. `capability_names` lists all for `features`.
int capability_number(const std::string& name);
std::vector<std::string> capability_names();
/// "CAP_CHOWN CAP_KILL": the names of the bits in \a set, for messages.
std::string describe_capabilities(std::uint64_t set);

/// Drops every capability that is not in \a bounding from the bounding set. Needs CAP_SETPCAP unless nothing is left to
/// drop. Runs in the container.
void drop_bounding(std::uint64_t bounding);
/// Sets permitted, effective, inheritable, then ambient. Bits that this process does not hold are dropped with one
/// warning that names them (config.md#linux-process: what can't be granted MUST be warned about). \a kept: what stays
/// permitted and effective besides, where it is held. Returns the sets without it, for `set_exactly`. Runs in the
/// container, after setuid with keep-caps.
CapabilitySets apply(const CapabilitySets& sets, std::uint64_t kept = 0);
/// One capset, nothing else: for use behind a seccomp filter. Throws Error("capset").
void set_exactly(const CapabilitySets& sets);

/// A compiled profile. Empty program: no seccomp.
struct Filter {
    std::vector<sock_filter> program;
    std::uint32_t flags = 0;  ///< SECCOMP_FILTER_FLAG_…
    bool notifies = false;    ///< A rule has SCMP_ACT_NOTIFY: loading gives a listener.
};

/// config-linux.md#seccomp → BPF by our own generator: ranges merged, binary search by syscall number, one part per
/// architecture; a syscall newer than all in the profile gives ENOSYS as in runc. Pure. Throws Error naming the rule
/// for invalid profiles.
Filter compile(const spec::Seccomp& profile);
/// A filter as bytes, which mean something on this machine only, and back. Throws Error for bytes that are no filter.
std::string to_bytes(const Filter& filter);
Filter from_bytes(std::string_view bytes);
/// The names in \a profile that are no system calls of any architecture gpurun is built for. Pure.
std::vector<std::string> unknown_calls(const spec::Seccomp& profile);

/// Loads the filter into this process by one system call; returns the listener when it notifies, which gets the lowest
/// number that is free. Runs in the container, with no_new_privs or CAP_SYS_ADMIN.
sys::Fd load(const Filter& filter);

/// The flags of linux.seccomp that this kernel supports, for `features`; what gpurun knows is in spec/seccomp_names.h.
std::vector<std::string> supported_seccomp_flags();

enum class Lsm { none, apparmor, selinux };
/// The LSM that can label processes on this host. Runs in the host process: it reads /sys.
Lsm active_lsm();
/// \a label if \a wanted is the active LSM; else warns that it is ignored and returns "". Asks nothing when the label
/// is empty.
std::string usable_label(Lsm wanted, const std::string& label);

/// What the next execve of this thread gets, and what it creates from now on. \a proc: a private procfs of the
/// process's own pid namespace (CVE-2019-16884, CVE-2025-52881: never the container's /proc). Run in the container;
/// throw Error naming profile or label.
void set_apparmor_profile(sys::FdRef proc, const std::string& profile);
void set_selinux_label(sys::FdRef proc, const std::string& label);
/// Keys (the session keyring) made by this thread get \a label; "" resets.
void set_selinux_key_label(sys::FdRef proc, const std::string& label);
/// Sockets made by this thread get \a label; "" resets.
void set_selinux_socket_label(sys::FdRef proc, const std::string& label);

}  // namespace gpurun::security
