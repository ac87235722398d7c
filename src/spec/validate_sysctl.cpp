#include <sys/stat.h>

#include "spec/invalid.h"
#include "sys/file.h"

namespace gpurun::spec {
namespace {

/// Which namespace a sysctl belongs to. \a path ends with "/" for a whole directory.
struct Owner {
    std::string_view path;
    NamespaceType type;
    std::string_view refusal;
};

constexpr std::string_view not_in_ipc = "is not allowed in the hosts ipc namespace";
constexpr std::string_view not_in_network = "not allowed in host network namespace";
constexpr std::string_view not_separate = "is not in a separate kernel namespace";

constexpr Owner owners[] = {
    {"kernel/msgmax", NamespaceType::ipc, not_in_ipc},       {"kernel/msgmnb", NamespaceType::ipc, not_in_ipc},
    {"kernel/msgmni", NamespaceType::ipc, not_in_ipc},       {"kernel/sem", NamespaceType::ipc, not_in_ipc},
    {"kernel/shmall", NamespaceType::ipc, not_in_ipc},       {"kernel/shmmax", NamespaceType::ipc, not_in_ipc},
    {"kernel/shmmni", NamespaceType::ipc, not_in_ipc},       {"kernel/shm_rmid_forced", NamespaceType::ipc, not_in_ipc},
    {"fs/mqueue/", NamespaceType::ipc, not_in_ipc},          {"net/", NamespaceType::network, not_in_network},
    {"kernel/domainname", NamespaceType::uts, not_separate}, {"user/", NamespaceType::user, not_separate},
};

const Owner* find_owner(std::string_view path) {
    for (const Owner& owner : owners)
        if (owner.path.ends_with('/') ? path.starts_with(owner.path) : path == owner.path) return &owner;
    return nullptr;
}

bool is_plain_path(std::string_view path) {
    for (const auto part : split(path, '/'))
        if (part.empty() || part == "." || part == "..") return false;
    return true;
}

void check_entry(const Linux& linux, const std::string& key, const std::string& value) {
    const std::string at = format("linux.sysctl[{}]", key);
    const std::string path = sysctl_path(key);
    if (!is_plain_path(path)) throw Invalid(at, format("expected the name of a sysctl, got \"{}\"", key));
    require_one_line(value, at);
    if (path == "kernel/hostname")
        throw Invalid(at, format("sysctl \"{}\" is not allowed as it conflicts with the OCI \"hostname\" field", key));
    const Owner* owner = find_owner(path);
    if (!owner) throw Invalid(at, format("sysctl \"{}\" {}", key, not_separate));
    if (!find_namespace(linux, owner->type)) throw Invalid(at, format("sysctl \"{}\" {}", key, owner->refusal));
}

}  // namespace

std::string sysctl_path(const std::string& key) {
    std::string path = key;
    const auto separator = key.find_first_of("./");
    if (separator == std::string::npos || key[separator] == '/') return path;
    for (char& character : path) character = character == '.' ? '/' : character == '/' ? '.' : character;
    return path;
}

void check_joined_network(const Linux& linux) {
    const Namespace* network = find_namespace(linux, NamespaceType::network);
    if (!network || network->path.empty()) return;
    for (const auto& entry : linux.sysctl) {
        if (!sysctl_path(entry.first).starts_with("net/")) continue;
        const auto own = sys::try_stat(sys::FdRef(), "/proc/self/ns/net");
        const auto joined = sys::try_stat(sys::FdRef(), network->path);
        if (own && joined && own->st_dev == joined->st_dev && own->st_ino == joined->st_ino)
            throw Invalid(format("linux.sysctl[{}]", entry.first),
                          format("sysctl \"{}\" {}", entry.first, not_in_network));
        return;
    }
}

void check_sysctl(const Linux& linux) {
    for (const auto& [key, value] : linux.sysctl) check_entry(linux, key, value);
}

}  // namespace gpurun::spec
