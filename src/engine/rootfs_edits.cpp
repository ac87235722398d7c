#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/container_side.h"
#include "engine/targets.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace gpurun::engine {
namespace {

constexpr const char* loader_cache = "/etc/ld.so.cache";

void make_symlink(const Place& place, const gpu::Link& link) {
    if (::symlinkat(link.target.c_str(), place.directory.get(), place.name.c_str()) == 0) return;
    if (errno != EEXIST) throw Error(errno, "symlink " + link.path);
    const auto there = sys::try_stat(place.directory, place.name, AT_SYMLINK_NOFOLLOW);
    if (there && S_ISDIR(there->st_mode)) throw Error(EISDIR, "symlink " + link.path);
    if (there && S_ISLNK(there->st_mode) && sys::try_read_link(place.directory, place.name) == link.target) return;
    // Replaced by rename: whoever looks meanwhile sees one or the other.
    const std::string temporary = format(".{}.{}", place.name, ::getpid());
    if (::symlinkat(link.target.c_str(), place.directory.get(), temporary.c_str()) != 0)
        throw Error(errno, "symlink " + link.path);
    if (::renameat(place.directory.get(), temporary.c_str(), place.directory.get(), place.name.c_str()) == 0) return;
    const int failure = errno;
    ::unlinkat(place.directory.get(), temporary.c_str(), 0);
    if (failure != EBUSY) throw Error(failure, "symlink " + link.path);
    log::debug("{} is a mount and stays", link.path);
}

sys::Fd clone_read_only(sys::FdRef file) { return sys::clone_tree(file, false, {.set = 1 /* MOUNT_ATTR_RDONLY */}); }

// Before Linux 6.15 nothing can be cloned out of a mount that is attached nowhere: it is for a moment, over the root.
sys::Fd clone_out_of(sys::FdRef mount, sys::FdRef file, sys::FdRef root) {
    try {
        return clone_read_only(file);
    } catch (const Error& error) {
        if (error.code != EINVAL) throw;
    }
    sys::attach_tree(mount, root);
    sys::Fd tree = clone_read_only(file);
    if (::umount2(sys::proc_fd_path(mount).c_str(), MNT_DETACH) != 0) throw Error(errno, "unmount tmpfs");
    return tree;
}

// Covers target by a file of a private tmpfs with this content.
void bind_content(sys::FdRef root, sys::FdRef target, const std::string& content, unsigned mode) {
    const sys::Fd mount = sys::new_mount("tmpfs", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
    const sys::Fd file = sys::open_at(mount, "file", O_WRONLY | O_CREAT | O_EXCL, sys::Resolve::anywhere, mode);
    sys::write_all(file, content, "file");
    const sys::Fd found = sys::open_at(mount, "file", O_PATH);
    sys::attach_tree(clone_out_of(mount, found, root), target);
}

bool is_readonly_failure(const Error& error) {
    return error.code == EROFS || error.code == EPERM || error.code == EACCES;
}

// As an earlier start of the container left it. Replacing a file waits for its data on the way to the disk.
bool is_there(const Place& place, const gpu::File& file) {
    const sys::Fd there = sys::try_open_at(place.directory, place.name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (!there) return false;
    const auto facts = sys::stat_fd(there);
    return S_ISREG(facts.st_mode) && (facts.st_mode & 07777) == file.mode &&
           facts.st_size == static_cast<off_t>(file.content.size()) && sys::read_all(there, file.path) == file.content;
}

void put_file(sys::FdRef root, const gpu::File& file) {
    try {
        const Place place = place_at(root, file.path);
        if (is_there(place, file)) return;
        sys::replace_file_at(place.directory, place.name, file.content, file.mode);
    } catch (const Error& error) {
        if (!is_readonly_failure(error)) throw;
        const sys::Fd target = sys::try_open_at(root, file.path, O_PATH, sys::Resolve::in_root);
        if (target)
            bind_content(root, target, file.content, file.mode);
        else
            log::warning("{} can be neither written nor covered in a read-only root", file.path);
    }
}

// Libraries in the loader's own directories are found without a cache too: an image that has a directory there starts.
void put_loader_cache(sys::FdRef root, const std::string& content) {
    try {
        put_file(root, {.path = loader_cache, .content = content, .mode = 0644});
    } catch (const Error& error) {
        if (error.code != EISDIR && error.code != ENOTDIR && error.code != ELOOP) throw;
        log::warning("the loader's cache can't be written: {}", error.text());
    }
}

std::string read_regular(sys::FdRef root, const std::string& path) {
    constexpr std::size_t largest = 8u << 20;  // As large as one is understood.
    const sys::Fd file = sys::try_open_at(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, sys::Resolve::in_root);
    if (!file) return {};
    const auto facts = sys::stat_fd(file);
    if (!S_ISREG(facts.st_mode) || facts.st_size > static_cast<off_t>(largest)) return {};
    try {
        return sys::read_all(file, path, largest);
    } catch (const Error&) {
        return {};  // An image may ship anything here; a cache of our entries alone is valid.
    }
}

void cover(sys::FdRef root, const gpu::Cover& edit) {
    const sys::Fd target = sys::try_open_at(root, edit.path, O_PATH, sys::Resolve::in_root);
    if (!target) {
        if (errno == ENOENT) return;
        throw Error(errno, "cover " + edit.path);
    }
    bind_content(root, target, edit.content, edit.mode);
}

}  // namespace

void edit_rootfs(ContainerSide& side, const plan::step::EditRootfs& step) {
    Place place;  // Links come directory by directory.
    std::string_view directory;
    for (const auto& link : step.edits.links) try {
            if (!place.owned || parent_of(link.path) != directory) place = place_at(side.root, link.path);
            directory = parent_of(link.path);
            place.name = base_name(link.path);
            make_symlink(place, link);
        } catch (const Error& error) {
            if (!step.read_only || !is_readonly_failure(error)) throw;
            log::warning("{}: the root file system is read-only", link.path);
        }
    for (const auto& file : step.edits.files) put_file(side.root, file);
    if (!step.edits.cache.empty()) {
        const std::string merged = gpu::merge_loader_cache(read_regular(side.root, loader_cache), step.edits.cache);
        put_loader_cache(side.root, merged);
    }
    for (const auto& edit : step.edits.covers) cover(side.root, edit);
}

}  // namespace gpurun::engine
