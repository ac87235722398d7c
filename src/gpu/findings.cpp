#include "gpu/findings.h"

#include "json/json.h"

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Names<Verdict> {
    static constexpr auto& value = verdict_names;
};

template <>
struct Fields<Finding> {
    using T = Finding;
    static constexpr Field value[] = {always<&T::subject>("subject"), always<&T::verdict>("verdict"),
                                      always<&T::fact>("fact"), field<&T::remedy>("remedy")};
};

}  // namespace gpurun::json

namespace gpurun::gpu {

std::vector<Finding> examine(const Survey& survey) {
    std::vector<Finding> findings;
    for (const auto check : {check_settings, check_hardware, check_driver, check_libraries, check_gpus, check_fabric,
                             check_nodes, check_selinux, check_cdi, check_foreign_hooks, check_engines})
        check(survey, findings);
    return findings;
}

std::string to_json(const std::vector<Finding>& findings) { return json::write(findings, "  ") + "\n"; }

}  // namespace gpurun::gpu
