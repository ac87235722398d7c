#include "container/facts.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"
#include "sys/process.h"

namespace gpurun::container {
namespace {

// What we were given is not close-on-exec; what is, is a descriptor of ours.
bool was_given(int fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

}  // namespace

plan::Host probe_host() {
    plan::Host host;
    host.privileged_namespace = sys::in_initial_user_namespace();
    host.rootless = ::geteuid() != 0 || !host.privileged_namespace;
    host.known_capabilities = security::known_capabilities();
    host.lsm = security::active_lsm();
    return host;
}

int preserved_fds(int asked, std::vector<std::string>& env) {
    int listening = 0;
    if (const char* text = std::getenv("LISTEN_FDS")) {
        listening = parse_number<int>(text).value_or(0);
        if (listening > 0) {
            env.push_back(format("LISTEN_FDS={}", listening));
            env.push_back("LISTEN_PID=1");
            if (const char* names = std::getenv("LISTEN_FDNAMES")) env.push_back(format("LISTEN_FDNAMES={}", names));
        }
    }
    if (asked < 0) throw Error(format("invalid value {} for flag --preserve-fds: want 0 or more", asked));
    const int wanted = std::max(listening, 0) + asked;
    int given = 0;
    while (given < wanted && was_given(3 + given)) ++given;
    // Callers may ask for more than they have, as with crun, but not for nothing. What follows a gap is not passed on:
    // in the gap descriptors of ours will lie.
    if (asked > 0 && given <= std::max(listening, 0))
        throw Error(
            format("--preserve-fds: please check that preserved-fd 0 (of {}) is present: descriptor {} is not open",
                   asked, 3 + given));
    if (given < wanted) log::warning("{} descriptors are to be passed on, {} are open from 3 on", wanted, given);
    return given;
}

std::unique_ptr<cgroup::Manager> manager_of(const state::Record& record) { return cgroup::manager(record.cgroup); }

spec::Status current_status(const state::Store& store, const state::Record& record) {
    const auto status = state::status_of(store, record);
    if (status != spec::Status::running && status != spec::Status::created) return status;
    return manager_of(record)->is_frozen() ? spec::Status::paused : status;
}

}  // namespace gpurun::container
