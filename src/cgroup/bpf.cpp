#include "cgroup/bpf.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
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

std::optional<bpf_prog_info> info_of(sys::FdRef program) {
    bpf_prog_info info{};
    bpf_attr ask{};
    ask.info.bpf_fd = number(program);
    ask.info.info_len = sizeof info;
    ask.info.info = reinterpret_cast<std::uint64_t>(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, ask) != 0) return std::nullopt;
    return info;
}

bool is_ours(const std::optional<bpf_prog_info>& info) {
    return info && info->type == BPF_PROG_TYPE_CGROUP_DEVICE && std::string_view(info->name) == program_name;
}

sys::Fd try_open_program(std::uint32_t id) {
    bpf_attr open{};
    open.prog_id = id;
    return sys::Fd(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, open)));
}

// Most containers have the same rules, and the kernel takes longer to check and translate a program (0.13 ms) than to
// make the cgroup. So it is kept which program was loaded for which code, and while a cgroup holds it, which is until
// some milliseconds after its end, another one shares it. The tag is the kernel's hash of the code.
struct Kept {
    std::uint32_t id;
    std::uint8_t tag[BPF_TAG_SIZE];
};
constexpr const char* kept_folder = "/run/gpurun-devices";
constexpr unsigned most_kept = 16;

class KeptProgram {
 public:
    explicit KeptProgram(const std::vector<std::uint64_t>& code)
        : code_(reinterpret_cast<const char*>(code.data()), code.size() * sizeof code.front()),
          path_(format("{}/{}", kept_folder, std::hash<std::string_view>()(code_) % most_kept)) {}

    sys::Fd find() {
        const auto text = sys::try_read_file(path_, 1u << 20);
        if (!text || text->size() < sizeof(Kept) || std::string_view(*text).substr(sizeof(Kept)) != code_) return {};
        known_ = true;
        Kept kept{};
        std::memcpy(&kept, text->data(), sizeof kept);
        sys::Fd program = try_open_program(kept.id);
        if (!program) return program;
        const auto info = info_of(program);
        if (!is_ours(info) || !std::equal(kept.tag, kept.tag + sizeof kept.tag, info->tag)) program.reset();
        return program;
    }

    void keep(sys::FdRef program) const {
        const auto info = info_of(program);
        if (!info) return;
        Kept kept{.id = info->id, .tag = {}};
        std::copy(info->tag, info->tag + sizeof kept.tag, kept.tag);
        const std::string head(reinterpret_cast<const char*>(&kept), sizeof kept);
        if (known_) {
            // Never the tag: the file may be about other code by now, whose tag then tells that this is not its
            // program.
            sys::try_write_file_at(sys::FdRef(AT_FDCWD), path_, std::string_view(head).substr(0, sizeof kept.id));
            return;
        }
        try {
            sys::make_directories(kept_folder, 0700);
            sys::replace_file_at(sys::FdRef(AT_FDCWD), path_, head + std::string(code_), 0600);
        } catch (const Error& error) {
            log::debug("device filter: {}", error.text());
        }
    }

 private:
    std::string_view code_;
    std::string path_;
    bool known_ = false;  // The file is about this code: only the program is another.
};

// Empty with errno set when the kernel refuses the program.
sys::Fd find_or_load(const std::vector<std::uint64_t>& code) {
    KeptProgram kept(code);
    sys::Fd program = kept.find();
    if (program) return program;
    program = load(code);
    if (program) kept.keep(program);
    return program;
}

struct Program {
    std::uint32_t id = 0;
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
        Program program{.id = ids[at], .fd = try_open_program(ids[at])};
        if (!program.fd) continue;
        program.ours = is_ours(info_of(program.fd));
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
    const sys::Fd program = find_or_load(device_program(rules));
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
    // Shared, it may be the very one, and older kernels refuse to put a program in its own place.
    if (const auto info = ours != nullptr ? info_of(program) : std::nullopt; info && info->id == ours->id) return;
    attach(directory, program, ours);
}

}  // namespace gpurun::cgroup
