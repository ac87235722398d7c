#include "helper/sandbox.h"

#include <gpurun/error.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace gpurun::helper {
namespace {

void limit(__rlimit_resource resource, rlim_t value, const char* name) {
    const rlimit both{value, value};
    if (::setrlimit(resource, &both) != 0) throw Error(errno, name);
}

void drop_capabilities() {
    // The bounding set first: dropping it needs CAP_SETPCAP. EINVAL: past the last capability of this kernel.
    for (unsigned long number = 0; number < 64; ++number)
        if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0 && errno == EINVAL) break;
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0) throw Error(errno, "capset");
}

}  // namespace

void enter_sandbox(unsigned seconds) {
    ::alarm(seconds);
    // Without root there is nothing to leave; the driver needs neither network nor shared memory.
    ::unshare(CLONE_NEWNET | CLONE_NEWIPC);
    drop_capabilities();
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw Error(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit(RLIMIT_CORE, 0, "setrlimit(RLIMIT_CORE)");
    limit(RLIMIT_FSIZE, 1u << 20, "setrlimit(RLIMIT_FSIZE)");
    limit(RLIMIT_CPU, seconds, "setrlimit(RLIMIT_CPU)");
}

}  // namespace gpurun::helper
