#pragma once

#include <string>
#include <vector>

#include "base/table.h"
#include "gpu/survey.h"

/// What `gpurun gpu check` and `gpurun gpu doctor` look at. Everything is read from files below the host's root;
/// nothing is run, loaded or changed.
namespace gpurun::gpu {

enum class Verdict {
    good,
    note,     ///< Good to know; nothing has to be done.
    warning,  ///< Containers start, but something will not work as it could.
    wrong,    ///< Containers with GPUs will not start or not work.
};

inline constexpr Name<Verdict> verdict_names[] = {
    {"ok", Verdict::good}, {"note", Verdict::note}, {"warning", Verdict::warning}, {"wrong", Verdict::wrong}};

struct Finding {
    std::string subject;  ///< "driver", "node /dev/nvidia0": the same word for the same check, whatever comes of it.
    Verdict verdict = Verdict::good;
    std::string fact;    ///< What is so, in one sentence.
    std::string remedy;  ///< The command that mends it, or the step where there is no command; empty: nothing to do.
};

/// Every check, in the order in which one depends on the other.
std::vector<Finding> examine(const Survey& survey);

/// As `--format json` prints them.
std::string to_json(const std::vector<Finding>& findings);

// The checks by subject; each adds at least one finding or none where the host has nothing of the kind.
void check_hardware(const Survey& survey, std::vector<Finding>& findings);
void check_driver(const Survey& survey, std::vector<Finding>& findings);
void check_libraries(const Survey& survey, std::vector<Finding>& findings);
void check_gpus(const Survey& survey, std::vector<Finding>& findings);
void check_fabric(const Survey& survey, std::vector<Finding>& findings);
void check_nodes(const Survey& survey, std::vector<Finding>& findings);
void check_selinux(const Survey& survey, std::vector<Finding>& findings);
void check_settings(const Survey& survey, std::vector<Finding>& findings);
void check_cdi(const Survey& survey, std::vector<Finding>& findings);
void check_engines(const Survey& survey, std::vector<Finding>& findings);
void check_foreign_hooks(const Survey& survey, std::vector<Finding>& findings);

}  // namespace gpurun::gpu
