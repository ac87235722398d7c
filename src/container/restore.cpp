#include <fcntl.h>
#include <gpurun/container.h>
#include <gpurun/error.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "container/criu_words.h"
#include "container/facts.h"
#include "container/foreground.h"
#include "container/make.h"
#include "json/json.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::container {
namespace {

using spec::NamespaceType;

constexpr std::size_t largest_descriptors = 64u << 10;

std::vector<std::string> read_descriptors(const std::string& image_path) {
    if (!sys::try_open(image_path, O_PATH | O_DIRECTORY)) throw Error(errno, "--image-path " + image_path);
    const std::string file = image_path + "/descriptors.json";
    return json::read<std::vector<std::string>>(file, sys::read_file(file, largest_descriptors));
}

// Of its own: without a mount namespace the root of the container's namespace is the host's.
bool has_readonly_root(const spec::Spec& spec) {
    return spec.root && spec.root->readonly && spec::find_namespace(*spec.linux, NamespaceType::mount) != nullptr;
}

/// A container that is being restored.
struct Restoring {
    const RestoreOptions& options;
    Prepared prepared;
    state::Store store;
    std::unique_ptr<cgroup::Manager> manager;
    state::Record record;
    sys::Fd console_socket{};
    engine::Started started{};

    void hooks(plan::HookKind kind, const std::vector<spec::Hook>& hooks) {
        if (!hooks.empty()) engine::run_hooks(kind, hooks, state::to_state(record, spec::Status::created), nullptr);
    }

