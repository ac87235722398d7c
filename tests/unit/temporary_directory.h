#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include <gpurun/error.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::test {

/// A directory of its own below /tmp, removed with everything in it at the end of the scope.
class TemporaryDirectory {
 public:
    TemporaryDirectory() {
        char name[] = "/tmp/gpurun-test-XXXXXX";
        if (::mkdtemp(name) == nullptr) throw Error("mkdtemp");
        path_ = name;
    }
    ~TemporaryDirectory() {
        ::nftw(
            path_.c_str(), [](const char* path, const struct stat*, int, struct FTW*) { return ::remove(path); }, 16,
            FTW_DEPTH | FTW_PHYS);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

    /// Writes a file (with its directories) and returns its path.
    std::string write(std::string_view name, std::string_view content, unsigned mode = 0644) const {
        const std::string path = *this / name;
        sys::make_directories(std::string(parent_of(path)));
        sys::write_all(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, mode), content, path);
        return path;
    }
    /// Makes a symbolic link (with its directories).
    void link(std::string_view name, const std::string& target) const {
        const std::string path = *this / name;
        sys::make_directories(std::string(parent_of(path)));
        if (::symlink(target.c_str(), path.c_str()) != 0) throw Error(errno, "symlink " + path);
    }

 private:
    std::string path_;
};

}  // namespace gpurun::test
