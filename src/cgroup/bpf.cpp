#include "cgroup/bpf.h"

#include <gpurun/error.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/log.h"
#include "base/text.h"
#include "cgroup/tree.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

constexpr char program_name[] = "gpurun_devices";
constexpr std::uint32_t most_programs = 64;  // The kernel's limit for one cgroup and attach type.

long bpf(bpf_cmd command, bpf_attr& attributes) { return ::syscall(SYS_bpf, command, &attributes, sizeof attributes); }

std::uint32_t number(sys::FdRef fd) { return static_cast<std::uint32_t>(fd.get()); }

sys::Fd try_load(const std::vector<std::uint64_t>& code) noexcept {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = reinterpret_cast<std::uint64_t>(code.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
    attributes.license = reinterpret_cast<std::uint64_t>("GPL");
    std::memcpy(attributes.prog_name, program_name, sizeof program_name);
    return sys::Fd(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
}

sys::Fd load(const std::vector<std::uint64_t>& code) {
    sys::Fd program = try_load(code);
    if (!program && errno == EPERM) {
        // Before Linux 5.11 programs count as locked memory.
        const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
        if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) program = try_load(code);
        if (!program) errno = EPERM;
    }
    return program;
}

struct Program {
    sys::Fd fd;
    bool ours = false;
};

std::vector<Program> attached_programs(sys::FdRef directory) {
    std::uint32_t ids[most_programs];
    bpf_attr query{};
    query.query.target_fd = number(directory);
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = reinterpret_cast<std::uint64_t>(ids);
    query.query.prog_cnt = most_programs;
    if (bpf(BPF_PROG_QUERY, query) != 0) throw Error(errno, "bpf(BPF_PROG_QUERY) of the container's cgroup");
    std::vector<Program> programs;
    for (std::uint32_t at = 0; at < query.query.prog_cnt; ++at) {
        bpf_attr open{};
        open.prog_id = ids[at];
        Program program{.fd = sys::Fd(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, open)))};
        if (!program.fd) continue;
        bpf_prog_info info{};
        bpf_attr ask{};
        ask.info.bpf_fd = number(program.fd);
        ask.info.info_len = sizeof info;
        ask.info.info = reinterpret_cast<std::uint64_t>(&info);
        program.ours = bpf(BPF_OBJ_GET_INFO_BY_FD, ask) == 0 && std::string_view(info.name) == program_name;
        programs.push_back(std::move(program));
    }
    return programs;
}

// Attaches \a program beside others, or in the place of \a old.
void attach(sys::FdRef directory, sys::FdRef program, const Program* old) {
    bpf_attr attributes{};
    attributes.target_fd = number(directory);
    attributes.attach_bpf_fd = number(program);
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (old != nullptr) {
        attributes.attach_flags |= BPF_F_REPLACE;
        attributes.replace_bpf_fd = number(old->fd);
    }
    if (bpf(BPF_PROG_ATTACH, attributes) == 0) return;
    if (old == nullptr || errno != EINVAL) throw Error(errno, "bpf(BPF_PROG_ATTACH) of the device filter");
    // Linux before 5.6 knows no BPF_F_REPLACE. Both at once allow what both allow: stricter for a moment, never open.
    attach(directory, program, nullptr);
    bpf_attr detach{};
    detach.target_fd = number(directory);
    detach.attach_bpf_fd = number(old->fd);
    detach.attach_type = BPF_CGROUP_DEVICE;
    if (bpf(BPF_PROG_DETACH, detach) != 0) throw Error(errno, "bpf(BPF_PROG_DETACH) of the old device filter");
}

}  // namespace

void set_device_program(sys::FdRef directory, const std::vector<DeviceMatch>& rules, Attached attached) {
    const bool everything = rules.size() == 1 && rules.front().allow && rules.front().is_everything();
    if (everything && attached == Attached::nothing) return;
    const sys::Fd program = load(device_program(rules));
    if (!program) {
        const int failure = errno;
        if (failure == EPERM && !is_host_root())
            return log::debug("no device filter: not permitted in a user namespace");
        throw Error(failure, "bpf(BPF_PROG_LOAD) of the device filter");
    }
    const auto programs = attached == Attached::nothing ? std::vector<Program>{} : attached_programs(directory);
    const Program* ours = nullptr;
    for (const auto& one : programs)
        if (one.ours) ours = &one;
    if (everything && ours == nullptr) return;
    attach(directory, program, ours);
}

}  // namespace gpurun::cgroup
