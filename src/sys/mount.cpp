#include "sys/mount.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::sys {
namespace {

constexpr std::size_t mount_data_limit = 4095;

int fsopen(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }

int fsconfig(int context, unsigned command, const char* key, const char* value) {
    return static_cast<int>(::syscall(SYS_fsconfig, context, command, key, value, 0));
}

int fsmount(int context, unsigned attributes) {
    return static_cast<int>(::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
}

unsigned attributes_of(std::uint64_t flags) {
    constexpr struct {
        unsigned long flag;
        unsigned attribute;
    } table[] = {{MS_RDONLY, MOUNT_ATTR_RDONLY},
                 {MS_NOSUID, MOUNT_ATTR_NOSUID},
                 {MS_NODEV, MOUNT_ATTR_NODEV},
                 {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
                 {MS_NOATIME, MOUNT_ATTR_NOATIME},
                 {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
                 {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME}};
    unsigned attributes = 0;
    for (const auto& [flag, attribute] : table)
        if ((flags & flag) != 0) attributes |= attribute;
    return attributes;
}

// The options of data, which commas part. Those in an SELinux context are quoted: context="a:b:c:s0:c1,c2".
std::vector<std::string> options_of(const std::string& data) {
    std::vector<std::string> options(1);
    bool quoted = false;
    for (const char c : data) {
        if (c == '"' && (quoted || options.back().ends_with("context=")))
            quoted = !quoted;
        else if (c == ',' && !quoted)
            options.emplace_back();
        else
            options.back() += c;
    }
    return options;
}

// What the kernel logged in a file system context about the call that failed: "tmpfs: Unknown parameter 'x'".
std::string complaint(FdRef context) {
    char text[256];
    const auto length = ::read(context.get(), text, sizeof text);
    if (length < 3) return {};
    return ": " + std::string(trim({text + 2, static_cast<std::size_t>(length) - 2}));  // Behind "e ".
}

}  // namespace

Fd new_mount(const std::string& type, const std::string& source, std::uint64_t flags, const std::string& data) {
    const Fd context(fsopen(type.c_str()));
    if (!context) throw Error(errno, "fsopen " + type);
    if (fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.empty() ? type.c_str() : source.c_str()) != 0)
        throw Error(errno, "fsconfig source=" + source);
    for (const auto& option : options_of(data)) {
        if (option.empty()) continue;
        const auto equals = option.find('=');
        const std::string key = option.substr(0, equals);
        const bool flag = equals == std::string::npos;
        const std::string value = flag ? std::string() : option.substr(equals + 1);
        if (fsconfig(context.get(), flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key.c_str(),
                     flag ? nullptr : value.c_str()) != 0)
            throw Error(errno, format("mount {}: option {}{}", type, option, complaint(context)));
    }
    if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0)
        throw Error(errno, format("mount {} with {}{}", type, data, complaint(context)));
    Fd mount(fsmount(context.get(), attributes_of(flags)));
    if (!mount) throw Error(errno, "fsmount " + type);
    return mount;
}

void mount_filesystem(const std::string& type, const std::string& source, FdRef target, unsigned long flags,
                      const std::string& data) {
    // mount(2) takes one page of options; overlay's lowerdir lists are longer.
    if (data.size() > mount_data_limit) return attach_tree(new_mount(type, source, flags, data), target);
    const char* from = source.empty() ? type.c_str() : source.c_str();
    if (::mount(from, proc_fd_path(target).c_str(), type.c_str(), flags, data.empty() ? nullptr : data.c_str()) == 0)
        return;
    const int failure = errno;
    // Asked one by one, the kernel says which option it does not take.
    if (failure == EINVAL && !data.empty()) new_mount(type, source, flags, data);
    throw Error(failure, data.empty() ? "mount " + type : format("mount {} with {}", type, data));
}

Fd clone_tree(FdRef source, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
    Fd tree(static_cast<int>(::syscall(SYS_open_tree, source.get(), "", flags)));
    if (!tree) throw Error(errno, "open_tree");
    return tree;
}

Fd clone_tree(const std::string& path, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u);
    Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
    if (!tree) throw Error(errno, "open_tree " + path);
    return tree;
}

