// Device nodes and what may keep a container from opening them; the settings.
#include <gpurun/error.h>

#include "base/text.h"
#include "gpu/findings.h"
#include "gpu/nodes.h"

namespace gpurun::gpu {
namespace {

constexpr const char* mend_nodes = "gpurun gpu create-nodes";

}  // namespace

void check_nodes(const Survey& survey, std::vector<Finding>& findings) {
    if (!survey.inventory) return;
    std::vector<std::string> missing;
    bool any = false;
    for (const auto& node : wanted_nodes(survey)) {
        // Administrators' capabilities: nvidia-smi makes these nodes when it needs them.
        if (node.mode == 0400) continue;
        const std::string subject = "node " + node.path;
        switch (state_of(survey.host, node)) {
            case NodeState::right: break;
            case NodeState::missing: missing.push_back(node.path); continue;
            case NodeState::other_numbers:
                findings.push_back(
                    {subject, Verdict::wrong,
                     format("its numbers are not the kernel's {}:{}: the driver was loaded anew since it "
                            "was made; programs that open it reach another device or none",
                            node.major, node.minor),
                     mend_nodes});
                break;
            case NodeState::other_mode:
                findings.push_back({subject, Verdict::warning,
                                    format("its mode and owner are not those that the driver's parameters say ({:04o}, "
                                           "{}:{}): users may not be able to open it",
                                           node.mode, node.uid, node.gid),
                                    mend_nodes});
                break;
            case NodeState::no_device:
                findings.push_back({subject, Verdict::wrong, "it is a file and no device",
                                    format("rm {} && {}", node.path, mend_nodes)});
                break;
        }
        any = true;
    }
    if (!missing.empty())
        findings.push_back({"nodes", Verdict::warning,
                            format("missing on the host: {}; gpurun makes them in containers as root, but other "
                                   "runtimes and rootless containers need the host's",
                                   gpurun::join(missing, ", ")),
                            mend_nodes});
    else if (any)
        findings.push_back({"nodes", Verdict::good, "all are there", ""});
}

void check_selinux(const Survey& survey, std::vector<Finding>& findings) {
    const auto enforce = read_fact(survey.host, "/sys/fs/selinux/enforce");
    if (!survey.inventory || !enforce || trim(*enforce) != "1") return;
    const auto allowed = read_fact(survey.host, "/sys/fs/selinux/booleans/container_use_devices");
    if (allowed && allowed->starts_with('1'))
        findings.push_back({"SELinux", Verdict::good, "is enforcing and lets containers use devices", ""});
    else
        findings.push_back({"SELinux", Verdict::warning,
                            "is enforcing and does not let containers use the host's device nodes: rootless containers "
                            "and those in user namespaces, whose nodes are the host's, get \"permission denied\"",
                            "setsebool -P container_use_devices on"});
}

void check_settings(const Survey& survey, std::vector<Finding>& findings) {
    const auto& settings = survey.settings;
    if (!survey.settings_problem.empty()) {
        findings.push_back({"settings", Verdict::wrong, survey.settings_problem, "mend that line of the file"});
        return;
    }
    findings.push_back(
        {"settings", Verdict::good,
         settings.file.empty() ? "built in: no gpurun.toml and no NVIDIA config.toml" : "from " + settings.file, ""});
    if (!survey.root_problem.empty())
        findings.push_back(
            {"driver root", Verdict::wrong,
             format("{}: {} names {} as the driver root", survey.root_problem, settings.file, settings.driver_root),
             format("ls -d {}", settings.driver_root)});
    if (!settings.accept_environment)
        findings.push_back({"settings", Verdict::note,
                            format("{} lets NVIDIA_VISIBLE_DEVICES count in privileged containers only", settings.file),
                            ""});
}

}  // namespace gpurun::gpu
