#pragma once

#include <string>
#include <string_view>

/// Registering gpurun with engines: pure functions from a configuration's text to the new one. What is not ours,
/// comments and layout included, stays as it is; doing it twice changes nothing the second time.
namespace gpurun::cli {

/// What `gpurun setup` was asked for.
struct Registration {
    std::string file;     ///< The configuration's path, for errors.
    std::string program;  ///< Absolute path of the gpurun that the engine shall start.
    bool is_default = false;
    bool remove = false;  ///< Take everything out again that a registration put in.
};

/// daemon.json. Throws Error("FILE:LINE:COLUMN: …") when it is not one. "" is an absent file.
std::string register_with_docker(std::string_view text, const Registration& registration);

/// containerd's config.toml, version 1, 2 or 3 (containerd 1.x and 2.x), for CRI and thereby Kubernetes. Throws Error
/// naming file and line for what is not TOML and for tables written inline.
std::string register_with_containerd(std::string_view text, const Registration& registration);

/// The drop-ins of CRI-O and of Podman, which are gpurun's alone. \a text: what is there now; throws Error when
/// somebody else wrote it. "" as result: the file goes.
std::string register_with_crio(std::string_view text, const Registration& registration);
std::string register_with_podman(std::string_view text, const Registration& registration);

}  // namespace gpurun::cli
