#include <fcntl.h>
#include <gpurun/container.h>
#include <gpurun/error.h>
#include <gpurun/gpu.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/text.h"
#include "container/criu_words.h"
#include "container/facts.h"
#include "json/json.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace gpurun::container {
namespace {

using spec::NamespaceType;

constexpr const char* descriptors_file = "descriptors.json";

void make_directory(const std::string& path) {
    sys::make_directories(path, 0700);
    sys::open(path, O_PATH | O_DIRECTORY);
}

void check_parent(const CheckpointOptions& options) {
    if (options.parent_path.empty()) return;
    if (options.parent_path.starts_with('/')) throw Error("--parent-path must be relative to --image-path");
    const std::string path = options.criu.image_path + "/" + options.parent_path;
    if (!sys::try_open(path, O_PATH | O_DIRECTORY)) throw Error(errno, "invalid --parent-path: " + path);
}

void check_status_fd(const CheckpointOptions& options) {
    if (options.status_fd < 0) return;
    if (!options.criu.lazy_pages) throw Error("--status-fd goes with --lazy-pages");
    const int flags = ::fcntl(options.status_fd, F_GETFL);
    if (flags < 0) throw Error(errno, format("invalid --status-fd argument {}", options.status_fd));
    if ((flags & O_ACCMODE) == O_RDONLY)
        throw Error(format("invalid --status-fd argument {}: not writable", options.status_fd));
}

std::string freezer_of(const cgroup::Location& location) {
    for (const auto& directory : location.directories)
        for (const auto& controller : directory.controllers)
            if (controller == "freezer") return directory.path;
    for (const auto& directory : location.directories)
        if (directory.controllers.empty()) return directory.path;
    return {};
}

// Namespaces that others have as well: CRIU leaves them alone and finds them under a name when it restores.
std::vector<std::string> external_namespaces(const spec::Spec& spec, std::int64_t pid) {
    std::vector<std::string> external;
    for (const auto& ns : spec.linux->namespaces) {
        if (ns.path.empty() || (ns.type != NamespaceType::network && ns.type != NamespaceType::pid)) continue;
        const char* name = spec::proc_name(ns.type);
        const auto facts = sys::try_stat(sys::FdRef(AT_FDCWD), format("/proc/{}/ns/{}", pid, name));
        if (facts) external.push_back(format("{}[{}]:{}", name, facts->st_ino, external_namespace_key(ns.type)));
    }
    return external;
}

// Where the config's binds really are: destinations may lead over links.
std::set<int> bind_ids(const spec::Spec& spec, std::int64_t pid) {
    const sys::Fd root = sys::open(format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);
    std::set<int> ids;
    for (const auto& mount : spec.mounts) {
        if (spec::parse_mount_options(mount).bind == spec::Bind::none) continue;
        const sys::Fd there = sys::try_open_at(root, mount.destination, O_PATH, sys::Resolve::in_root);
        if (there) ids.insert(sys::mount_id(there));
    }
    return ids;
}

bool is_null_or_zero(const struct stat& facts) {
    constexpr unsigned memory_devices = 1;
    return S_ISCHR(facts.st_mode) && major(facts.st_rdev) == memory_devices;
}

bool is_mounted_there(sys::FdRef file, const std::vector<sys::MountEntry>& mounts) {
    const int id = sys::mount_id(file);
    return std::any_of(mounts.begin(), mounts.end(), [id](const sys::MountEntry& entry) { return entry.id == id; });
}

/// What a descriptor of the container's init is.
struct Descriptor {
    std::string name;    ///< In the images, when it comes from outside: "pipe:[5]", "file[1f:2a]" as CRIU numbers it.
    bool inner = false;  ///< A file of the container.
};

Descriptor describe_descriptor(std::int64_t pid, int fd, const std::vector<sys::MountEntry>& mounts) {
    const std::string place = format("/proc/{}/fd/{}", pid, fd);
    std::string name = sys::try_read_link(sys::FdRef(AT_FDCWD), place).value_or("/dev/null");
    const sys::Fd file = sys::try_open(place, O_PATH);
    if (!file) return {std::move(name)};
    const auto facts = sys::stat_fd(file);
    if (!S_ISREG(facts.st_mode) && !is_null_or_zero(facts)) return {std::move(name)};
    if (is_mounted_there(file, mounts)) return {std::move(name), S_ISREG(facts.st_mode)};
    return {format("file[{:x}:{:x}]", sys::mount_id(file), facts.st_ino)};
}

// A shell that writes into a file has it as 1 for that moment, and its own output elsewhere: look again.
std::string descriptor_name(std::int64_t pid, int fd, const std::vector<sys::MountEntry>& mounts) {
    constexpr int attempts = 30;
    constexpr timespec pause{.tv_sec = 0, .tv_nsec = 3'000'000};
    for (int attempt = 0;; ++attempt) {
        Descriptor descriptor = describe_descriptor(pid, fd, mounts);
        if (!descriptor.inner || attempt == attempts) return std::move(descriptor.name);
        ::nanosleep(&pause, nullptr);
    }
}

DumpFacts facts_of(const state::Record& record, const spec::Spec& spec) {
    DumpFacts facts{.pid = record.pid,
                    .rootfs = record.rootfs,
                    .freeze_cgroup = freezer_of(record.cgroup),
                    .mounts = sys::parse_mount_entries(sys::read_file(format("/proc/{}/mountinfo", record.pid))),
                    .host_mounts = sys::parse_mount_entries(sys::read_file("/proc/self/mountinfo")),
                    .config_binds = bind_ids(spec, record.pid),
                    .external = external_namespaces(spec, record.pid)};
    for (int fd = 0; fd < 3; ++fd) facts.descriptors.push_back(descriptor_name(record.pid, fd, facts.mounts));
    return facts;
}

// For restore, which gives what it has as 0, 1 and 2 instead.
void write_descriptors(const std::vector<std::string>& descriptors, const std::string& image_path) {
    const sys::Fd directory = sys::open(image_path, O_PATH | O_DIRECTORY);
    sys::replace_file_at(directory, descriptors_file, json::write(descriptors), 0600);
}

void tell_status(int fd) {
    if (fd < 0) return;
    static_cast<void>(::write(fd, "", 1));
    ::close(fd);
}

}  // namespace

void checkpoint(const Context& context, const CheckpointOptions& options) {
    state::Store store(context.root);
    auto locked = store.load_locked(options.id);
    const auto& record = locked.record;
    const auto status = current_status(store, record);
    if (status != spec::Status::running && status != spec::Status::paused)
        throw Error(format("Container cannot be checkpointed in {} state", spec::name(status)));
    make_directory(options.criu.image_path);
    if (!options.criu.work_path.empty()) make_directory(options.criu.work_path);
    check_parent(options);
    check_status_fd(options);
    auto spec = spec::parse(store.load_config(options.id), "the container's config");
    if (!spec.linux) spec.linux.emplace();
    const auto facts = facts_of(record, spec);
    const auto request = dump_request(options, spec, facts, context.criu);
    if (!options.pre_dump) write_descriptors(facts.descriptors, options.criu.image_path);
    try {
        engine::run_criu(request, [&options](const std::string& news, int, std::vector<sys::Fd>&) {
            if (news == "status-ready") tell_status(options.status_fd);
        });
    } catch (const Error& error) {
        if (const std::string hint = gpu::checkpoint_hint(spec); !hint.empty()) throw Error(error.text() + "; " + hint);
        throw;
    }
    if (options.leave_running || options.pre_dump) return;
    locked.lock.reset();
    remove(context, options.id, true);
}

}  // namespace gpurun::container
