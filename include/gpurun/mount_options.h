#pragma once

#include <gpurun/spec.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What the words in mounts[].options mean to the kernel. config.md#linux-mount-options, and the words runc and crun
/// added.
namespace gpurun::spec {

enum class Bind : std::uint8_t { none, bind, recursive };
enum class IdMap : std::uint8_t { none, idmap, recursive };

/// mounts[].options of one mount, read from left to right: of two words that contradict each other the later holds.
/// attr_* are MOUNT_ATTR_* for mount_setattr(2) and fsmount(2), recursive_* the same with AT_RECURSIVE; flags are MS_*
/// for mount(2) and say the same and more (MS_SYNCHRONOUS, MS_LAZYTIME … belong to the superblock). attr_set and
/// attr_clear never share a bit but those of MOUNT_ATTR__ATIME, which is a number and not bits: attr_clear holds all of
/// it whenever the access time is changed, as mount_setattr(2) demands.
struct MountOptions {
    std::uint64_t flags = 0;          ///< MS_* asked for, without bind, propagation and remount.
    std::uint64_t cleared_flags = 0;  ///< MS_* refused by name ("rw", "dev"): not to be added again for a locked mount.
    std::uint64_t attr_set = 0, attr_clear = 0;
    std::uint64_t recursive_set = 0, recursive_clear = 0;
    std::vector<std::uint64_t>
        propagation;  ///< MS_SHARED, MS_PRIVATE | MS_REC …, each for a mount(2) call of its own, in order.
    Bind bind = Bind::none;
    IdMap id_map = IdMap::none;
    std::string id_map_mappings;  ///< Of crun's `idmap=uids=0-1-10#10-11-10;gids=0-1-10`: the text after the first "=";
                                  ///< see parse_id_map.
    bool remount = false;
    bool copy_up = false;           ///< tmpcopyup: the tmpfs begins with the files it covers.
    bool copy_symlink = false;      ///< The source is a symbolic link to be made anew, not followed.
    bool source_nofollow = false;   ///< A symbolic link as source is itself mounted.
    bool target_nofollow = false;   ///< A symbolic link as destination is itself covered.
    std::vector<std::string> data;  ///< Words for the file system: "size=64m".
};

/// Pure; unknown words become data.
MountOptions parse_mount_options(const Mount& mount);
MountOptions parse_mount_options(const std::vector<std::string>& options);

/// The mappings of crun's idmap= option. \a is_relative: the mapping was marked with "@", its host ids are ids of the
/// container.
struct OptionMapping {
    IdMapping mapping;
    bool is_relative = false;
};
struct OptionMappings {
    std::vector<OptionMapping> uids, gids;
};
/// Throws Error for a text that is not `uids=CONTAINER-HOST-SIZE#…;gids=…`.
OptionMappings parse_id_map(std::string_view text);

/// True when the word has a meaning of its own, so that it's no file system data.
bool is_mount_option(std::string_view word);

/// All words, for `features`.
std::vector<std::string> mount_option_names();

/// MS_SHARED | MS_REC … of "rshared"; 0 when it is no propagation (linux.rootfsPropagation, mounts[].options).
std::uint64_t propagation_flags(std::string_view word);

}  // namespace gpurun::spec
