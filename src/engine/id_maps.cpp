#include "engine/id_maps.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

std::string map_text(const std::vector<spec::IdMapping>& mappings) {
    std::string text;
    for (const auto& mapping : mappings)
        text += format("{} {} {}\n", mapping.container_id, mapping.host_id, mapping.size);
    return text;
}

// Engines start us without PATH.
std::string find_helper(const std::string& name) {
    for (const char* directory : {"/usr/bin/", "/usr/local/bin/", "/bin/", "/usr/sbin/"})
        if (sys::exists(directory + name)) return directory + name;
    throw Error(format("{} is needed to map more than one id without root; install the uidmap package", name));
}

void map_by_helper(const std::string& name, int pid, const std::vector<spec::IdMapping>& mappings) {
    sys::Program program{.path = find_helper(name), .arguments = {name, std::to_string(pid)}};
    for (const auto& mapping : mappings)
        for (const auto number : {mapping.container_id, mapping.host_id, mapping.size})
            program.arguments.push_back(std::to_string(number));
    const auto finished = sys::run_program(program);
    if (finished.exit_code != 0) throw Error(format("{} failed: {}", name, finished.output));
}

bool is_own_id(const std::vector<spec::IdMapping>& mappings, unsigned id) {
    return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == id;
}

void write_map(sys::FdRef proc, int pid, const char* file, const std::vector<spec::IdMapping>& mappings) {
    sys::write_file_at(proc, format("{}/{}", pid, file), map_text(mappings));
}

}  // namespace

void write_id_maps(sys::FdRef proc, int pid, const plan::step::MapIds& step) {
    if (!step.rootless) {
        write_map(proc, pid, "uid_map", step.uids);
        write_map(proc, pid, "gid_map", step.gids);
        return;
    }
    if (is_own_id(step.uids, ::geteuid()) ||
        sys::try_write_file_at(proc, format("{}/uid_map", pid), map_text(step.uids)) != 0) {
        if (is_own_id(step.uids, ::geteuid()))
            write_map(proc, pid, "uid_map", step.uids);
        else
            map_by_helper("newuidmap", pid, step.uids);
    }
    if (is_own_id(step.gids, ::getegid())) {
        // CVE-2014-8989: an unprivileged gid map needs setgroups denied first.
        sys::try_write_file_at(proc, format("{}/setgroups", pid), "deny");
        write_map(proc, pid, "gid_map", step.gids);
    } else if (sys::try_write_file_at(proc, format("{}/gid_map", pid), map_text(step.gids)) != 0) {
        map_by_helper("newgidmap", pid, step.gids);
    }
}

sys::Fd mapping_namespace(sys::FdRef proc, const std::vector<spec::IdMapping>& uids,
                          const std::vector<spec::IdMapping>& gids) {
    auto [near, far] = sys::socket_pair();
    const sys::Child child = sys::clone({.flags = CLONE_NEWUSER});
    if (child.pid == 0) {
        // This process is hidden from ptrace and so from its own parent's writes to its maps; its child holds nothing
        // to be hidden.
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        far.reset();
        for (;;) ::pause();
    }
    far.reset();
    const ScopeExit end([&child] {
        sys::try_signal(child.pidfd, SIGKILL);
        sys::wait_for(child.pid);
    });
    static_cast<void>(sys::receive_message(near));
    write_map(proc, child.pid, "uid_map", uids);
    write_map(proc, child.pid, "gid_map", gids);
    return sys::open_at(proc, format("{}/ns/user", child.pid), O_RDONLY);
}

void map_mount_ids(sys::FdRef proc, sys::FdRef mount, const plan::step::Mount& step, sys::FdRef user) {
    if (step.uids.empty() && !user)
        throw Error("idmap needs uidMappings and gidMappings, of the mount or of the container's user namespace");
    const sys::Fd made = step.uids.empty() ? sys::Fd() : mapping_namespace(proc, step.uids, step.gids);
    const bool recursive = step.options.id_map == spec::IdMap::recursive;
    const int failure = sys::try_set_mount_attributes(
        mount, {.set = MOUNT_ATTR_IDMAP, .user_namespace = made ? made.ref() : user}, recursive);
    if (failure == EINVAL) throw Error(failure, "mount_setattr: this kernel can't map the ids of that file system");
    if (failure != 0) throw Error(failure, "mount_setattr");
}

sys::Fd try_open_bind(const plan::step::Mount& step) noexcept {
    try {
        return sys::clone_tree(step.mount.source, step.options.bind == spec::Bind::recursive);
    } catch (const Error&) {
        return sys::Fd();
    }
}

sys::Fd make_mapped_mount(sys::FdRef proc, const plan::step::Mount& step, sys::FdRef user) {
    sys::Fd mount =
        step.options.bind != spec::Bind::none
            ? sys::clone_tree(step.mount.source, step.options.bind == spec::Bind::recursive)
            : sys::new_mount(step.mount.type, step.mount.source, step.options.flags, join(step.options.data, ","));
    map_mount_ids(proc, mount, step, user);
    return mount;
}

}  // namespace gpurun::engine
