#include "container/make.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "container/annotations.h"
#include "container/facts.h"
#include "engine/network.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace gpurun::container {
namespace {

constexpr std::size_t largest_config = 16u << 20;

std::string absolute(const std::string& path) {
    if (path.starts_with('/')) return clean_path(path);
    char directory[PATH_MAX];
    if (::getcwd(directory, sizeof directory) == nullptr) throw Error(errno, "getcwd");
    return clean_path(std::string(directory) + "/" + path);
}

std::string read_config(const std::string& bundle, const CreateOptions& options, std::string& path) {
    if (!sys::exists(bundle)) throw Error(ENOENT, format("bundle {}", bundle));
    path = options.config_file.empty() ? bundle + "/config.json" : absolute(options.config_file);
    try {
        return sys::read_file(path, largest_config);
    } catch (const Error& error) {
        if (error.code == ENOENT && options.config_file.empty())
            throw Error(ENOENT, format("JSON specification file {} not found", path));
        throw;
    }
}

void check_root(const spec::Spec& spec, const std::string& bundle) {
    if (!spec.root) throw Error("root: required property is missing; say {\"root\": {\"path\": \"rootfs\"}}");
    const std::string path = spec.root->path.starts_with('/') ? spec.root->path : bundle + "/" + spec.root->path;
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) throw Error(errno, format("root.path: {}", path));
    if (!S_ISDIR(facts.st_mode)) throw Error(ENOTDIR, format("root.path: {}", path));
}

// A user namespace without mappings is of use to nobody: its root is the caller then, as with crun and unshare(1).
bool map_caller(spec::Linux& linux) {
    const auto* user = spec::find_namespace(linux, spec::NamespaceType::user);
    if (user == nullptr || !user->path.empty() || !linux.uid_mappings.empty()) return false;
    log::warning("linux.uidMappings and gidMappings are missing: the user namespace has one user, root, who is uid {}",
                 ::geteuid());
    linux.uid_mappings = {{.container_id = 0, .host_id = ::geteuid(), .size = 1}};
    linux.gid_mappings = {{.container_id = 0, .host_id = ::getegid(), .size = 1}};
    return true;
}

// Wide enough to tell whether GPU edits changed the config that exec and update read again.
std::size_t extent(const spec::Spec& spec) {
    std::size_t count = spec.mounts.size() + spec.linux->devices.size();
    if (spec.process) count += spec.process->env.size() + spec.process->user.additional_gids.size();
    if (spec.linux->resources) count += spec.linux->resources->devices.size();
    if (spec.hooks)
        count += spec.hooks->prestart.size() + spec.hooks->create_container.size() + spec.hooks->create_runtime.size();
    return count;
}

// Connected by name, so the name must fit sun_path together with the directory's descriptor.
std::string start_socket_name(const std::string& id) {
    constexpr std::size_t longest = 64;
    if (id.size() <= longest) return id + ".start";
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return format("{}.{:016x}.start", id.substr(0, 40), hash);
}

}  // namespace

void check_terminal(const spec::Spec& spec, const CreateOptions& options, bool attached) {
    const bool terminal = spec.process && spec.process->terminal;
    if (terminal && options.console_socket.empty() && !attached)
        throw Error("cannot allocate tty if runc will detach without setting console socket");
    if (!terminal && !options.console_socket.empty())
        throw Error("cannot use console socket if runc will not detach or allocate tty");
}

state::Record new_record(const Prepared& prepared, bool run) {
    const auto& spec = prepared.spec;
    const auto self = sys::process_facts(::getpid());
    state::Record record{
        .id = prepared.options.id,
        .oci_version = spec.oci_version,
        .bundle = prepared.options.bundle,
        .rootfs = spec.root->path.starts_with('/') ? spec.root->path : prepared.options.bundle + "/" + spec.root->path,
        .created = state::timestamp(),
        .creator = ::getpid(),
        .creator_start_time = self ? self->start_time : 0,
        .socket = run ? "" : start_socket_name(prepared.options.id),
        .cgroup = prepared.host.cgroup,
        .annotations = spec.annotations};
    const auto* pids = spec::find_namespace(*spec.linux, spec::NamespaceType::pid);
    record.own_pids = pids != nullptr && pids->path.empty();
    record.shares_mounts = spec::find_namespace(*spec.linux, spec::NamespaceType::mount) == nullptr;
    record.has_poststart = spec.hooks && !spec.hooks->poststart.empty();
    record.has_poststop = spec.hooks && !spec.hooks->poststop.empty();
    record.awaits_exec = record.has_poststart || (spec.hooks && !spec.hooks->start_container.empty()) ||
                         (spec.linux->seccomp && !spec.linux->seccomp->listener_path.empty());
    return record;
}

void note_process(state::Record& record, int pid) {
    record.pid = pid;
    const auto facts = sys::process_facts(pid);
    record.start_time = facts ? facts->start_time : 0;
}

