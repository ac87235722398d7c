#pragma once

namespace gpurun::cli {

/// Makes sure that a container cannot write to the file this process runs from (CVE-2019-5736): executes it again by a
/// read-only mount of its own, or from a sealed copy in memory where that can't be had, unless the file cannot be
/// written anyway (a read-only mount, fs-verity). Call before anything with an effect. Throws Error.
void protect_binary(char** argv);

/// The mount alone, before anything is done that the program would do again; what can't be had is left to
/// protect_binary.
void try_protect_binary(char** argv) noexcept;

}  // namespace gpurun::cli
