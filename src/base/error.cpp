#include <gpurun/error.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/table.h"

namespace gpurun {
namespace {

// Texts where musl's strerror differs from what Go prints and Docker, Podman and CRI-O match on.
constexpr Name<int> go_texts[] = {
    {"no such process", ESRCH},
    {"no such device or address", ENXIO},
    {"resource temporarily unavailable", EAGAIN},
    {"cannot allocate memory", ENOMEM},
    {"device or resource busy", EBUSY},
    {"invalid cross-device link", EXDEV},
    {"too many open files in system", ENFILE},
    {"too many open files", EMFILE},
    {"numerical result out of range", ERANGE},
    {"file name too long", ENAMETOOLONG},
    {"too many levels of symbolic links", ELOOP},
    {"bad address", EFAULT},
    {"bad file descriptor", EBADF},
    {"operation not supported", EOPNOTSUPP},
    {"function not implemented", ENOSYS},
    {"no child processes", ECHILD},
    {"text file busy", ETXTBSY},
    {"invalid argument", EINVAL},
};

}  // namespace

std::string errno_text(int errno_value) {
    if (const auto known = name_of(go_texts, errno_value)) return std::string(*known);
    std::string text = std::strerror(errno_value);
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

std::string Error::text() const { return code == 0 ? message : message + ": " + errno_text(code); }

Error with_context(std::string_view context, Error error) {
    error.message.insert(0, ": ");
    error.message.insert(0, context);
    return error;
}

}  // namespace gpurun
