#pragma once

#include <gpurun/gpu.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpu/capability.h"
#include "gpu/settings.h"

namespace gpurun::gpu {

/// One NVIDIA_REQUIRE_… variable.
struct Requirement {
    std::string variable;
    std::string expression;  ///< Terms by white space are alternatives; conditions by commas must all hold.
};

/// Device families behind a switch of their own: NVIDIA_GDS=enabled and so on.
struct Features {
    bool gds = false, mofed = false, gdrcopy = false, nvswitch = false;
};

/// What a container asks for.
struct Request {
    bool all = false;                    ///< Every GPU with its MIG instances.
    bool driver = false;                 ///< The driver's files and control nodes, also with no GPU chosen (`none`).
    std::vector<std::string> ids;        ///< GPUs as they were named: index, UUID, MIG UUID, i:j, bus id.
    std::vector<std::string> cdi_names;  ///< vendor/class=name, for CDI files.
    CapabilitySet capabilities;          ///< As asked; see library_capabilities.
    std::vector<Requirement> requirements;
    std::vector<std::uint32_t> imex_channels;
    Features features;
    bool mig_config = false;   ///< NVIDIA_MIG_CONFIG_DEVICES=all.
    bool mig_monitor = false;  ///< NVIDIA_MIG_MONITOR_DEVICES=all.
    bool implied = false;      ///< Only because the image looks like an old CUDA image; not worth failing for.
    bool explain = false;      ///< Edits shall say why they are there.
    std::string origin;        ///< What asked, for messages: "NVIDIA_VISIBLE_DEVICES=all".

    /// Something is asked of NVIDIA's own driver, not only of CDI files.
    bool needs_driver() const {
        return driver || !imex_channels.empty() || features.gds || features.mofed || features.gdrcopy ||
               features.nvswitch;
    }
};

/// True when something in \a spec or \a options may be a request: parse_request is worth its files. Reads nothing but
/// its arguments.
bool may_request(const spec::Spec& spec, const Options& options);

/// The request of \a spec and \a options under \a settings; nothing when there is none or policy ignores it (with a
/// warning). Pure. Throws Error for values that no runtime should guess about: unknown capabilities, MIG management
/// without privileges.
std::optional<Request> parse_request(const spec::Spec& spec, const Options& options, const Settings& settings);

/// What the libraries and programs are chosen by: video needs compute's libraries, display the graphics ones.
CapabilitySet library_capabilities(CapabilitySet asked);

/// CAP_SYS_ADMIN is in the bounding set.
bool is_privileged(const spec::Spec& spec);

}  // namespace gpurun::gpu
