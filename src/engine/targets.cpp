#include "engine/targets.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::engine {

sys::Fd directory_at(sys::FdRef root, const std::string& path, bool* made) {
    return sys::make_directories_in(root, path, 0755, made);
}

Place place_at(sys::FdRef root, const std::string& path) {
    sys::Fd directory = sys::make_directories_in(root, parent_of(path).empty() ? "/" : parent_of(path));
    const sys::FdRef borrowed = directory;
    return {std::move(directory), borrowed, std::string(base_name(path))};
}

sys::Fd file_at(sys::FdRef root, const std::string& path) {
    constexpr int most_links = 40;
    std::string wanted = path;
    for (int links = 0; links < most_links; ++links) {
        if (sys::Fd there = sys::try_open_at(root, wanted, O_PATH, sys::Resolve::in_root)) return there;
        if (errno != ENOENT) throw Error(errno, "open " + wanted);
        const Place place = place_at(root, wanted);
        if (sys::Fd made = sys::try_open_at(place.directory, place.name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                            sys::Resolve::anywhere, 0644))
            return made;
        const int failure = errno;
        const auto link = sys::try_read_link(place.directory, place.name);
        if (!link) throw Error(failure, "create " + wanted);
        wanted = clean_path(link->starts_with('/') ? *link : format("{}/{}", parent_of(wanted), *link));
    }
    throw Error(ELOOP, "open " + path);
}

}  // namespace gpurun::engine
