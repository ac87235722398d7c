#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace gpurun {

/// What went wrong: the kernel's errno (0 when no system call is behind it) and the call with its object, such as
/// `openat2(/dev)`. The only error channel of gpurun: thrown by `sys` and by validation, caught in main, at the
/// container process's entry and around hooks.
struct Error {
    int code = 0;
    std::string message;

    Error(int errno_value, std::string what) : code(errno_value), message(std::move(what)) {}
    explicit Error(std::string what) : message(std::move(what)) {}

    /// The whole sentence: message, then the errno's text after ": ". This is what users and engines read.
    std::string text() const;
};

/// The text engines match on: Go's lower-case wording, e.g. "no such file or directory", independent of the libc.
std::string errno_text(int errno_value);

/// Returns \a error with `context: ` in front of its message; for layers that know what was being done.
Error with_context(std::string_view context, Error error);

}  // namespace gpurun
