#pragma once

#include <string>
#include <vector>

#include "gpu/describe.h"
#include "gpu/explain.h"
#include "gpu/findings.h"
#include "gpu/nodes.h"

/// What `gpurun gpu …` prints for people. Pure; the JSON forms belong to the values themselves.
namespace gpurun::cli {

std::string gpu_table(const std::vector<gpu::GpuDescription>& gpus);
std::string host_text(const gpu::HostDescription& host);

/// A line per finding: "ok        driver   580.159.04 is loaded".
std::string check_text(const std::vector<gpu::Finding>& findings);
/// What is not as it should be, each with what mends it, and how many there are.
std::string doctor_text(const std::vector<gpu::Finding>& findings);

/// Request, GPUs, edits and what was left out, each with its reason.
std::string explanation_text(const gpu::Explanation& explanation);

/// "/dev/nvidia0  c 195:0  0666  missing": a line per node.
std::string node_table(const std::vector<gpu::HostNode>& nodes, const std::vector<gpu::NodeState>& states);

}  // namespace gpurun::cli
