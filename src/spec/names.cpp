#include <gpurun/spec.h>
#include <sched.h>

#include "spec/tables.h"

namespace gpurun::spec {
namespace {

// Time namespaces are newer (5.6) than some C libraries' headers.
constexpr std::uint64_t clone_newtime = 0x80;

struct Kernel {
    NamespaceType type;
    const char* spec_name;
    const char* proc_name;
    std::uint64_t clone_flag;
};

constexpr Kernel namespaces[] = {
    {NamespaceType::pid, "pid", "pid", CLONE_NEWPID},
    {NamespaceType::network, "network", "net", CLONE_NEWNET},
    {NamespaceType::mount, "mount", "mnt", CLONE_NEWNS},
    {NamespaceType::ipc, "ipc", "ipc", CLONE_NEWIPC},
    {NamespaceType::uts, "uts", "uts", CLONE_NEWUTS},
    {NamespaceType::user, "user", "user", CLONE_NEWUSER},
    {NamespaceType::cgroup, "cgroup", "cgroup", CLONE_NEWCGROUP},
    {NamespaceType::time, "time", "time", clone_newtime},
};

const Kernel& kernel(NamespaceType type) { return namespaces[static_cast<std::size_t>(type)]; }

constexpr bool is_in_order() {
    for (std::size_t place = 0; place < std::size(namespaces); ++place)
        if (static_cast<std::size_t>(namespaces[place].type) != place) return false;
    return true;
}
static_assert(is_in_order(), "rows are found by the enumerator's value");

}  // namespace

const Namespace* find_namespace(const Linux& linux, NamespaceType type) {
    for (const Namespace& entry : linux.namespaces)
        if (entry.type == type) return &entry;
    return nullptr;
}

const char* spec_name(NamespaceType type) { return kernel(type).spec_name; }
const char* proc_name(NamespaceType type) { return kernel(type).proc_name; }
std::uint64_t clone_flag(NamespaceType type) { return kernel(type).clone_flag; }

// Names in the table are literals, so they end with NUL.
const char* name(Status status) { return name_of(json::Names<Status>::value, status).value_or("unknown").data(); }

}  // namespace gpurun::spec
