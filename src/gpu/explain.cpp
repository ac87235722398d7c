#include "gpu/explain.h"

#include <gpurun/error.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "gpu/edits.h"
#include "json/json.h"

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Fields<ExplainedGpu> {
    using T = ExplainedGpu;
    static constexpr Field value[] = {always<&T::name>("name"), always<&T::model>("model"), field<&T::uuid>("uuid"),
                                      always<&T::chosen>("chosen"), always<&T::why>("why")};
};

template <>
struct Fields<ExplainedEdit> {
    using T = ExplainedEdit;
    static constexpr Field value[] = {always<&T::kind>("kind"), always<&T::subject>("subject"),
                                      always<&T::text>("edit"), always<&T::why>("why")};
};

template <>
struct Fields<ExplainedOmission> {
    using T = ExplainedOmission;
    static constexpr Field value[] = {always<&T::what>("what"), always<&T::why>("why")};
};

template <>
struct Fields<Explanation> {
    using T = Explanation;
    static constexpr Field value[] = {field<&T::problem>("problem"),
                                      always<&T::requested>("requested"),
                                      always<&T::request>("request"),
                                      field<&T::capabilities>("capabilities"),
                                      field<&T::settings_file>("settingsFile"),
                                      field<&T::requirements>("requirements"),
                                      field<&T::hooks>("hooks"),
                                      always<&T::gpus>("gpus"),
                                      always<&T::edits>("edits"),
                                      always<&T::left_out>("leftOut")};
};

}  // namespace gpurun::json

