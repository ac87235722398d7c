#pragma once

#include <gpurun/gpu.h>

#include <optional>
#include <string>
#include <vector>

#include "gpu/hooks_recognise.h"
#include "gpu/native.h"

/// Why a container gets which GPU, node, library and link. Nothing is decided here: prepare() notes what it decides,
/// and this puts it in order.
namespace gpurun::gpu {

/// What prepare() decided on the way; see Options::trail.
struct Trail {
    Settings settings;
    std::optional<Request> request;
    HookOrders orders;       ///< Of hooks that config.json had already.
    bool by_engine = false;  ///< An engine has applied NVIDIA's CDI file before.
    std::optional<Discovery> discovery;
    std::vector<Edits> edits;  ///< As they were applied, with their reasons.
};

struct ExplainedGpu {
    std::string name, model, uuid;
    bool chosen = false;
    std::string why;
};

struct ExplainedEdit {
    std::string kind, subject, text, why;
};

struct ExplainedOmission {
    std::string what, why;
};

struct Explanation {
    std::string problem;  ///< Why `create` would fail; empty: it would not for a GPU's sake.
    std::string request;  ///< What asks: "NVIDIA_VISIBLE_DEVICES=all"; or why nothing does.
    bool requested = false;
    std::string capabilities, settings_file;
    std::vector<std::string> requirements, hooks;
    std::vector<ExplainedGpu> gpus;
    std::vector<ExplainedEdit> edits;
    std::vector<ExplainedOmission> left_out;
};

/// Carries prepare() out on a copy of \a spec, but loads no modules. What create would fail for is
/// Explanation::problem and no error here.
Explanation explain(spec::Spec spec, Options options);

/// As `--format json` prints it.
std::string to_json(const Explanation& explanation);

}  // namespace gpurun::gpu
