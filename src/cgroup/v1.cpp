#include "cgroup/v1.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include <algorithm>
#include <cerrno>

#include "base/scope.h"
#include "base/text.h"
#include "cgroup/bpf.h"
#include "cgroup/device_list.h"
#include "cgroup/parse.h"
#include "cgroup/tree.h"
#include "cgroup/v2.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

constexpr std::string_view frozen_text = "FROZEN", thawed_text = "THAWED";

bool has(const Directory& directory, std::string_view controller) {
    return std::find(directory.controllers.begin(), directory.controllers.end(), controller) !=
           directory.controllers.end();
}

// A new cpuset has no CPUs and no memory nodes and takes no process: both come from the parent, whose own may be unset
// too when something else than gpurun made it.
void inherit_cpuset(const std::string& path, const std::string& file) {
    const std::string parent(parent_of(path));
    const auto read = [&file](const std::string& directory) { return sys::try_read_file(directory + file); };
    auto value = read(parent);
    if (!value) return;  // Above the mount point.
    if (trim(*value).empty()) {
        inherit_cpuset(parent, file);
        value = read(parent);
    }
    sys::write_file(path + file, trim(value.value_or("")));
}

// v1's words for the limits that cgroup2 calls ".max"; a hybrid machine may have hugetlb there alone.
std::string unified_name(const std::string& file) {
    constexpr std::string_view suffix = ".limit_in_bytes";
    return file.ends_with(suffix) ? file.substr(0, file.size() - suffix.size()) + ".max" : file;
}

std::string state_of(const Directory& freezer) {
    return std::string(trim(sys::read_file(freezer.path + "/freezer.state")));
}

}  // namespace

const Directory* V1Manager::directory_of(std::string_view controller) const {
    const auto found = std::find_if(location_.directories.begin(), location_.directories.end(),
                                    [&](const Directory& one) { return has(one, controller); });
    return found == location_.directories.end() ? nullptr : &*found;
}

const Directory* V1Manager::unified() const {
    const auto found = std::find_if(location_.directories.begin(), location_.directories.end(),
                                    [](const Directory& one) { return one.controllers.empty(); });
    return found == location_.directories.end() ? nullptr : &*found;
}

void V1Manager::make(Directory& directory, const spec::Resources& resources) {
    directory.created = make_directory(directory.path);
    const bool foreign = !directory.created && origin_ == Origin::own;
    if (foreign) require_empty(directory.path);
    if (foreign && has(directory, "freezer") && state_of(directory) != thawed_text)
        throw Error(EBUSY, "container's cgroup unexpectedly frozen: " + directory.path);
    if (has(directory, "devices")) new_devices_ = directory.created;
    if (!has(directory, "cpuset")) return;
    if (!resources.cpu || resources.cpu->cpus.empty()) inherit_cpuset(directory.path, "/cpuset.cpus");
    if (!resources.cpu || resources.cpu->mems.empty()) inherit_cpuset(directory.path, "/cpuset.mems");
    if (resources.cpu && (!resources.cpu->cpus.empty() || !resources.cpu->mems.empty())) {
        // What the container is to have must be in its parent, which may be new and empty.
        const std::string parent(parent_of(directory.path));
        for (const char* file : {"/cpuset.cpus", "/cpuset.mems"})
            if (trim(sys::try_read_file(parent + file).value_or("0")).empty()) inherit_cpuset(parent, file);
    }
}

void V1Manager::drop_made() noexcept {
    for (const auto& directory : location_.directories) {
        if (!directory.created) continue;
        try {
            remove_tree(directory.path);
        } catch (const Error&) {
        }
    }
}

void V1Manager::create(const spec::Resources& resources) {
    auto& directories = location_.directories;
    for (auto& directory : directories) directory.created = false;
    ScopeExit undo([this] { drop_made(); });
    for (auto directory = directories.begin(); directory != directories.end();) {
        try {
            make(*directory, resources);
            ++directory;
        } catch (const Error& error) {
            require_unneeded(error, location_, resources);
            directory = directories.erase(directory);
        }
    }
    const Directory* on_unified = unified();
    const bool asks_unified = !resources.unified.empty() ||
                              (!resources.hugepage_limits.empty() && directory_of("hugetlb") == nullptr) ||
                              (!resources.rdma.empty() && directory_of("rdma") == nullptr);
    if (on_unified != nullptr && asks_unified) enable_controllers(on_unified->path);
    undo.dismiss();
}

void V1Manager::apply(const std::vector<Write>& writes) {
    std::vector<PlacedWrite> placed;
    placed.reserve(writes.size());
    for (const auto& write : writes) {
        PlacedWrite one{.write = &write, .directory = {}, .file = write.file};
        const bool known_limit =
            write.controller == "hugetlb" || write.controller == "rdma" || write.controller == "pids";
        if (const auto* directory = directory_of(write.controller)) {
            one.directory = directory->path;
        } else if (const auto* on_unified = unified();
                   on_unified != nullptr && (known_limit || write.controller == "unified")) {
            one.directory = on_unified->path;
            one.file = unified_name(write.file);
        }
        placed.push_back(std::move(one));
    }
    carry_out(placed);
}