namespace gpurun::gpu {
namespace {

// Why the config asks for nothing: the variable's own words.
std::string why_no_request(const spec::Spec& spec, const Trail& trail) {
    if (trail.by_engine) return "the engine has applied NVIDIA's CDI file already, so nothing is injected again";
    const auto value = spec.process ? environment_value(spec.process->env, "NVIDIA_VISIBLE_DEVICES") : std::nullopt;
    if (!value) return "nothing asks for a GPU: NVIDIA_VISIBLE_DEVICES is not set and nothing else names one";
    if (value->empty()) return "nothing asks for a GPU: NVIDIA_VISIBLE_DEVICES is empty";
    if (value->find("void") != std::string_view::npos)
        return format("NVIDIA_VISIBLE_DEVICES={} means that nothing is injected", *value);
    return format("NVIDIA_VISIBLE_DEVICES={} does not count: {} lets it count in privileged containers only", *value,
                  trail.settings.file);
}

std::vector<std::string> hooks_of(const HookOrders& orders) {
    std::vector<std::string> hooks;
    if (!orders.links.empty()) hooks.push_back(format("create-symlinks: {} links", orders.links.size()));
    if (!orders.library_folders.empty())
        hooks.push_back("update-ldcache: " + gpurun::join(orders.library_folders, ", "));
    if (!orders.soname_folders.empty())
        hooks.push_back("create-soname-symlinks: " + gpurun::join(orders.soname_folders, ", "));
    if (orders.compat) hooks.push_back("enable-cuda-compat");
    if (orders.mask_parameters) hooks.push_back("disable-device-node-modification");
    if (orders.application_profile) hooks.push_back("update-application-profile");
    if (orders.by_environment) hooks.push_back("nvidia-container-runtime-hook: NVIDIA_VISIBLE_DEVICES is injected");
    if (!orders.devices.empty()) hooks.push_back("gpurun's marker: " + gpurun::join(orders.devices, ", "));
    return hooks;
}

void explain_gpus(const Trail& trail, Explanation& explanation) {
    if (!trail.discovery) return;
    const auto& origin = trail.request->origin;
    const auto& chosen = trail.discovery->selection.gpus;
    for (const auto& gpu : trail.discovery->inventory.gpus) {
        const auto place =
            std::find_if(chosen.begin(), chosen.end(), [&](const Gpu& each) { return each.bus_id == gpu.bus_id; });
        ExplainedGpu row{.name = std::to_string(gpu.index), .model = gpu.model, .uuid = gpu.uuid};
        row.chosen = place != chosen.end();
        row.why = row.chosen ? format("chosen by {}", origin) : format("{} does not name it", origin);
        if (row.chosen && place->mig.size() < gpu.mig.size())
            row.why += format(", {} of its {} MIG instances", place->mig.size(), gpu.mig.size());
        explanation.gpus.push_back(std::move(row));
    }
    for (const auto& gpu : trail.discovery->inventory.excluded)
        explanation.gpus.push_back({.name = gpu.bus_id,
                                    .model = gpu.model,
                                    .uuid = gpu.uuid,
                                    .chosen = false,
                                    .why = "excluded by the driver's parameter NVreg_ExcludedGpus"});
}

// The reason noted for a subject last: what came later has replaced what was there.
std::string reason_for(const Edits& edits, const std::string& subject) {
    if (edits.reasons)
        for (auto reason = edits.reasons->rbegin(); reason != edits.reasons->rend(); ++reason)
            if (reason->subject == subject && !reason->left_out) return reason->why;
    return {};
}

void explain_edits(const Trail& trail, const Options& options, Explanation& explanation) {
    for (const auto& edits : trail.edits) {
        for (auto& line : lines(edits, options.host_root))
            explanation.edits.push_back({.kind = std::move(line.kind),
                                         .subject = line.subject,
                                         .text = std::move(line.text),
                                         .why = reason_for(edits, line.subject)});
        if (!edits.reasons) continue;
        for (const auto& reason : *edits.reasons)
            if (reason.left_out) explanation.left_out.push_back({reason.subject, reason.why});
    }
}

// What the driver has beyond what is asked for: found by the same search, for every capability.
void explain_other_files(const Trail& trail, const Options& options, Explanation& explanation) {
    if (!trail.discovery || !trail.request->driver) return;
    DriverFiles all;
    try {
        all = find_driver_files(open_host(options.host_root, trail.settings.driver_root),
                                trail.discovery->inventory.version, CapabilitySet::all(), trail.settings.library_paths);
    } catch (const Error&) {
        return;  // Some capability's library is missing: that is doctor's business.
    }
    std::set<std::string> taken;
    for (const auto& library : trail.discovery->files.libraries) taken.insert(library.path());
    for (const auto& program : trail.discovery->files.programs) taken.insert(program.host_path);
    const auto omit = [&](const std::string& path, const std::string& needed_by) {
        if (!taken.contains(path))
            explanation.left_out.push_back(
                {path, format("it is for {}; the container has {}", needed_by, to_text(trail.request->capabilities))});
    };
    for (const auto& library : all.libraries)
        omit(library.path(), library.is_32_bit ? "compat32" : to_text(library.needed_by));
    for (const auto& program : all.programs) omit(program.host_path, to_text(program.needed_by));
}

}  // namespace

Explanation explain(spec::Spec spec, Options options) {
    Trail trail;
    options.trail = &trail;
    const spec::Spec original = spec;
    Explanation explanation;
    try {
        prepare(spec, options);
    } catch (const Error& error) {
        explanation.problem = error.text();
    }
    explanation.requested = trail.request.has_value();
    explanation.request = trail.request ? trail.request->origin : why_no_request(original, trail);
    explanation.settings_file = trail.settings.file;
    explanation.hooks = hooks_of(trail.orders);
    if (trail.request) {
        if (trail.request->needs_driver()) explanation.capabilities = to_text(trail.request->capabilities);
        for (const auto& requirement : trail.request->requirements)
            explanation.requirements.push_back(format("{}={}", requirement.variable, requirement.expression));
    }
    explain_gpus(trail, explanation);
    explain_edits(trail, options, explanation);
    explain_other_files(trail, options, explanation);
    return explanation;
}

std::string to_json(const Explanation& explanation) { return json::write(explanation, "  ") + "\n"; }

}  // namespace gpurun::gpu
