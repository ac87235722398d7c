#include <gpurun/error.h>
#include <gpurun/mount_options.h>
#include <linux/mount.h>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::spec {
namespace {

enum class Kind : std::uint8_t { flag, recursive, propagation, special };

/// One word: what it sets and clears. `attr_*` are MOUNT_ATTR_*.
struct Option {
    std::string_view name;
    Kind kind;
    std::uint64_t set = 0, clear = 0;            // MS_*
    std::uint64_t attr_set = 0, attr_clear = 0;  // MOUNT_ATTR_*
    void (*apply)(MountOptions&) = nullptr;
};

constexpr Option special(std::string_view name, void (*apply)(MountOptions&)) {
    return {.name = name, .kind = Kind::special, .apply = apply};
}

// The access time is a group: choosing one value leaves the others, "no" of a value that is not chosen changes nothing.
constexpr std::uint64_t ms_atime = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;
// Newer than some kernel headers (5.14).
constexpr std::uint64_t attr_nosymfollow = 0x00200000;
constexpr std::uint64_t ms_nosymfollow = 256;

constexpr Option options[] = {
    {"acl", Kind::flag, MS_POSIXACL},
    {"async", Kind::flag, 0, MS_SYNCHRONOUS},
    {"atime", Kind::flag, 0, MS_NOATIME, 0, MOUNT_ATTR__ATIME},
    special("bind", [](MountOptions& result) { result.bind = Bind::bind; }),
    special("copy-symlink", [](MountOptions& result) { result.copy_symlink = true; }),
    {"defaults", Kind::flag},
    special("dest-nofollow", [](MountOptions& result) { result.target_nofollow = true; }),
    {"dev", Kind::flag, 0, MS_NODEV, 0, MOUNT_ATTR_NODEV},
    {"diratime", Kind::flag, 0, MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME},
    {"dirsync", Kind::flag, MS_DIRSYNC},
    {"exec", Kind::flag, 0, MS_NOEXEC, 0, MOUNT_ATTR_NOEXEC},
    special("idmap", [](MountOptions& result) { result.id_map = IdMap::idmap; }),
    {"iversion", Kind::flag, MS_I_VERSION},
    {"lazytime", Kind::flag, MS_LAZYTIME},
    {"loud", Kind::flag, 0, MS_SILENT},
    {"mand", Kind::flag, MS_MANDLOCK},
    {"noacl", Kind::flag, 0, MS_POSIXACL},
    {"noatime", Kind::flag, MS_NOATIME, ms_atime, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"nodev", Kind::flag, MS_NODEV, 0, MOUNT_ATTR_NODEV},
    {"nodiratime", Kind::flag, MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME},
    {"noexec", Kind::flag, MS_NOEXEC, 0, MOUNT_ATTR_NOEXEC},
    {"noiversion", Kind::flag, 0, MS_I_VERSION},
    {"nolazytime", Kind::flag, 0, MS_LAZYTIME},
    {"nomand", Kind::flag, 0, MS_MANDLOCK},
    {"norelatime", Kind::flag, 0, MS_RELATIME},
    {"nostrictatime", Kind::flag, 0, MS_STRICTATIME, 0, MOUNT_ATTR_STRICTATIME},
    {"nosuid", Kind::flag, MS_NOSUID, 0, MOUNT_ATTR_NOSUID},
    {"nosymfollow", Kind::flag, ms_nosymfollow, 0, attr_nosymfollow},
    {"private", Kind::propagation, MS_PRIVATE},
    {"ratime", Kind::recursive, 0, 0, 0, MOUNT_ATTR__ATIME},
    special("rbind", [](MountOptions& result) { result.bind = Bind::recursive; }),
    {"rdev", Kind::recursive, 0, 0, 0, MOUNT_ATTR_NODEV},
    {"rdiratime", Kind::recursive, 0, 0, 0, MOUNT_ATTR_NODIRATIME},
    {"relatime", Kind::flag, MS_RELATIME, ms_atime, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    special("remount", [](MountOptions& result) { result.remount = true; }),
    {"rexec", Kind::recursive, 0, 0, 0, MOUNT_ATTR_NOEXEC},
    special("ridmap", [](MountOptions& result) { result.id_map = IdMap::recursive; }),
    {"rnoatime", Kind::recursive, 0, 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"rnodev", Kind::recursive, 0, 0, MOUNT_ATTR_NODEV},
    {"rnodiratime", Kind::recursive, 0, 0, MOUNT_ATTR_NODIRATIME},
    {"rnoexec", Kind::recursive, 0, 0, MOUNT_ATTR_NOEXEC},
    {"rnorelatime", Kind::recursive},
    {"rnostrictatime", Kind::recursive, 0, 0, 0, MOUNT_ATTR_STRICTATIME},
    {"rnosuid", Kind::recursive, 0, 0, MOUNT_ATTR_NOSUID},
    {"rnosymfollow", Kind::recursive, 0, 0, attr_nosymfollow},
    {"ro", Kind::flag, MS_RDONLY, 0, MOUNT_ATTR_RDONLY},
    {"rprivate", Kind::propagation, MS_PRIVATE | MS_REC},
    {"rrelatime", Kind::recursive, 0, 0, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"rro", Kind::recursive, 0, 0, MOUNT_ATTR_RDONLY},
    {"rrw", Kind::recursive, 0, 0, 0, MOUNT_ATTR_RDONLY},
    {"rshared", Kind::propagation, MS_SHARED | MS_REC},
    {"rslave", Kind::propagation, MS_SLAVE | MS_REC},
    {"rstrictatime", Kind::recursive, 0, 0, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"rsuid", Kind::recursive, 0, 0, 0, MOUNT_ATTR_NOSUID},
    {"rsymfollow", Kind::recursive, 0, 0, 0, attr_nosymfollow},
    {"runbindable", Kind::propagation, MS_UNBINDABLE | MS_REC},
    {"rw", Kind::flag, 0, MS_RDONLY, 0, MOUNT_ATTR_RDONLY},
    {"shared", Kind::propagation, MS_SHARED},
    {"silent", Kind::flag, MS_SILENT},
    {"slave", Kind::propagation, MS_SLAVE},
    special("src-nofollow", [](MountOptions& result) { result.source_nofollow = true; }),
    {"strictatime", Kind::flag, MS_STRICTATIME, ms_atime, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"suid", Kind::flag, 0, MS_NOSUID, 0, MOUNT_ATTR_NOSUID},
    {"symfollow", Kind::flag, 0, ms_nosymfollow, 0, attr_nosymfollow},
    {"sync", Kind::flag, MS_SYNCHRONOUS},
    special("tmpcopyup", [](MountOptions& result) { result.copy_up = true; }),
    {"unbindable", Kind::propagation, MS_UNBINDABLE},
};

const Option* find_option(std::string_view name) {
    for (const Option& option : options)
        if (option.name == name) return &option;
    return nullptr;
}

/// Sets and clears of one word over those of the words before it.
void combine(std::uint64_t& set, std::uint64_t& clear, std::uint64_t word_set, std::uint64_t word_clear) {
    set = (set & ~word_clear) | word_set;
    clear = (clear & ~word_set) | (word_clear & ~word_set);
}

/// The same for attributes, where the access time is cleared as a whole when any of it is chosen.
void combine_attributes(std::uint64_t& set, std::uint64_t& clear, const Option& word) {
    const std::uint64_t chosen = clear & MOUNT_ATTR__ATIME;
    combine(set, clear, word.attr_set, word.attr_clear);
    const bool is_choice = (word.attr_clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME;
    clear = (clear & ~std::uint64_t{MOUNT_ATTR__ATIME}) | (is_choice ? std::uint64_t{MOUNT_ATTR__ATIME} : chosen);
}

constexpr std::string_view id_map_prefixes[] = {"idmap=", "ridmap="};

bool take_id_map(MountOptions& result, std::string_view word) {
    for (const auto prefix : id_map_prefixes) {
        if (!word.starts_with(prefix)) continue;
        result.id_map = prefix[0] == 'r' ? IdMap::recursive : IdMap::idmap;
        result.id_map_mappings = word.substr(prefix.size());
        return true;
    }
    return false;
}

void take(MountOptions& result, const Option& word) {
    switch (word.kind) {
        case Kind::special: word.apply(result); break;
        case Kind::propagation: result.propagation.push_back(word.set); break;
        case Kind::recursive: combine_attributes(result.recursive_set, result.recursive_clear, word); break;
        case Kind::flag:
            combine(result.flags, result.cleared_flags, word.set, word.clear);
            combine_attributes(result.attr_set, result.attr_clear, word);
            break;
    }
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& words) {
    MountOptions result;
    for (const auto& word : words) {
        if (const Option* option = find_option(word))
            take(result, *option);
        else if (!take_id_map(result, word))
            result.data.push_back(word);
    }
    return result;
}

MountOptions parse_mount_options(const Mount& mount) { return parse_mount_options(mount.options); }

OptionMappings parse_id_map(std::string_view text) {
    const auto refuse = [text] {
        return Error(
            format("mount option \"idmap={}\": expected uids=CONTAINER-HOST-SIZE#…;gids=CONTAINER-HOST-SIZE#…", text));
    };
    OptionMappings result;
    for (const auto part : split(text, ';')) {
        const bool is_uids = part.starts_with("uids=");
        if (!is_uids && !part.starts_with("gids=")) throw refuse();
        for (auto entry : split(part.substr(5), '#')) {
            const bool is_relative = entry.starts_with('@');
            if (is_relative) entry.remove_prefix(1);
            const auto numbers = split(entry, '-');
            if (numbers.size() != 3) throw refuse();
            const auto container = parse_number<std::uint32_t>(numbers[0]);
            const auto host = parse_number<std::uint32_t>(numbers[1]);
            const auto size = parse_number<std::uint32_t>(numbers[2]);
            if (!container || !host || !size || *size == 0) throw refuse();
            (is_uids ? result.uids : result.gids).push_back({{*container, *host, *size}, is_relative});
        }
    }
    return result;
}

bool is_mount_option(std::string_view word) {
    MountOptions ignored;
    return find_option(word) != nullptr || take_id_map(ignored, word);
}

std::vector<std::string> mount_option_names() {
    std::vector<std::string> names;
    for (const Option& option : options) names.emplace_back(option.name);
    return names;
}

std::uint64_t propagation_flags(std::string_view word) {
    const Option* option = find_option(word);
    return option && option->kind == Kind::propagation ? option->set : 0;
}

}  // namespace gpurun::spec
