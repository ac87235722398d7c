#include <gpurun/error.h>
#include <gpurun/security.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/table.h"

namespace gpurun::security {
namespace {

constexpr Name<int> capability_table[] = {
    {"CAP_CHOWN", CAP_CHOWN},
    {"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE},
    {"CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH},
    {"CAP_FOWNER", CAP_FOWNER},
    {"CAP_FSETID", CAP_FSETID},
    {"CAP_KILL", CAP_KILL},
    {"CAP_SETGID", CAP_SETGID},
    {"CAP_SETUID", CAP_SETUID},
    {"CAP_SETPCAP", CAP_SETPCAP},
    {"CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE},
    {"CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
    {"CAP_NET_BROADCAST", CAP_NET_BROADCAST},
    {"CAP_NET_ADMIN", CAP_NET_ADMIN},
    {"CAP_NET_RAW", CAP_NET_RAW},
    {"CAP_IPC_LOCK", CAP_IPC_LOCK},
    {"CAP_IPC_OWNER", CAP_IPC_OWNER},
    {"CAP_SYS_MODULE", CAP_SYS_MODULE},
    {"CAP_SYS_RAWIO", CAP_SYS_RAWIO},
    {"CAP_SYS_CHROOT", CAP_SYS_CHROOT},
    {"CAP_SYS_PTRACE", CAP_SYS_PTRACE},
    {"CAP_SYS_PACCT", CAP_SYS_PACCT},
    {"CAP_SYS_ADMIN", CAP_SYS_ADMIN},
    {"CAP_SYS_BOOT", CAP_SYS_BOOT},
    {"CAP_SYS_NICE", CAP_SYS_NICE},
    {"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE},
    {"CAP_SYS_TIME", CAP_SYS_TIME},
    {"CAP_SYS_TTY_CONFIG", CAP_SYS_TTY_CONFIG},
    {"CAP_MKNOD", CAP_MKNOD},
    {"CAP_LEASE", CAP_LEASE},
    {"CAP_AUDIT_WRITE", CAP_AUDIT_WRITE},
    {"CAP_AUDIT_CONTROL", CAP_AUDIT_CONTROL},
    {"CAP_SETFCAP", CAP_SETFCAP},
    {"CAP_MAC_OVERRIDE", CAP_MAC_OVERRIDE},
    {"CAP_MAC_ADMIN", CAP_MAC_ADMIN},
    {"CAP_SYSLOG", CAP_SYSLOG},
    {"CAP_WAKE_ALARM", CAP_WAKE_ALARM},
    {"CAP_BLOCK_SUSPEND", CAP_BLOCK_SUSPEND},
    {"CAP_AUDIT_READ", CAP_AUDIT_READ},
    {"CAP_PERFMON", CAP_PERFMON},
    {"CAP_BPF", CAP_BPF},
    {"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE},
};

constexpr std::uint64_t bit(int number) { return std::uint64_t{1} << number; }

void add_once(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::uint64_t resolve_set(const std::vector<std::string>& names, std::uint64_t known,
                          std::vector<std::string>& unknown) {
    std::uint64_t set = 0;
    for (const auto& name : names) {
        const int number = capability_number(name);
        if (number >= 0 && (known & bit(number)) != 0)
            set |= bit(number);
        else
            add_once(unknown, name);
    }
    return set;
}

bool in_bounding_set(int number) { return ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) > 0; }

// The bits of \a set that are in this process's bounding set.
std::uint64_t bounding_part(std::uint64_t set) {
    for (int number = 0; number < 64; ++number)
        if ((set & bit(number)) != 0 && !in_bounding_set(number)) set &= ~bit(number);
    return set;
}

struct Held {
    std::uint64_t permitted = 0, inheritable = 0;
};

using Halves = __user_cap_data_struct[_LINUX_CAPABILITY_U32S_3];

constexpr std::uint64_t whole(std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; }

Held held() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Halves data{};
    if (::syscall(SYS_capget, &header, data) != 0) throw Error(errno, "capget");
    return {.permitted = whole(data[0].permitted, data[1].permitted),
            .inheritable = whole(data[0].inheritable, data[1].inheritable)};
}

void raise_ambient(std::uint64_t ambient) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        throw Error(errno, "prctl(PR_CAP_AMBIENT_CLEAR_ALL)");
    for (int number = 0; ambient != 0; ++number, ambient >>= 1) {
        if ((ambient & 1) == 0) continue;
        if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
            throw Error(errno, format("raise ambient {}", describe_capabilities(bit(number))));
    }
}

}  // namespace

std::uint64_t known_capabilities() {
    // One past the newest is enough to ask on most kernels.
    int last = CAP_LAST_CAP;
    const auto exists = [](int number) { return ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; };
    while (last < 62 && exists(last + 1)) ++last;
    while (last > 0 && !exists(last)) --last;
    return (bit(last) << 1) - 1;
}

int capability_number(const std::string& name) {
    std::string full = name.size() < 4 || ::strncasecmp(name.c_str(), "CAP_", 4) != 0 ? "CAP_" + name : name;
    for (char& c : full)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return value_of(capability_table, full).value_or(-1);
}

std::vector<std::string> capability_names() {
    std::vector<std::string> names;
    for (const auto& row : capability_table) names.emplace_back(row.name);
    return names;
}

std::string describe_capabilities(std::uint64_t set) {
    std::string text;
    for (int number = 0; set != 0; ++number, set >>= 1) {
        if ((set & 1) == 0) continue;
        if (!text.empty()) text += ' ';
        const auto name = name_of(capability_table, number);
        text += name ? std::string(*name) : std::to_string(number);
    }
    return text;
}

CapabilitySets resolve(const spec::Capabilities& names, std::uint64_t known, Ungranted& ungranted) {
    auto& unknown = ungranted.unknown;
    CapabilitySets sets{
        .bounding = resolve_set(names.bounding, known, unknown),
        .effective = resolve_set(names.effective, known, unknown),
        .inheritable = resolve_set(names.inheritable, known, unknown),
        .permitted = resolve_set(names.permitted, known, unknown),
        .ambient = resolve_set(names.ambient, known, unknown),
    };
    const std::uint64_t raisable = sets.inheritable & sets.permitted;
    for (const auto& name : names.ambient) {
        const int number = capability_number(name);
        if (number >= 0 && (sets.ambient & ~raisable & bit(number)) != 0) add_once(ungranted.not_raisable, name);
    }
    sets.ambient &= raisable;
    return sets;
}

void drop_bounding(std::uint64_t bounding) {
    for (int number = 0; number < 64; ++number) {
        if ((bounding & bit(number)) != 0 || ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
        const int failure = errno;
        if (failure == EINVAL) return;  // Past the kernel's last capability.
        // Without CAP_SETPCAP (a nested, unprivileged runtime) only what is still there is a problem.
        if (in_bounding_set(number))
            throw Error(failure, format("drop {} from the bounding set", describe_capabilities(bit(number))));
    }
}

void set_exactly(const CapabilitySets& sets) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Halves data{};
    for (unsigned half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
        data[half].effective = static_cast<std::uint32_t>(sets.effective >> (32 * half));
        data[half].permitted = static_cast<std::uint32_t>(sets.permitted >> (32 * half));
        data[half].inheritable = static_cast<std::uint32_t>(sets.inheritable >> (32 * half));
    }
    if (::syscall(SYS_capset, &header, data) != 0) throw Error(errno, "capset");
}

CapabilitySets apply(const CapabilitySets& sets, std::uint64_t kept) {
    const Held mine = held();
    CapabilitySets granted = sets;
    granted.permitted &= mine.permitted;
    granted.effective &= granted.permitted;
    granted.inheritable &= mine.inheritable | (mine.permitted & bounding_part(granted.inheritable & ~mine.inheritable));
    granted.ambient &= granted.permitted & granted.inheritable;
    const std::uint64_t refused = (sets.permitted & ~granted.permitted) | (sets.effective & ~granted.effective) |
                                  (sets.inheritable & ~granted.inheritable) | (sets.ambient & ~granted.ambient);
    if (refused != 0) log::warning("capabilities that can't be granted: {}", describe_capabilities(refused));
    CapabilitySets now = granted;
    now.permitted |= kept & mine.permitted;
    now.effective |= kept & mine.permitted;
    set_exactly(now);
    raise_ambient(granted.ambient);
    return granted;
}

}  // namespace gpurun::security
