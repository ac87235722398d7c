#include "container/annotations.h"

#include <gpurun/error.h>

#include <cstdlib>

#include "base/log.h"
#include "base/text.h"

namespace gpurun::container {
namespace {

constexpr struct {
    const char* key;
    const char* reason;
} refused[] = {
    {"run.oci.handler", "gpurun runs programs itself, it has no handlers for WebAssembly or virtual machines"},
    {"run.oci.seccomp.plugins", "gpurun loads no plugins; name an agent by linux.seccomp.listenerPath"},
    {"run.oci.seccomp_bpf_data", "gpurun makes the filter from linux.seccomp"},
};

constexpr const char* ignored[] = {"run.oci.delegate-cgroup", "run.oci.systemd.force_cgroup_v1",
                                   "run.oci.systemd.subgroup", "run.oci.timens_offset"};

bool notifies(const spec::Seccomp& seccomp) {
    for (const auto& rule : seccomp.syscalls)
        if (rule.action == "SCMP_ACT_NOTIFY") return true;
    return false;
}

}  // namespace

std::string annotation(const spec::Spec& spec, const std::string& key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

bool apply_annotations(spec::Spec& spec) {
    for (const auto& [key, reason] : refused)
        if (!annotation(spec, key).empty()) throw Error(format("annotation {}: {}", key, reason));
    for (const char* key : ignored)
        if (!annotation(spec, key).empty()) log::warning("ignoring annotation {}: gpurun has no such setting", key);
    if (!spec.linux->seccomp || !spec.linux->seccomp->listener_path.empty() || !notifies(*spec.linux->seccomp))
        return false;
    std::string receiver = annotation(spec, "run.oci.seccomp.receiver");
    if (const char* given = std::getenv("RUN_OCI_SECCOMP_RECEIVER"); receiver.empty() && given != nullptr)
        receiver = given;
    spec.linux->seccomp->listener_path = receiver;
    return !receiver.empty();
}

}  // namespace gpurun::container
