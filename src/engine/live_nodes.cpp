#include "engine/live_nodes.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "base/text.h"
#include "engine/channel.h"
#include "engine/container_side.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

bool has_option(const spec::Mount& mount, std::string_view option) {
    return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

// A detached bind of a host path: opened where the host's paths still are what they say.
sys::Fd detached(const spec::Mount& mount) {
    sys::Fd tree = sys::clone_tree(mount.source, false);
    std::uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    if (has_option(mount, "ro")) set |= MOUNT_ATTR_RDONLY;
    if (has_option(mount, "nodev")) set |= MOUNT_ATTR_NODEV;
    sys::set_mount_attributes(tree, {.set = set, .propagation = MS_PRIVATE}, false);
    return tree;
}

sys::Fd detached_as_asked(const spec::Mount& mount) {
    const auto options = spec::parse_mount_options(mount);
    sys::Fd tree = sys::clone_tree(mount.source, options.bind == spec::Bind::recursive);
    sys::set_propagation(tree, MS_PRIVATE | MS_REC);
    sys::set_mount_attributes(tree, {.set = options.attr_set, .clear = options.attr_clear}, false);
    if (options.recursive_set != 0 || options.recursive_clear != 0)
        sys::set_mount_attributes(tree, {.set = options.recursive_set, .clear = options.recursive_clear}, true);
    for (const auto flags : options.propagation) sys::set_propagation(tree, flags);
    return tree;
}

// Made inside: it belongs to the container's user namespace.
sys::Fd new_tmpfs(const spec::Mount& mount) {
    const auto options = spec::parse_mount_options(mount);
    return sys::new_mount("tmpfs", mount.source, options.flags, join(options.data, ","));
}

/// The work inside: remembers what it made.
class Inside {
 public:
    explicit Inside(ContainerSide& side) : side_(side) {}

    void make(const spec::Device& device) {
        const Place place = place_at(side_.root, clean_path(device.path));
        const bool there = sys::try_stat(place.directory, place.name, AT_SYMLINK_NOFOLLOW).has_value();
        make_device(side_, {.device = device, .bind = false});
        if (!there) made_.push_back(device);
    }

    void bind(const spec::Mount& mount, sys::FdRef tree) {
        const std::string path = clean_path(mount.destination);
        const bool directory = S_ISDIR(sys::stat_fd(tree).st_mode);
        sys::attach_tree(tree, directory ? directory_at(side_.root, path) : file_at(side_.root, path));
        bound_.push_back(path);
    }

    void remove(const spec::Device& device) const {
        const Place place = place_at(side_.root, clean_path(device.path));
        const auto facts = sys::try_stat(place.directory, place.name, AT_SYMLINK_NOFOLLOW);
        if (!facts || !is(*facts, device)) return;
        detach(place.directory, place.name);
        if (::unlinkat(place.directory.get(), place.name.c_str(), 0) != 0 && errno != ENOENT)
            throw Error(errno, "unlink " + device.path);
    }

    void unbind(const std::string& path) const {
        const sys::Fd folder =
            sys::try_open_at(side_.root, std::string(parent_of(path)), O_PATH | O_DIRECTORY, sys::Resolve::in_root);
        if (!folder) return;
        const std::string name(base_name(path));
        detach(folder, name);
        ::unlinkat(folder.get(), name.c_str(), AT_REMOVEDIR);
    }

    void unmount(const std::string& path) const {
        const sys::Fd folder =
            sys::open_at(side_.root, std::string(parent_of(path)), O_PATH | O_DIRECTORY, sys::Resolve::in_root);
        detach(folder, std::string(base_name(path)));
    }

    void undo() const noexcept {
        try {
            for (const auto& path : bound_) unbind(path);
            for (const auto& device : made_) remove(device);
        } catch (...) {
            // The failure that is being reported matters more.
        }
    }

 private:
    static bool is(const struct stat& facts, const spec::Device& device) {
        return S_ISCHR(facts.st_mode) &&
               facts.st_rdev == makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    }

    // umount2 knows paths only: the last component below the directory that was opened.
    static void detach(sys::FdRef directory, const std::string& name) {
        if (::fchdir(directory.get()) != 0) throw Error(errno, "fchdir");
        if (::umount2(name.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
            throw Error(errno, "umount " + name);
    }

    ContainerSide& side_;
    std::vector<spec::Device> made_;
    std::vector<std::string> bound_;
};

void carry_out(sys::FdRef process, bool user_namespace, const NodeChanges& changes) {
    std::vector<sys::Fd> trees;
    for (const auto& mount : changes.bind) trees.push_back(detached(mount));
    for (const auto& mount : changes.mount)
        trees.push_back(mount.type == "tmpfs" ? sys::Fd() : detached_as_asked(mount));
    std::vector<spec::Mount> binds = changes.bind;
    binds.insert(binds.end(), changes.mount.begin(), changes.mount.end());
    ::umask(0);
    sys::enter_namespace(process, CLONE_NEWNS | (user_namespace ? CLONE_NEWUSER : 0), "of the container");
    if (user_namespace) become_root({});
    ContainerSide side;
    side.root = sys::open("/", O_PATH | O_DIRECTORY);
    Inside inside(side);
    try {
        for (const auto& device : changes.make) inside.make(device);
        for (std::size_t i = 0; i < trees.size(); ++i) {
            if (!trees[i]) trees[i] = new_tmpfs(binds[i]);
            inside.bind(binds[i], trees[i]);
        }
        for (const auto& device : changes.remove) inside.remove(device);
        for (const auto& path : changes.unbind) inside.unbind(clean_path(path));
        for (const auto& path : changes.unmount) inside.unmount(clean_path(path));
    } catch (...) {
        inside.undo();
        throw;
    }
}

}  // namespace

void change_nodes(sys::FdRef process, bool user_namespace, const NodeChanges& changes) {
    if (changes.empty()) return;
    auto [near, far] = sys::socket_pair();
    const sys::Child child = sys::clone({});
    if (child.pid == 0) {
        near.reset();
        try {
            carry_out(process, user_namespace, changes);
            say(far, Say::passed, plan::Barrier::ready, 0, {});
        } catch (const Error& error) {
            say(far, Say::failed, plan::Barrier::ready, error.code, error.message);
        } catch (const std::exception& error) {
            say(far, Say::failed, plan::Barrier::ready, 0, error.what());
        }
        ::_exit(0);
    }
    far.reset();
    const auto said = hear(near);
    sys::wait_for(child.pid);
    if (!said) throw Error("the process that was to change the container's device nodes died");
    if (said->what == Say::failed) throw Error(said->number, said->text);
}

}  // namespace gpurun::engine
