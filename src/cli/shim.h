#pragma once

#include <optional>

namespace gpurun::cli {

/// What gpurun does under the names of NVIDIA's programs that engines look for in PATH; nothing under its own name and
/// under nvidia-container-runtime, which both mean the runtime. Docker offers --gpus only where it finds
/// nvidia-container-runtime-hook. gpurun takes that hook out of a container's configuration and never starts it, so
/// whoever starts it is another runtime: where the container asks for no GPU the exit status is 0, else this throws
/// Error, as a container without its GPUs would be worse than none.
std::optional<int> run_as_named(int argc, char** argv);

}  // namespace gpurun::cli
