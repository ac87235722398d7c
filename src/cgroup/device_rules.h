#pragma once

#include <gpurun/cgroup.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// What an ordered list of device rules comes to. Pure.
namespace gpurun::cgroup {

/// Bits of the kernel's BPF_DEVCG_ACC_*.
enum Access : std::uint32_t { access_mknod = 1, access_read = 2, access_write = 4, access_all = 7 };

/// One kind of device and bits; -1 as a number: all.
struct DeviceMatch {
    char type = 'c';  ///< 'c', 'b', or 'a' for both.
    std::int64_t major = -1, minor = -1;
    std::uint32_t access = access_all;
    bool allow = true;
    bool operator==(const DeviceMatch&) const = default;
    bool is_everything() const { return type == 'a' && major == -1 && minor == -1 && access == access_all; }
};

/// The rules that still matter, oldest first: those before the last one about everything are dropped, repeated ones
/// too. Later ones win, for each access bit by itself. Throws Error for types, numbers or access letters that do not
/// exist.
std::vector<DeviceMatch> reduce(const std::vector<spec::DeviceRule>& rules);

/// v1's devices cgroup: one default and exceptions to it, each of the other kind.
struct DeviceList {
    bool allow_by_default = false;
    std::vector<DeviceMatch> exceptions;
};

/// \a rules (of reduce()) as v1 can hold them. Throws Error when a rule takes a part out of an earlier wildcard, which
/// v1 ignores.
DeviceList to_list(const std::vector<DeviceMatch>& rules);

/// "c 1:* rw", as devices.allow takes it and devices.list shows it.
std::string to_text(const DeviceMatch& match);

/// A BPF_PROG_TYPE_CGROUP_DEVICE program for \a rules, straight-line: one path for the verifier, which costs more than
/// the run. Each element is a struct bpf_insn.
std::vector<std::uint64_t> device_program(const std::vector<DeviceMatch>& rules);

}  // namespace gpurun::cgroup
