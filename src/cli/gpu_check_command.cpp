#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/gpu_command.h"
#include "cli/gpu_tables.h"
#include "gpu/requirement.h"

namespace gpurun::cli {
namespace {

constexpr Option check_options[] = {{"format", 'f', true, "table or json"},
                                    {"host-root", 0, true, "look at the host whose files are below this directory"}};

// An image's NVIDIA_REQUIRE_… expression, tried on every GPU.
gpu::Finding try_requirement(const gpu::Survey& survey, const std::string& expression) {
    if (!survey.inventory) return {"requires", gpu::Verdict::wrong, expression + ": no driver is loaded", ""};
    std::vector<std::string> models;
    for (const auto& gpu : survey.inventory->gpus) models.push_back(gpu.model);
    try {
        gpu::check_requirements({{"requirement", expression}}, survey.inventory->version, models);
        return {"requires", gpu::Verdict::good, expression + " holds", ""};
    } catch (const Error& error) {
        return {"requires", gpu::Verdict::wrong, error.text(), ""};
    }
}

int report(const Arguments& arguments, std::string (*text)(const std::vector<gpu::Finding>&)) {
    const std::string wanted = output_format(arguments);
    const auto survey = gpu::survey(host_root(arguments), is_rootless());
    auto findings = gpu::examine(survey);
    for (const auto& expression : arguments.positionals) findings.push_back(try_requirement(survey, expression));
    print(wanted == "json" ? gpu::to_json(findings) : text(findings));
    const bool any = std::any_of(findings.begin(), findings.end(),
                                 [](const gpu::Finding& finding) { return finding.verdict == gpu::Verdict::wrong; });
    return any ? 1 : 0;
}

int check(const container::Context&, const Arguments& arguments) { return report(arguments, check_text); }
int doctor(const container::Context&, const Arguments& arguments) { return report(arguments, doctor_text); }

}  // namespace

const Command gpu_check_command{.name = "check",
                                .usage = "[OPTION]... [REQUIREMENT …]",
                                .summary = "a line for each fact; status 1 when something is wrong",
                                .options = check_options,
                                .order = Order::any,
                                .fewest = 0,
                                .most = 100,
                                .protects = false,
                                .run = check};
const Command gpu_doctor_command{.name = "doctor",
                                 .usage = "[OPTION]...",
                                 .summary = "what is wrong, why, and the command that mends it",
                                 .options = check_options,
                                 .order = Order::any,
                                 .fewest = 0,
                                 .most = 0,
                                 .protects = false,
                                 .run = doctor};

}  // namespace gpurun::cli
