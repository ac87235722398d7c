#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/request.h"

/// NVIDIA_REQUIRE_*: what an image needs of driver and GPUs. White space separates alternatives, commas conditions that
/// must all hold; a condition is `cuda`, `driver`, `arch` or `brand`, an operator and a value.
namespace gpurun::gpu {

/// What conditions are compared with; nothing: not known, and every condition on it counts as true.
struct Properties {
    std::optional<std::string> cuda;    ///< The highest CUDA version that the driver supports, "13.0".
    std::optional<std::string> driver;  ///< "580.159.04"
    std::optional<std::string> arch;    ///< Compute capability, "9.0".
    std::optional<std::string> brand;   ///< "tesla", "geforce" …
};

/// The properties of a GPU, or of the driver alone where \a model is empty.
Properties properties_of(const std::string& driver_version, std::string_view model);

/// Throws Error("… unsatisfied condition: cuda>=13.1 …") when \a requirement does not hold, or that it is no
/// requirement.
void check_requirement(const Requirement& requirement, const Properties& properties);

/// Checks every requirement for every model, or for the driver alone where there are no models.
void check_requirements(const std::vector<Requirement>& requirements, const std::string& driver_version,
                        const std::vector<std::string>& models);

/// The CUDA version a driver branch supports; nothing for branches newer than this program.
std::optional<std::string> cuda_version_of_branch(unsigned branch);

/// Dotted numbers; missing parts are 0. Negative, 0 or positive.
int compare_versions(std::string_view left, std::string_view right);

}  // namespace gpurun::gpu
