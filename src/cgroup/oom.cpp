#include <fcntl.h>
#include <gpurun/cgroup.h>
#include <gpurun/error.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cgroup/parse.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

const Directory& memory_directory(const Location& location) {
    for (const auto& directory : location.directories) {
        const auto& names = directory.controllers;
        if (location.layout == Layout::v2 || std::find(names.begin(), names.end(), "memory") != names.end())
            return directory;
    }
    throw Error("the container has no memory cgroup, so nothing tells of its OOM kills");
}

}  // namespace

OomWatch::OomWatch(const Location& location) {
    const std::string& path = memory_directory(location).path;
    if (location.layout == Layout::v2) {
        file_ = path + "/memory.events";
        notifier_ = sys::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        // The file is modified at each event; its inode goes away with the cgroup.
        if (!notifier_ || ::inotify_add_watch(notifier_.get(), file_.c_str(), IN_MODIFY | IN_DELETE_SELF) < 0)
            throw Error(errno, "watch " + file_);
    } else {
        file_ = path + "/memory.oom_control";
        control_ = sys::open(file_, O_RDONLY);
        notifier_ = sys::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!notifier_) throw Error(errno, "eventfd");
        sys::write_file(path + "/cgroup.event_control", format("{} {}", notifier_.get(), control_.get()));
    }
    seen_ = kills();
}

std::uint64_t OomWatch::kills() const {
    const auto text = sys::try_read_file(file_);
    return parse_number<std::uint64_t>(flat_value(text.value_or(""), "oom_kill")).value_or(0);
}

OomWatch::News OomWatch::next() {
    // What was announced is read from the file: events may have been merged, and removal announces itself the same way.
    char announcements[4096];
    const auto got = ::read(notifier_.get(), announcements, sizeof announcements);
    if (!sys::exists(file_)) return News::gone;
    const auto now = kills();
    const bool more = now > std::exchange(seen_, now);
    // v1 announces an OOM also when the killer is off and the process waits, which no counter shows.
    return more || (control_ && got > 0) ? News::oom : News::none;
}

}  // namespace gpurun::cgroup
