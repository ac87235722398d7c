#include <algorithm>

#include "spec/invalid.h"

namespace gpurun::spec {
namespace {

/// Which namespace a sysctl belongs to. \a path ends with "/" for a whole directory.
struct Owner {
    std::string_view path;
    NamespaceType type;
    std::string_view name;  ///< For errors.
};

constexpr Owner owners[] = {
    {"kernel/msgmax", NamespaceType::ipc, "ipc"},     {"kernel/msgmnb", NamespaceType::ipc, "ipc"},
    {"kernel/msgmni", NamespaceType::ipc, "ipc"},     {"kernel/sem", NamespaceType::ipc, "ipc"},
    {"kernel/shmall", NamespaceType::ipc, "ipc"},     {"kernel/shmmax", NamespaceType::ipc, "ipc"},
    {"kernel/shmmni", NamespaceType::ipc, "ipc"},     {"kernel/shm_rmid_forced", NamespaceType::ipc, "ipc"},
    {"fs/mqueue/", NamespaceType::ipc, "ipc"},        {"net/", NamespaceType::network, "network"},
    {"kernel/domainname", NamespaceType::uts, "uts"}, {"user/", NamespaceType::user, "user"},
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
    if (!owner) throw Invalid(at, format("sysctl \"{}\" is not in a separate kernel namespace", key));
    if (!find_namespace(linux, owner->type))
        throw Invalid(at, format("sysctl \"{}\" is not allowed in the host's {} namespace", key, owner->name));
}

}  // namespace

std::string sysctl_path(const std::string& key) {
    std::string path = key;
    const auto separator = key.find_first_of("./");
    if (separator == std::string::npos || key[separator] == '/') return path;
    for (char& character : path) character = character == '.' ? '/' : character == '/' ? '.' : character;
    return path;
}

void check_sysctl(const Linux& linux) {
    for (const auto& [key, value] : linux.sysctl) check_entry(linux, key, value);
}

}  // namespace gpurun::spec
