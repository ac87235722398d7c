#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "engine/container_side.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

mode_t type_bits(const std::string& type) { return type == "b" ? S_IFBLK : type == "p" ? S_IFIFO : S_IFCHR; }

bool matches(const struct stat& facts, const spec::Device& device) {
    if ((facts.st_mode & S_IFMT) != type_bits(device.type)) return false;
    return device.type == "p" ||
           facts.st_rdev == makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
}

// Most nodes go to /dev itself: it is opened once, after its mount, inside the root (CVE-2026-41579: /dev may be a
// link).
Place device_place(ContainerSide& side, const std::string& path) {
    const std::string_view name = base_name(path);
    if (parent_of(path) == "/dev") {
        if (!side.dev) side.dev = sys::make_directories_in(side.root, "/dev");
        return {sys::Fd(), side.dev, std::string(name)};
    }
    return place_at(side.root, path);
}

// A detached mount can be neither bound from nor cloned before Linux 6.15: it lies on /dev for that moment.
void take_prepared(ContainerSide& side) {
    auto& made = *side.made_devices;
    if (!side.dev) side.dev = sys::make_directories_in(side.root, "/dev");
    sys::attach_tree(made.tmpfs, side.dev);
    for (const auto& [path, name] : made.names)
        made.binds[path] = sys::clone_tree(sys::open_at(made.tmpfs, name, O_PATH | O_NOFOLLOW), false);
    if (::umount2(sys::proc_fd_path(made.tmpfs).c_str(), MNT_DETACH) != 0) throw Error(errno, "unmount tmpfs");
    made.tmpfs.reset();
}

// Empty: the host has one of its own.
sys::Fd prepared_device(ContainerSide& side, const std::string& path) {
    auto& made = *side.made_devices;
    if (!made.names.contains(path)) return sys::Fd();
    if (made.tmpfs) take_prepared(side);
    return std::move(made.binds.at(path));
}

void bind_device(ContainerSide& side, const Place& place, const spec::Device& device) {
    if (const sys::Fd prepared = prepared_device(side, device.path)) {
        sys::try_open_at(place.directory, place.name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, sys::Resolve::anywhere,
                         0644);
        return sys::attach_tree(prepared, sys::open_at(place.directory, place.name, O_PATH | O_NOFOLLOW));
    }
    const sys::Fd source = sys::open(device.path, O_PATH | O_NOFOLLOW);
    if (!matches(sys::stat_fd(source), device))
        throw Error(
            format("the host's {} is not device {} {}:{}", device.path, device.type, device.major, device.minor));
    const sys::Fd made = sys::try_open_at(place.directory, place.name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                          sys::Resolve::anywhere, 0644);
    const sys::Fd target = sys::open_at(place.directory, place.name, O_PATH | O_NOFOLLOW);
    if (!made && matches(sys::stat_fd(target), device)) return;
    if (::mount(sys::proc_fd_path(source).c_str(), sys::proc_fd_path(target).c_str(), nullptr, MS_BIND, nullptr) != 0)
        throw Error(errno, "bind " + device.path);
}

void make_node(const Place& place, const spec::Device& device) {
    const mode_t mode = type_bits(device.type) | device.file_mode.value_or(0666);
    const dev_t number =
        device.type == "p" ? 0 : makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    if (::mknodat(place.directory.get(), place.name.c_str(), mode, number) != 0) {
        if (errno != EEXIST) throw Error(errno, "mknod");
        const auto there = sys::try_stat(place.directory, place.name, AT_SYMLINK_NOFOLLOW);
        if (!there || !matches(*there, device)) throw Error(EEXIST, "another file is at the path of the device");
        if (::fchmodat(place.directory.get(), place.name.c_str(), mode & 07777, 0) != 0) throw Error(errno, "chmod");
    }
    const uid_t uid = device.uid.value_or(0);
    const gid_t gid = device.gid.value_or(0);
    if ((uid != 0 || gid != 0) &&
        ::fchownat(place.directory.get(), place.name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw Error(errno, "chown");
}

void bind_console(ContainerSide& side) {
    if (!side.dev) side.dev = sys::make_directories_in(side.root, "/dev");
    // O_NOFOLLOW: an image's /dev/console must not lead elsewhere (CVE-2026-88264).
    sys::try_open_at(side.dev, "console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, sys::Resolve::anywhere, 0620);
    const sys::Fd target = sys::open_at(side.dev, "console", O_PATH | O_NOFOLLOW);
    if (::mount(sys::proc_fd_path(side.terminal.slave).c_str(), sys::proc_fd_path(target).c_str(), nullptr, MS_BIND,
                nullptr) != 0)
        throw Error(errno, "bind /dev/console");
}

}  // namespace

PreparedDevices prepare_devices(const std::vector<spec::Device>& devices) {
    PreparedDevices made;
    for (const auto& device : devices) {
        const sys::Fd host = sys::try_open(device.path, O_PATH | O_NOFOLLOW);
        if (host && matches(sys::stat_fd(host), device)) continue;
        if (!made.tmpfs) made.tmpfs = sys::new_mount("tmpfs", "tmpfs", 0, "mode=755");
        const std::string name = std::to_string(made.names.size());
        make_node({sys::Fd(), made.tmpfs, name}, device);
        const mode_t mode = device.file_mode.value_or(0666) & 07777;
        if (::fchmodat(made.tmpfs.get(), name.c_str(), mode, 0) != 0) throw Error(errno, "chmod " + device.path);
        made.names[device.path] = name;
    }
    return made;
}

void make_device(ContainerSide& side, const plan::step::MakeDevice& step) {
    const Place place = device_place(side, clean_path(step.device.path));
    if (step.bind)
        bind_device(side, place, step.device);
    else
        make_node(place, step.device);
}

void make_link(ContainerSide& side, const plan::step::MakeLink& step) {
    const Place place = device_place(side, step.path);
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (::symlinkat(step.target.c_str(), place.directory.get(), place.name.c_str()) == 0) return;
        if (errno != EEXIST) throw Error(errno, "symlink");
        if (sys::try_read_link(place.directory, place.name) == step.target) return;
        // A mount over it, such as a bound /dev/ptmx, stays.
        if (::unlinkat(place.directory.get(), place.name.c_str(), 0) != 0) return;
    }
}

void open_terminal(ContainerSide& side, const plan::step::OpenTerminal& step) {
    // exec runs after setns: the root is already the container's.
    const sys::Fd pts = side.root ? sys::open_at(side.root, "/dev/pts", O_PATH | O_DIRECTORY, sys::Resolve::in_root)
                                  : sys::open("/dev/pts", O_PATH | O_DIRECTORY);
    side.terminal = sys::open_terminal(pts);
    if (step.size) sys::set_terminal_size(side.terminal.master, step.size->height, step.size->width);
    if (step.console) bind_console(side);
    if (side.console_socket)
        sys::send_message(side.console_socket, side.terminal.name, {side.terminal.master});
    else
        say(side.channel, Say::terminal, plan::Barrier::ready, 0, side.terminal.name, {side.terminal.master});
    side.terminal.master.reset();
}

void take_terminal(ContainerSide& side) {
    sys::take_terminal(side.terminal.slave);
    side.terminal.slave.reset();
}

}  // namespace gpurun::engine
