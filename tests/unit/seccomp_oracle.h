#pragma once

#include <gpurun/security.h>
#include <gpurun/spec.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <map>
#include <vector>

/// The judge of the seccomp tests: what libseccomp, used as runc uses it, makes of a profile, and an interpreter for
/// both programs.
namespace gpurun::oracle {

/// The action the kernel would take. Throws std::runtime_error for what the kernel's checker refuses.
std::uint32_t run(const std::vector<sock_filter>& program, const seccomp_data& data);

/// libseccomp's program for \a profile, without the ENOSYS stub. Empty when libseccomp refuses it:
/// equal conditions with different actions (EEXIST).
std::vector<sock_filter> compile(const spec::Seccomp& profile);

/// What runc's stub does before the program runs: ENOSYS for what is newer than all the profile names.
class Stub {
 public:
    explicit Stub(const spec::Seccomp& profile);
    bool refuses(const seccomp_data& data) const;

 private:
    std::map<std::uint32_t, std::uint32_t> newest_;  ///< By SCMP_ARCH_… token.
};

}  // namespace gpurun::oracle