    // CRIU waits meanwhile; what is thrown makes it give up.
    void hear(const std::string& news, int pid, std::vector<sys::Fd>& descriptors) {
        if (news == "setup-namespaces") {
            note_process(record, pid);
            store.save(record);
            if (!prepared.spec.hooks) return;
            hooks(plan::HookKind::prestart, prepared.spec.hooks->prestart);
            hooks(plan::HookKind::create_runtime, prepared.spec.hooks->create_runtime);
        } else if (news == "post-restore" && has_readonly_root(prepared.spec)) {
            engine::make_restored_root_readonly(pid);
        } else if (news == "orphan-pts-master" && !descriptors.empty()) {
            if (console_socket)
                sys::send_message(console_socket, news, {descriptors.front()});
            else
                started.terminal = std::move(descriptors.front());
        }
    }
};

void make_cgroup(Restoring& container, const plan::Plan& plan, Undo& undo) {
    const auto resources = container.prepared.spec.linux->resources.value_or(spec::Resources{});
    auto& manager = *container.manager;
    undo.push([&manager] {
        try {
            if (!manager.processes().empty()) manager.kill(SIGKILL);
            manager.remove();
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
    });
    manager.create(resources);
    manager.set_devices(cgroup::device_rules(resources.devices));
    manager.apply(cgroup::translate(container.prepared.host.cgroup.layout, resources));
    for (const auto& step : plan.host)
        if (const auto* own = std::get_if<plan::step::OwnCgroup>(&step)) manager.hand_over(own->uid);
    container.record.cgroup = manager.location();
    container.store.save(container.record);
}

// Since 3.14 CRIU puts what it restores into a time namespace, whatever the config says: exec must enter it.
void note_time_namespace(Restoring& container) {
    auto& namespaces = container.prepared.spec.linux->namespaces;
    if (spec::find_namespace(*container.prepared.spec.linux, NamespaceType::time) != nullptr) return;
    const auto own = sys::try_stat(sys::FdRef(AT_FDCWD), "/proc/self/ns/time");
    const auto theirs = sys::try_stat(sys::FdRef(AT_FDCWD), format("/proc/{}/ns/time", container.record.pid));
    if (!own || !theirs || own->st_ino == theirs->st_ino) return;
    namespaces.push_back({.type = NamespaceType::time, .path = {}});
    container.prepared.config = spec::to_json(container.prepared.spec);
}

void write_pid_file(const std::string& path, std::int64_t pid) {
    if (path.empty()) return;
    const std::string parent(parent_of(path));
    const sys::Fd directory = sys::open(!parent.empty()         ? parent
                                        : path.starts_with('/') ? "/"
                                                                : ".",
                                        O_PATH | O_DIRECTORY);
    sys::replace_file_at(directory, std::string(base_name(path)), std::to_string(pid), 0644);
}

/// In a user namespace CRIU reads the images as the container's root: for as long as this lives, he finds them in their
/// directory. It gets his group, which may only search it.
class SearchableImages {
 public:
    SearchableImages(const std::string& path, const spec::Linux& linux) {
        if (spec::find_namespace(linux, NamespaceType::user) == nullptr) return;
        for (const auto& mapping : linux.gid_mappings)
            if (mapping.container_id == 0) give_to(path, static_cast<gid_t>(mapping.host_id));
    }
    ~SearchableImages() {
        if (!directory_) return;
        static_cast<void>(::fchown(directory_.get(), static_cast<uid_t>(-1), before_.st_gid));
        ::fchmod(directory_.get(), before_.st_mode & permissions);
    }
    SearchableImages(const SearchableImages&) = delete;
    SearchableImages& operator=(const SearchableImages&) = delete;

 private:
    void give_to(const std::string& path, gid_t group) {
        sys::Fd directory = sys::open(path, O_RDONLY | O_DIRECTORY);
        before_ = sys::stat_fd(directory);
        if ((before_.st_mode & S_IXOTH) != 0) return;
        if (::fchown(directory.get(), static_cast<uid_t>(-1), group) != 0 ||
            ::fchmod(directory.get(), (before_.st_mode & S_IRWXU) | S_IXGRP) != 0)
            throw Error(errno, format("let the container's root search {}", path));
        directory_ = std::move(directory);
    }

    static constexpr mode_t permissions = 07777;
    sys::Fd directory_;
    struct stat before_ {};
};

// Where CRIU is built without SELinux, as Debian's is, what it restores keeps the label that CRIU itself has.
void check_label(const Restoring& container, int pid) {
    const auto& process = container.prepared.spec.process;
    if (container.prepared.host.lsm != security::Lsm::selinux || !process || process->selinux_label.empty()) return;
    const auto label_of = [](const std::string& who) {
        std::string label = sys::read_file(format("/proc/{}/attr/current", who), 4096);
        return std::string(label.c_str());  // It ends with a NUL.
    };
    const std::string label = label_of(std::to_string(pid));
    if (label == label_of("self") && label != process->selinux_label)
        throw Error(
            format("CRIU restored the program under its own SELinux label, {}, not under {}: it is built "
                   "without SELinux, or the policy forbids it",
                   label, process->selinux_label));
}

void kill_restored(int pid) {
    const sys::Fd pidfd = sys::try_pidfd_open(pid);
    if (pidfd) sys::try_signal(pidfd, SIGKILL);
}

void bring_back(Restoring& container, const std::string& criu, Undo& undo) {
    auto& prepared = container.prepared;
    const auto& options = container.options;
    const auto descriptors = read_descriptors(options.criu.image_path);
    const auto request = restore_request(options, prepared.spec, container.record.rootfs, descriptors, criu);
    if (!options.criu.work_path.empty()) sys::make_directories(options.criu.work_path, 0700);
    if (!options.create.console_socket.empty())
        container.console_socket = sys::connect_to(options.create.console_socket, SOCK_STREAM);
    const auto plan = plan::build_create(prepared.spec, prepared.host, prepared.options, prepared.edits);
    if (prepared.options.has_cgroup) make_cgroup(container, plan, undo);
    const SearchableImages searchable(options.criu.image_path, *prepared.spec.linux);
    const int pid = engine::run_restore(
        request, plan, prepared.options.has_cgroup ? container.manager.get() : nullptr, container.store.root(),
        [&container](const std::string& news, int of, std::vector<sys::Fd>& fds) { container.hear(news, of, fds); });
    undo.push([pid] { kill_restored(pid); });
    check_label(container, pid);
    container.started.child = {pid, sys::try_pidfd_open(pid)};
    note_process(container.record, pid);
    note_time_namespace(container);
    write_pid_file(options.create.pid_file, pid);
    undo.push([&options] {
        if (!options.create.pid_file.empty()) ::unlink(options.create.pid_file.c_str());
    });
    container.record.complete = true;
    container.store.save(container.record, prepared.config);
}

engine::Started restore_container(const Context& context, const RestoreOptions& options) {
    Prepared prepared = prepare(context, options.create, true, "/");
    check_terminal(prepared.spec, options.create, !options.detach);
    auto manager = cgroup::manager(prepared.host.cgroup);
    auto record = new_record(prepared, true);
    Restoring container{.options = options,
                        .prepared = std::move(prepared),
                        .store = state::Store(context.root),
                        .manager = std::move(manager),
                        .record = std::move(record)};
    Undo undo;
    container.store.create(container.record, container.prepared.config);
    undo.push([&container] { container.store.remove(container.record); });
    try {
        bring_back(container, context.criu, undo);
    } catch (const Error&) {
        const bool existed = container.record.pid != 0;
        undo.run();
        if (existed && container.prepared.spec.hooks)
            engine::run_poststop_hooks(container.prepared.spec.hooks->poststop,
                                       state::to_state(container.record, spec::Status::stopped));
        throw;
    }
    undo.dismiss();
    return std::move(container.started);
}

}  // namespace

int restore(const Context& context, const RestoreOptions& options) {
    if (options.detach) return restore_container(context, options), 0;
    // The helper that CRIU restores for ends: without this its child would be another's.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    Foreground foreground;
    auto started = restore_container(context, options);
    if (options.no_subreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    const int status = foreground.attend(started);
    if (!options.keep) remove(context, options.create.id, true);
    return status;
}

}  // namespace gpurun::container
