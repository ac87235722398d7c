#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <cerrno>

#include "base/scope.h"
#include "base/text.h"

namespace gpurun::sys {
namespace {

// A concurrent rename or mount below the directory makes openat2 answer EAGAIN; an attacker can keep that up, so it is
// bounded.
constexpr int max_attempts = 128;

std::uint64_t resolve_flags(Resolve resolve) {
    switch (resolve) {
        case Resolve::anywhere: return 0;
        case Resolve::in_root: return RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        case Resolve::beneath: return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        case Resolve::no_symlinks: return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    }
    return 0;
}

std::string describe(const char* call, FdRef directory, const std::string& path) {
    if (directory.get() == AT_FDCWD || path.starts_with('/')) return format("{} {}", call, path);
    return format("{} {}", call, path.empty() ? "." : path);
}

}  // namespace

Fd try_open_at(FdRef directory, const std::string& path, int flags, Resolve resolve, unsigned mode) noexcept {
    if (resolve == Resolve::anywhere) return Fd(::openat(directory.get(), path.c_str(), flags | O_CLOEXEC, mode));
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
    how.resolve = resolve_flags(resolve);
    const char* name = path.c_str();
    if (resolve != Resolve::in_root)
        while (*name == '/') ++name;
    if (*name == '\0') name = ".";
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
        const long fd = ::syscall(SYS_openat2, directory.get(), name, &how, sizeof how);
        if (fd >= 0) return Fd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return Fd();
}

Fd open_at(FdRef directory, const std::string& path, int flags, Resolve resolve, unsigned mode) {
    Fd fd = try_open_at(directory, path, flags, resolve, mode);
    if (!fd) throw Error(errno, describe("open", directory, path));
    return fd;
}

Fd try_open(const std::string& path, int flags, unsigned mode) noexcept {
    return try_open_at(FdRef(AT_FDCWD), path, flags, Resolve::anywhere, mode);
}

Fd open(const std::string& path, int flags, unsigned mode) {
    return open_at(FdRef(AT_FDCWD), path, flags, Resolve::anywhere, mode);
}

std::string read_all(FdRef file, std::string_view name, std::size_t limit) {
    // In the image and never cleared: most files are far smaller.
    static char chunk[32u << 10];
    std::string text;
    for (;;) {
        const auto got = ::read(file.get(), chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(errno, format("read {}", name));
        if (got == 0) return text;
        if (text.size() + static_cast<std::size_t>(got) > limit) throw Error(EFBIG, format("read {}", name));
        text.append(chunk, static_cast<std::size_t>(got));
    }
}

std::string read_file_at(FdRef directory, const std::string& path, Resolve resolve, std::size_t limit) {
    return read_all(open_at(directory, path, O_RDONLY, resolve), path, limit);
}

std::string read_file(const std::string& path, std::size_t limit) {
    return read_file_at(FdRef(AT_FDCWD), path, Resolve::anywhere, limit);
}

std::optional<std::string> try_read_file_at(FdRef directory, const std::string& path, Resolve resolve,
                                            std::size_t limit) noexcept {
    const Fd file = try_open_at(directory, path, O_RDONLY, resolve);
    if (!file) return std::nullopt;
    try {
        return read_all(file, path, limit);
    } catch (const Error& error) {
        errno = error.code;
        return std::nullopt;
    }
}

std::optional<std::string> try_read_file(const std::string& path, std::size_t limit) noexcept {
    return try_read_file_at(FdRef(AT_FDCWD), path, Resolve::anywhere, limit);
}

int try_write_file_at(FdRef directory, const std::string& path, std::string_view text, Resolve resolve) noexcept {
    const Fd file = try_open_at(directory, path, O_WRONLY, resolve);
    if (!file) return errno;
    for (;;) {
        if (::write(file.get(), text.data(), text.size()) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

void write_file_at(FdRef directory, const std::string& path, std::string_view text, Resolve resolve) {
    if (const int failure = try_write_file_at(directory, path, text, resolve))
        throw Error(failure, format("write \"{}\" to {}", text.substr(0, 80), path));
}

void write_file(const std::string& path, std::string_view text) { write_file_at(FdRef(AT_FDCWD), path, text); }

void write_all(FdRef file, std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const auto written = ::write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw Error(errno, format("write {}", name));
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void replace_file_at(FdRef directory, const std::string& name, std::string_view text, unsigned mode) {
    const std::string temporary = format("{}.{}.tmp", name, ::getpid());
    {
        const Fd file =
            open_at(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, Resolve::anywhere, mode);
        try {
            write_all(file, text, name);
        } catch (...) {
            ::unlinkat(directory.get(), temporary.c_str(), 0);
            throw;
        }
    }
    if (::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()) == 0) return;
    const int failure = errno;
    ::unlinkat(directory.get(), temporary.c_str(), 0);
    throw Error(failure, format("rename {}", name));
}

namespace {

// Makes the directory \a name in \a parent unless it is there; a symbolic link counts as there and is followed by the
// caller.
void make_directory(FdRef parent, const std::string& name, unsigned mode) {
    if (::mkdirat(parent.get(), name.c_str(), mode) != 0 && errno != EEXIST) throw Error(errno, "mkdir " + name);
}

// The usual case: only the last component is missing, and it is no dangling link.
Fd try_make_last(FdRef root, std::string_view path, unsigned mode) noexcept {
    const std::string_view name = base_name(path);
    if (name.empty() || name == "." || name == "..") return Fd();
    const Fd parent = try_open_at(root, std::string(parent_of(path)), O_PATH | O_DIRECTORY, Resolve::in_root);
    if (!parent) return Fd();
    const std::string last(name);
    if (::mkdirat(parent.get(), last.c_str(), mode) != 0) return Fd();
    return try_open_at(parent, last, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

}  // namespace

Fd make_directories_in(FdRef root, std::string_view path, unsigned mode, bool* made) {
    const std::string whole(path);
    if (made != nullptr) *made = false;
    if (Fd there = try_open_at(root, whole, O_PATH | O_DIRECTORY, Resolve::in_root)) return there;
    if (errno != ENOENT) throw Error(errno, "open " + whole);
    if (made != nullptr) *made = true;
    if (Fd last = try_make_last(root, path, mode)) return last;
    // Walk down: each existing component is resolved inside the root, each missing one is made in the directory just
    // opened.
    Fd parent = open_at(root, "/", O_PATH | O_DIRECTORY, Resolve::in_root);
    std::string walked;
    for (const auto part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        walked += '/';
        walked += part;
        Fd next = try_open_at(root, walked, O_PATH | O_DIRECTORY, Resolve::in_root);
        if (!next) {
            if (errno != ENOENT) throw Error(errno, "open " + walked);
            const std::string name(part);
            if (const auto link = try_read_link(parent, name)) {
                // A dangling link: make what it points to, inside the root.
                const std::string target =
                    link->starts_with('/') ? *link : std::string(parent_of(walked)) + "/" + *link;
                next = make_directories_in(root, clean_path(target), mode);
            } else {
                make_directory(parent, name, mode);
                next = open_at(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
            }
        }
        parent = std::move(next);
    }
    return parent;
}

void make_directories(const std::string& path, unsigned mode) {
    if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
    const std::string parent(parent_of(path));
    // A relative path has no parent left where the working directory itself is gone.
    if (errno != ENOENT || parent.empty()) throw Error(errno, "mkdir " + path);
    make_directories(parent, mode);
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw Error(errno, "mkdir " + path);
}

std::vector<std::string> list_directory(FdRef directory, const std::string& path, Resolve resolve) {
    std::vector<std::string> names;
    Fd fd = try_open_at(directory, path, O_RDONLY | O_DIRECTORY, resolve);
    if (!fd) {
        if (errno == ENOENT) return names;
        throw Error(errno, "open " + path);
    }
    DIR* stream = ::fdopendir(fd.get());
    if (stream == nullptr) throw Error(errno, "read directory " + path);
    static_cast<void>(fd.release());
    const ScopeExit close([&] { ::closedir(stream); });
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

std::optional<struct stat> try_stat(FdRef directory, const std::string& path, int flags) noexcept {
    struct stat facts {};
    if (::fstatat(directory.get(), path.c_str(), &facts, flags) != 0) return std::nullopt;
    return facts;
}

struct stat stat_fd(FdRef file) {
    struct stat facts {};
    if (::fstat(file.get(), &facts) != 0) throw Error(errno, "fstat");
    return facts;
}

std::optional<std::string> try_read_link(FdRef directory, const std::string& path) noexcept {
    char target[4096];
    const auto length = ::readlinkat(directory.get(), path.c_str(), target, sizeof target);
    if (length < 0) return std::nullopt;
    return std::string(target, static_cast<std::size_t>(length));
}

std::uint64_t filesystem_magic(FdRef file) {
    struct statfs facts {};
    if (::fstatfs(file.get(), &facts) != 0) throw Error(errno, "fstatfs");
    return static_cast<std::uint64_t>(facts.f_type);
}

std::string proc_fd_path(FdRef file) { return format("/proc/self/fd/{}", file.get()); }

bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace gpurun::sys
