#include <gpurun/container.h>
#include <gpurun/error.h>

#include "base/log.h"
#include "base/text.h"
#include "container/facts.h"
#include "json/json.h"

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

std::vector<int> processes(const Context& context, const std::string& id) {
    state::Store store(context.root);
    return manager_of(store.load(id))->processes();
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
