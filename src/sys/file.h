#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"

/// Files by (directory descriptor, path). Everything opened is O_CLOEXEC. Functions throw Error(errno, "call(path)");
/// the `try_` twins are noexcept and return an empty Fd with errno set.
namespace gpurun::sys {

/// How far a path below a directory may lead (openat2 RESOLVE_*).
enum class Resolve {
    anywhere,     ///< The caller's own file system; host paths only.
    in_root,      ///< As if the directory were the root: symbolic links and ".." stay inside, magic links are refused.
    beneath,      ///< Leaving the directory is an error (EXDEV), magic links are refused.
    no_symlinks,  ///< Beneath, and any symbolic link is an error (ELOOP).
};

/// Opens \a path below \a directory. Retries EAGAIN (a concurrent rename) a bounded number of times.
Fd open_at(FdRef directory, const std::string& path, int flags, Resolve resolve = Resolve::anywhere, unsigned mode = 0);
Fd try_open_at(FdRef directory, const std::string& path, int flags, Resolve resolve = Resolve::anywhere,
               unsigned mode = 0) noexcept;

/// Opens a path of the host, O_CLOEXEC added.
Fd open(const std::string& path, int flags, unsigned mode = 0);
Fd try_open(const std::string& path, int flags, unsigned mode = 0) noexcept;

/// The whole file, at most \a limit bytes (Error EFBIG beyond). Works on /proc and /sys files.
std::string read_file(const std::string& path, std::size_t limit = 64u << 20);
std::string read_file_at(FdRef directory, const std::string& path, Resolve resolve = Resolve::anywhere,
                         std::size_t limit = 64u << 20);
std::string read_all(FdRef file, std::string_view name, std::size_t limit = 64u << 20);
/// Nothing when the file can't be read, for facts that may be absent.
std::optional<std::string> try_read_file(const std::string& path, std::size_t limit = 64u << 20) noexcept;
std::optional<std::string> try_read_file_at(FdRef directory, const std::string& path,
                                            Resolve resolve = Resolve::anywhere,
                                            std::size_t limit = 64u << 20) noexcept;

/// One write(2) of \a text to an existing file (kernel files: cgroup, /proc, sysctl). No O_CREAT.
void write_file_at(FdRef directory, const std::string& path, std::string_view text,
                   Resolve resolve = Resolve::anywhere);
void write_file(const std::string& path, std::string_view text);
/// Returns 0 or the errno.
int try_write_file_at(FdRef directory, const std::string& path, std::string_view text,
                      Resolve resolve = Resolve::anywhere) noexcept;

/// Writes all of \a text. Throws on short writes that end in an error.
void write_all(FdRef file, std::string_view text, std::string_view name);

/// Replaces \a name in \a directory by temp file + rename.
void replace_file_at(FdRef directory, const std::string& name, std::string_view text, unsigned mode);

/// mkdir -p below \a root, each component with openat2 in the root; returns an O_PATH|O_DIRECTORY descriptor of the
/// last. Symbolic links inside are followed inside the root. New directories get \a mode; \a made tells whether the
/// last one is new.
Fd make_directories_in(FdRef root, std::string_view path, unsigned mode = 0755, bool* made = nullptr);
/// mkdir -p of a host path.
void make_directories(const std::string& path, unsigned mode = 0755);

/// Names in a directory without "." and "..", unsorted. Empty when it does not exist.
std::vector<std::string> list_directory(FdRef directory, const std::string& path, Resolve resolve = Resolve::anywhere);

/// statx basics without following a final link when \a flags has AT_SYMLINK_NOFOLLOW; nothing when absent.
std::optional<struct stat> try_stat(FdRef directory, const std::string& path, int flags = 0) noexcept;
struct stat stat_fd(FdRef file);

/// The target of a symbolic link; nothing when it is none.
std::optional<std::string> try_read_link(FdRef directory, const std::string& path) noexcept;

/// The file-system magic (statfs f_type) behind a descriptor.
std::uint64_t filesystem_magic(FdRef file);

/// "/proc/self/fd/N": for calls that take only a path.
std::string proc_fd_path(FdRef file);

/// True when the path exists (follows links).
bool exists(const std::string& path) noexcept;

}  // namespace gpurun::sys
