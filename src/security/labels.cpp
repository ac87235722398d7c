#include <gpurun/error.h>
#include <gpurun/security.h>
#include <sys/vfs.h>

#include <cerrno>

#include "base/log.h"
#include "sys/file.h"

namespace gpurun::security {
namespace {

constexpr unsigned long selinux_magic = 0xf97cff8c;

bool apparmor_enabled() {
    const auto parameter = sys::try_read_file("/sys/module/apparmor/parameters/enabled", 16);
    return parameter && parameter->starts_with('Y');
}

bool selinux_enabled() {
    struct statfs facts {};
    return ::statfs("/sys/fs/selinux", &facts) == 0 && static_cast<std::uint32_t>(facts.f_type) == selinux_magic;
}

// thread-self, not self: attributes belong to the thread, and the caller need not be the thread group's leader.
int write_attribute(sys::FdRef proc, const char* name, const std::string& value) {
    return sys::try_write_file_at(proc, std::string("thread-self/attr/") + name, value, sys::Resolve::beneath);
}

}  // namespace

Lsm active_lsm() {
    if (apparmor_enabled()) return Lsm::apparmor;
    if (selinux_enabled()) return Lsm::selinux;
    return Lsm::none;
}

std::string usable_label(Lsm wanted, const std::string& label) {
    if (label.empty() || active_lsm() == wanted) return label;
    log::warning("{} \"{}\" is ignored: {} is not enabled on this host",
                 wanted == Lsm::apparmor ? "AppArmor profile" : "SELinux label", label,
                 wanted == Lsm::apparmor ? "AppArmor" : "SELinux");
    return {};
}

void set_apparmor_profile(sys::FdRef proc, const std::string& profile) {
    const std::string command = "exec " + profile;
    int failure = write_attribute(proc, "apparmor/exec", command);
    // Kernels before 5.8 have one set of attributes for all LSMs.
    if (failure == ENOENT) failure = write_attribute(proc, "exec", command);
    if (failure != 0)
        throw Error(failure, format("apply apparmor profile `{}`{}: write /proc/thread-self/attr/exec", profile,
                                    failure == ENOENT ? ": profile not loaded" : ""));
}

void set_selinux_label(sys::FdRef proc, const std::string& label) {
    if (const int failure = write_attribute(proc, "exec", label))
        throw Error(failure, format("apply SELinux label \"{}\": write /proc/thread-self/attr/exec", label));
}

void set_selinux_key_label(sys::FdRef proc, const std::string& label) {
    if (const int failure = write_attribute(proc, "keycreate", label))
        throw Error(failure, format("apply SELinux key label \"{}\": write /proc/thread-self/attr/keycreate", label));
}

void set_selinux_socket_label(sys::FdRef proc, const std::string& label) {
    if (const int failure = write_attribute(proc, "sockcreate", label))
        throw Error(failure,
                    format("apply SELinux socket label \"{}\": write /proc/thread-self/attr/sockcreate", label));
}

}  // namespace gpurun::security
