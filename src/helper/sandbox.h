#pragma once

/// What the helper gives up before it runs code that is not gpurun's.
namespace gpurun::helper {

/// Leaves this process without capabilities, network, new privileges, core dumps or files that grow, and kills it after
/// \a seconds. What it may still do is open files as its user. Throws Error when a step that must work does not.
void enter_sandbox(unsigned seconds);

}  // namespace gpurun::helper