void V1Manager::set_devices(const std::vector<spec::DeviceRule>& rules) {
    const auto reduced = reduce(rules);
    if (const auto* directory = directory_of("devices")) {
        write_device_list(directory->path, to_list(reduced), std::exchange(new_devices_, false) ? nullptr : this);
    } else if (const auto* on_unified = unified()) {
        set_device_program(sys::open(on_unified->path, O_RDONLY | O_DIRECTORY), reduced);
    }
}

// "cpu,memory:sub" is for those hierarchies, "sub" for all.
std::vector<std::string> V1Manager::paths_of(const Spot& spot) const {
    std::vector<std::string> paths;
    for (const auto& directory : location_.directories) paths.push_back(directory.path);
    for (const auto part : words(spot.below)) {
        const auto colon = part.find(':');
        const auto path = part.substr(colon == std::string_view::npos ? 0 : colon + 1);
        const auto names =
            colon == std::string_view::npos ? std::vector<std::string_view>{} : split(part.substr(0, colon), ',');
        for (const auto name : names)
            if (directory_of(name) == nullptr)
                throw Error(format("cgroup \"{}\": unknown controller {}, it is not mounted here", part, name));
        for (std::size_t at = 0; at < paths.size(); ++at) {
            const auto& directory = location_.directories[at];
            const bool named =
                std::any_of(names.begin(), names.end(), [&](std::string_view name) { return has(directory, name); });
            if (names.empty() || named) paths[at] = below_directory(directory.path, path);
        }
    }
    // On v1 processes and child cgroups live together, so the container's own cgroup is never closed to new processes;
    // only the cgroup2 side of a hybrid machine can be.
    if (const auto* on_unified = unified(); on_unified != nullptr && spot.beside != 0)
        paths[static_cast<std::size_t>(on_unified - location_.directories.data())] =
            directory_beside(on_unified->path, location_.path, spot.beside);
    return paths;
}

Entry V1Manager::entry(const Spot& spot) {
    const auto paths = paths_of(spot);
    Entry entry;
    sys::Fd memory;
    for (std::size_t at = 0; at < paths.size(); ++at) {
        const auto& directory = location_.directories[at];
        if (directory.controllers.empty()) {
            entry.directory = sys::open(paths[at], O_RDONLY | O_DIRECTORY);
            continue;
        }
        sys::Fd tasks = sys::open(paths[at] + "/tasks", O_WRONLY);
        if (has(directory, "memory"))
            memory = std::move(tasks);
        else
            entry.tasks.push_back(std::move(tasks));
    }
    // Memory last: the less of gpurun's own work is charged to the container, the smaller the limit it can start with.
    if (memory) entry.tasks.push_back(std::move(memory));
    return entry;
}

void V1Manager::attach(int pid, const Spot& spot) {
    for (const auto& path : paths_of(spot)) sys::write_file(path + "/cgroup.procs", format("{}", pid));
}

void V1Manager::freeze(Freeze state) {
    const auto* freezer = directory_of("freezer");
    if (freezer == nullptr) {
        if (const auto* on_unified = unified()) return set_frozen(on_unified->path, state);
        throw Error("cannot pause: this container has no freezer cgroup");
    }
    const std::string file = freezer->path + "/freezer.state";
    if (state == Freeze::thawed) return sys::write_file(file, thawed_text);
    // A process that forks or is in a vfork can keep a cgroup FREEZING for ever; a short thaw lets it get out of that.
    constexpr int attempts = 1000, thaw_every = 50;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        if (attempt > 0 && attempt % thaw_every == 0) {
            sys::write_file(file, thawed_text);
            pause_for(10);
        }
        sys::write_file(file, frozen_text);
        for (int look = 0; look < 5; ++look)
            if (state_of(*freezer) == frozen_text) return;
        pause_for(1);
    }
    static_cast<void>(sys::try_write_file_at(sys::FdRef(AT_FDCWD), file, thawed_text));
    throw Error("cannot pause: the container's processes did not freeze; it is running again");
}

bool V1Manager::is_frozen() {
    if (const auto* freezer = directory_of("freezer")) {
        const auto state = sys::try_read_file(freezer->path + "/freezer.state");
        return state && trim(*state) != thawed_text;
    }
    const auto* on_unified = unified();
    return on_unified != nullptr && reads_frozen(on_unified->path);
}

void V1Manager::kill(int signal) { signal_frozen(*this, signal); }

std::vector<int> V1Manager::processes() {
    std::vector<int> pids;
    const Directory* source = nullptr;
    for (const char* controller : {"freezer", "devices", "pids", "memory", "name=systemd"})
        if (source == nullptr) source = directory_of(controller);
    if (source == nullptr && !location_.directories.empty()) source = &location_.directories.front();
    if (source != nullptr) collect_processes(source->path, pids);
    return pids;
}

void V1Manager::remove() {
    for (const auto& directory : location_.directories)
        if (directory.created || origin_ == Origin::unit) remove_tree(directory.path);
}

}  // namespace gpurun::cgroup
