#include <gpurun/cgroup.h>
#include <gpurun/error.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "cgroup/parse.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

constexpr const char* root = "/sys/fs/cgroup";
constexpr const char* unified_root = "/sys/fs/cgroup/unified";

bool has_magic(const std::string& path, long magic) {
    struct statfs facts {};
    return ::statfs(path.c_str(), &facts) == 0 && static_cast<long>(facts.f_type) == magic;
}

// Inside a container without a cgroup namespace the mounts start at the container's cgroup: the path of
// /proc/self/cgroup is not below the mount point then, and the mount's root is as near as one gets.
void settle_own_path(Hierarchy& hierarchy) {
    if (hierarchy.own_path != "/" && !sys::exists(hierarchy.mount_point + hierarchy.own_path)) hierarchy.own_path = "/";
}

std::string usual_mount_point(const Hierarchy& hierarchy) {
    if (hierarchy.controllers.empty()) return unified_root;
    std::string name = join(hierarchy.controllers, ",");
    if (name.starts_with("name=")) name.erase(0, 5);
    return format("{}/{}", root, name);
}

}  // namespace

Mounts probe() {
    Mounts mounts;
    auto memberships = parse_memberships(sys::read_file("/proc/self/cgroup"));
    if (has_magic(root, CGROUP2_SUPER_MAGIC)) {
        for (auto& hierarchy : memberships) {
            if (!hierarchy.controllers.empty()) continue;
            hierarchy.mount_point = root;
            settle_own_path(hierarchy);
            mounts.hierarchies.push_back(std::move(hierarchy));
        }
        return mounts;
    }
    mounts.layout = Layout::v1;
    std::vector<Hierarchy> table;  // Read when a hierarchy is not where it usually is.
    for (auto& hierarchy : memberships) {
        const bool unified = hierarchy.controllers.empty();
        hierarchy.mount_point = usual_mount_point(hierarchy);
        if (!has_magic(hierarchy.mount_point, unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC)) {
            if (unified) continue;
            if (table.empty()) table = parse_mount_table(sys::read_file("/proc/self/mountinfo"));
            const auto found = std::find_if(table.begin(), table.end(), [&](const Hierarchy& mounted) {
                return std::is_permutation(mounted.controllers.begin(), mounted.controllers.end(),
                                           hierarchy.controllers.begin(), hierarchy.controllers.end());
            });
            if (found == table.end()) continue;
            hierarchy.mount_point = found->mount_point;
        }
        settle_own_path(hierarchy);
        if (unified) mounts.layout = Layout::hybrid;
        mounts.hierarchies.push_back(std::move(hierarchy));
    }
    // A kernel without v1 whose cgroup2 is mounted elsewhere or not at all.
    if (mounts.layout == Layout::hybrid && mounts.hierarchies.size() == 1) mounts.layout = Layout::v2;
    return mounts;
}

}  // namespace gpurun::cgroup