Prepared prepare(const Context& context, const CreateOptions& options, bool run, const std::string& host_root,
                 bool dry) {
    state::check_id(options.id);
    Prepared prepared;
    const std::string bundle = absolute(options.bundle);
    std::string path;
    prepared.config = read_config(bundle, options, path);
    prepared.spec = spec::read_text(prepared.config, path);
    auto& spec = prepared.spec;
    if (!spec.linux) spec.linux.emplace();
    check_root(spec, bundle);
    if (run && !spec.process) throw Error(path + ": process: expected the program to run, got nothing");
    prepared.host = probe_host();
    const auto before = extent(spec);
    const bool mapped = map_caller(*spec.linux);
    const bool annotated = apply_annotations(spec);
    prepared.edits = gpu::prepare(spec, {.devices = options.gpus,
                                         .host_root = host_root,
                                         .bundle = bundle,
                                         .rootless = prepared.host.rootless,
                                         .dry = dry});
    if (mapped || annotated || extent(spec) != before || !prepared.edits.empty()) prepared.config = spec::to_json(spec);
    prepared.options = {.id = options.id,
                        .bundle = bundle,
                        .pid_file = options.pid_file,
                        .pidfd_socket = options.pidfd_socket.empty() ? annotation(spec, "run.oci.pidfd_receiver")
                                                                     : options.pidfd_socket,
                        .no_pivot = options.no_pivot,
                        .no_new_keyring = options.no_new_keyring,
                        .run = run};
    std::vector<std::string> listen_env;
    prepared.options.preserved_fds = preserved_fds(options.preserve_fds, listen_env);
    if (spec.process) spec.process->env.insert(spec.process->env.end(), listen_env.begin(), listen_env.end());
    prepared.host.cgroup =
        cgroup::locate(cgroup::probe(), context.driver, spec.linux->cgroups_path, options.id, prepared.host.rootless);
    if (context.driver == cgroup::Driver::systemd)
        prepared.host.cgroup.unit_properties = cgroup::annotated_properties(spec.annotations);
    prepared.options.has_cgroup = context.driver != cgroup::Driver::disabled;
    return prepared;
}

Made make(const Context& context, const CreateOptions& options, Mode mode) {
    const bool run = mode != Mode::create;
    Prepared prepared = prepare(context, options, run, "/");
    check_terminal(prepared.spec, options, mode == Mode::run_attached);
    std::optional<engine::NewNetwork> network;
    if (plan::makes_network(*prepared.spec.linux)) network.emplace(engine::open_proc());
    Made made{.record = new_record(prepared, run)};
    auto& record = made.record;
    const auto manager = cgroup::manager(prepared.host.cgroup);

    state::Store store(context.root);
    Undo undo;
    auto saved = store.create(record, prepared.config);
    undo.push([&store, &record] {
        if (record.shares_mounts && record.pid != 0) ::umount2(record.rootfs.c_str(), MNT_DETACH);
        store.remove(record);
    });

    sys::Fd console_socket, listener;
    if (!options.console_socket.empty()) console_socket = sys::connect_to(options.console_socket, SOCK_STREAM);
    if (!run) listener = sys::listen_in(store.directory(), record.socket);

    engine::HostSide side{.options = &prepared.options,
                          .cgroup = prepared.options.has_cgroup ? manager.get() : nullptr,
                          .state = state::to_state(record, spec::Status::creating),
                          .seccomp = prepared.spec.linux->seccomp ? &*prepared.spec.linux->seccomp : nullptr,
                          .console_socket = console_socket,
                          .start_listener = listener,
                          .network = network ? &*network : nullptr};
    side.on_resctrl = [&](const std::string& group) { record.resctrl_group = group; };
    if (!notify_socket().empty()) {
        const std::string directory = store.notify_directory(record.id);
        add_notify_socket(prepared.spec, directory);
        undo.push([directory] { remove_notify_socket(directory); });
        record.has_notify_socket = true;
        if (run) made.notify = NotifyProxy(directory);
    }
    const auto plan = plan::build_create(prepared.spec, prepared.host, prepared.options, prepared.edits);
    side.on_cloned = [&](int pid) {
        note_process(record, pid);
        record.cgroup = manager->location();
        store.save(record, saved);
        if (const auto* filter = plan::seccomp_filter(plan)) store.keep(saved, security::to_bytes(*filter));
    };
    try {
        made.started = engine::execute(plan, side, undo, run);
        record.complete = true;
        store.save(record, saved);
    } catch (const Error&) {
        const bool existed = record.pid != 0;
        undo.run();
        if (existed && prepared.spec.hooks)
            engine::run_poststop_hooks(prepared.spec.hooks->poststop, state::to_state(record, spec::Status::stopped));
        throw;
    }
    undo.dismiss();
    made.spec = std::move(prepared.spec);
    return made;
}

void create(const Context& context, const CreateOptions& options) { make(context, options, Mode::create); }

plan::Plan plan_create(const Context& context, const CreateOptions& options, const std::string& host_root) {
    const Prepared prepared = prepare(context, options, false, host_root, true);
    return plan::build_create(prepared.spec, prepared.host, prepared.options, prepared.edits);
}

}  // namespace gpurun::container
