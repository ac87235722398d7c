#pragma once

#include <optional>
#include <string>

#include "gpu/driver_files.h"
#include "gpu/inventory.h"
#include "gpu/settings.h"

namespace gpurun::gpu {

/// A host as `gpurun gpu …` looks at it, read once. What can't be read is no error here but a sentence.
struct Survey {
    Host host;
    Settings settings;
    std::optional<Inventory> inventory;  ///< Nothing: no NVIDIA kernel driver is loaded.
    DriverFiles files;                   ///< For every capability.
    std::string settings_problem;        ///< Why the settings are the built-in ones though there is a file.
    std::string root_problem;            ///< Why the driver root is "/" though another one is configured.
    std::string inventory_problem;       ///< Why there is no inventory though a driver is loaded.
    std::string files_problem;           ///< Why there are no files though there is an inventory.
};

/// Looks at the host below \a host_root; \a rootless: with the caller's own settings. Throws Error only when there is
/// no such directory. Runs nothing and changes nothing.
Survey survey(const std::string& host_root, bool rootless);

/// The text of a file below the host's root, at most 256 KiB; nothing when it can't be read.
std::optional<std::string> read_fact(const Host& host, const std::string& path);

/// True when the host has \a path, or a link of that name.
bool has_path(const Host& host, const std::string& path);

/// True when the kernel module is loaded (or built in), by its name in sysfs: "nvidia_uvm".
bool has_module(const Host& host, const std::string& name);

}  // namespace gpurun::gpu
