#pragma once

#include <optional>
#include <string>

#include "gpu/host.h"

/// Facts that are dear to ask for and stay as they are until the machine restarts or the driver is loaded anew: reading
/// one GPU's information takes the kernel 0.15 ms, NVML seconds. Kept in /run/gpurun-gpu, for root on the real host
/// only.
namespace gpurun::gpu {

/// What was kept under \a name with the same \a key, for this boot and this loading of the driver.
std::optional<std::string> read_kept(const Host& host, const std::string& name, const std::string& key);

/// Keeps \a text. A failure is no error: it will be asked for again.
void keep(const Host& host, const std::string& name, const std::string& key, const std::string& text);

}  // namespace gpurun::gpu
