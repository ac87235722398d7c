#include <gpurun/container.h>
#include <gpurun/error.h>

#include <fcntl.h>

#include "base/log.h"
#include "base/text.h"
#include "container/facts.h"
#include "json/json.h"
#include "sys/file.h"

namespace gpurun::container {

/// What `state` and `list` print.
struct Shown {
    std::string oci_version, id;
    std::int64_t pid = 0;
    std::string status, bundle, rootfs, created;
    std::map<std::string, std::string> annotations;
    std::string owner;
};

}  // namespace gpurun::container

namespace gpurun::json {
template <>
struct Fields<container::Shown> {
    using Shown = container::Shown;
    static constexpr Field value[] = {always<&Shown::oci_version>("ociVersion"),
                                      always<&Shown::id>("id"),
                                      always<&Shown::pid>("pid"),
                                      always<&Shown::status>("status"),
                                      always<&Shown::bundle>("bundle"),
                                      always<&Shown::rootfs>("rootfs"),
                                      always<&Shown::created>("created"),
                                      field<&Shown::annotations>("annotations"),
                                      always<&Shown::owner>("owner")};
};
}  // namespace gpurun::json

namespace gpurun::container {

Summary state(const Context& context, const std::string& id) {
    state::Store store(context.root);
    Summary summary{.record = store.load(id)};
    summary.status = current_status(store, summary.record);
    return summary;
}

std::vector<Summary> list(const Context& context) {
    state::Store store(context.root);
    std::vector<Summary> summaries;
    for (const auto& id : store.ids()) try {
            if (auto record = store.try_load(id)) {
                Summary summary{.record = *std::move(record)};
                summary.status = current_status(store, summary.record);
                summaries.push_back(std::move(summary));
            }
        } catch (const Error& error) {
            log::warning("container {}: {}", id, error.text());
        }
    return summaries;
}

std::string to_json(const Summary& summary, const std::string& owner, bool indented) {
    const auto& record = summary.record;
    const Shown shown{.oci_version = record.oci_version,
                      .id = record.id,
                      .pid = summary.status == spec::Status::stopped ? 0 : record.pid,
                      .status = spec::name(summary.status),
                      .bundle = record.bundle,
                      .rootfs = record.rootfs,
                      .created = record.created,
                      .annotations = record.annotations,
                      .owner = owner};
    return json::write(shown, indented ? "  " : "");
}

namespace {

// Who is in the pid namespace of \a init: what a container without a cgroup can be told by.
std::vector<int> namespace_members(std::int64_t init) {
    const auto pid_namespace = [](std::string_view pid) {
        return sys::try_read_link(sys::FdRef(AT_FDCWD), format("/proc/{}/ns/pid", pid)).value_or("");
    };
    const std::string wanted = pid_namespace(std::to_string(init));
    if (wanted.empty() || wanted == pid_namespace("self"))
        throw Error("the container has neither a cgroup nor a pid namespace of its own to tell its processes by");
    std::vector<int> pids;
    for (const auto& name : sys::list_directory(sys::FdRef(AT_FDCWD), "/proc"))
        if (const auto pid = parse_number<int>(name); pid && pid_namespace(name) == wanted) pids.push_back(*pid);
    return pids;
}

}  // namespace

std::vector<int> processes(const Context& context, const std::string& id) {
    state::Store store(context.root);
    const auto record = store.load(id);
    if (!record.cgroup.directories.empty()) return manager_of(record)->processes();
    if (state::status_of(store, record) == spec::Status::stopped) return {};
    return namespace_members(record.pid);
}

void pause(const Context& context, const std::string& id) {
    state::Store store(context.root);
    const auto record = store.load(id);
    const auto lock = store.lock(id);
    const auto status = current_status(store, record);
    if (status != spec::Status::running && status != spec::Status::created)
        throw Error("container not running or created: " + std::string(spec::name(status)));
    manager_of(record)->freeze(cgroup::Freeze::frozen);
}

void resume(const Context& context, const std::string& id) {
    state::Store store(context.root);
    const auto record = store.load(id);
    const auto lock = store.lock(id);
    if (current_status(store, record) != spec::Status::paused) throw Error("container not paused");
    manager_of(record)->freeze(cgroup::Freeze::thawed);
}

}  // namespace gpurun::container