namespace {

mount_attr to_kernel(const MountAttributes& attributes) {
    mount_attr attr{};
    attr.attr_set = attributes.set;
    attr.attr_clr = attributes.clear;
    attr.propagation = attributes.propagation;
    if (attributes.user_namespace) attr.userns_fd = static_cast<std::uint64_t>(attributes.user_namespace.get());
    return attr;
}

// Empty where the call is missing or refuses: the two calls it stands for then say why.
Fd try_clone_with_attributes(FdRef source, const char* path, unsigned flags, const MountAttributes& attributes) {
    constexpr long open_tree_attr = 467;
    static bool exists = true;
    if (!exists) return Fd();
    mount_attr attr = to_kernel(attributes);
    Fd tree(static_cast<int>(::syscall(open_tree_attr, source.get(), path, flags, &attr, sizeof attr)));
    if (!tree && errno == ENOSYS) exists = false;
    return tree;
}

unsigned clone_flags(bool recursive) { return OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u); }

}  // namespace

Fd clone_tree(FdRef source, bool recursive, const MountAttributes& attributes) {
    if (Fd tree = try_clone_with_attributes(source, "", clone_flags(recursive) | AT_EMPTY_PATH, attributes))
        return tree;
    Fd tree = clone_tree(source, recursive);
    set_mount_attributes(tree, attributes, recursive);
    return tree;
}

Fd clone_tree(const std::string& path, bool recursive, const MountAttributes& attributes) {
    if (Fd tree = try_clone_with_attributes(FdRef(AT_FDCWD), path.c_str(), clone_flags(recursive), attributes))
        return tree;
    Fd tree = clone_tree(path, recursive);
    set_mount_attributes(tree, attributes, recursive);
    return tree;
}

Fd try_clone_tree(FdRef source, bool recursive, const MountAttributes& attributes) {
    if (Fd tree = try_clone_with_attributes(source, "", clone_flags(recursive) | AT_EMPTY_PATH, attributes))
        return tree;
    Fd tree = clone_tree(source, recursive);
    errno = try_set_mount_attributes(tree, attributes, recursive);
    return errno == 0 ? std::move(tree) : Fd();
}

int try_set_mount_attributes(FdRef mount, const MountAttributes& attributes, bool recursive) noexcept {
    mount_attr attr = to_kernel(attributes);
    const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
    return ::syscall(SYS_mount_setattr, mount.get(), "", flags, &attr, sizeof attr) == 0 ? 0 : errno;
}

void set_mount_attributes(FdRef mount, const MountAttributes& attributes, bool recursive) {
    if (const int failure = try_set_mount_attributes(mount, attributes, recursive))
        throw Error(failure, "mount_setattr");
}

void attach_tree(FdRef tree, FdRef target) {
    if (::syscall(SYS_move_mount, tree.get(), "", target.get(), "",
                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        throw Error(errno, "move_mount");
}

void attach_tree(FdRef tree, FdRef target, const std::string& name) {
    if (::syscall(SYS_move_mount, tree.get(), "", target.get(), name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        throw Error(errno, "move_mount " + name);
}

int mount_id(FdRef file) {
    // statx(2) could tell it, but not to musl's <sys/stat.h>.
    const std::string facts = read_file(format("/proc/self/fdinfo/{}", file.get()));
    constexpr std::string_view name = "mnt_id:";
    for (const auto line : split(facts, '\n'))
        if (line.starts_with(name)) return parse_number<int>(trim(line.substr(name.size()))).value_or(-1);
    throw Error("/proc/self/fdinfo names no mount");
}

void set_propagation(const std::string& path, unsigned long flags) {
    if (::mount(nullptr, path.c_str(), nullptr, flags, nullptr) != 0) throw Error(errno, "set propagation of " + path);
}

void set_propagation(FdRef mount, unsigned long flags) {
    constexpr unsigned long recursive = MS_REC;
    set_mount_attributes(mount, {.propagation = flags & ~recursive}, (flags & recursive) != 0);
}

Fd private_procfs() {
    if (const Fd context(fsopen("proc")); context) {
        if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) == 0)
            if (Fd mount(fsmount(context.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)); mount)
                return mount;
    }
    return clone_tree("/proc", true);
}

}  // namespace gpurun::sys
