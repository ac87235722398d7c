#include "sys/own_program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>

#include "sys/file.h"

namespace gpurun::sys {
namespace {

constexpr std::string_view mark = "gpurun:";
constexpr std::size_t longest_name = 249;  // NAME_MAX without "memfd:"

// The file at \a path is the one that this process executes, whatever mount it was reached by.
bool is_own(const std::string& path) {
    struct stat there {
    }, self{};
    return path.starts_with('/') && ::stat(path.c_str(), &there) == 0 && ::stat("/proc/self/exe", &self) == 0 &&
           S_ISREG(there.st_mode) && there.st_dev == self.st_dev && there.st_ino == self.st_ino;
}

}  // namespace

std::string own_program() {
    constexpr std::string_view memory = "/memfd:", deleted = " (deleted)";
    std::string self = try_read_link(FdRef(AT_FDCWD), "/proc/self/exe").value_or("");
    if (self.starts_with(memory)) {
        self.erase(0, memory.size());
        if (self.ends_with(deleted)) self.erase(self.size() - deleted.size());
        return self.starts_with(mark) ? self.substr(mark.size()) : "";
    }
    if (is_own(self)) return self;
    // Run from a mount without a namespace, where no path leads to.
    const std::string told = program_invocation_name;
    return is_own(told) ? told : "";
}

std::string copy_name(const std::string& program) {
    const bool fits = program.starts_with('/') && mark.size() + program.size() <= longest_name;
    return std::string(mark) + (fits ? program : "");
}

}  // namespace gpurun::sys
