#pragma once

#include <string>
#include <vector>

namespace gpurun::helper {

/// `gpurun-helper nvml DRIVERROOT [about] [usage]`: loads libnvidia-ml.so.1 of the driver below DRIVERROOT and returns
/// its answer, a line per fact, words separated by one blank:
///
///     driver VERSION CUDAVERSION              about
///     gpu BUSID UUID
///     about MINOR COMPUTECAPABILITY MODEL     about; of the gpu above
///     mig GI CI UUID                          of the gpu above
///     memory TOTAL USED                       usage; bytes
///     process PID BYTES                       usage
///
/// Throws Error with NVML's own words.
std::string nvml(const std::vector<std::string>& arguments);

}  // namespace gpurun::helper
