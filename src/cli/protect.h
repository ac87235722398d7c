#pragma once

namespace gpurun::cli {

/// Makes sure that a container cannot write to the file this process runs from (CVE-2019-5736): runs on from a sealed
/// copy in memory, unless it already does, or the file cannot be written at all (a read-only mount, fs-verity). Call
/// before anything with an effect. Throws Error.
void protect_binary(char** argv);

}  // namespace gpurun::cli
