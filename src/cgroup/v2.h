#pragma once

#include "cgroup/files.h"

namespace gpurun::cgroup {

/// One directory of the unified hierarchy.
class V2Manager final : public FilesManager {
 public:
    V2Manager(Location location, Origin origin) : FilesManager(std::move(location), origin) {}

    void create(const spec::Resources& resources) override;
    void apply(const std::vector<Write>& writes) override;
    void set_devices(const std::vector<spec::DeviceRule>& rules) override;
    void hand_over(std::uint32_t uid) override;
    Entry entry(const Spot& spot) override;
    void attach(int pid, const Spot& spot) override;
    void freeze(Freeze state) override;
    bool is_frozen() override;
    void kill(int signal) override;
    std::vector<int> processes() override;
    void remove() override;

 private:
    bool exists() const { return !location_.directories.empty(); }
    const std::string& path() const;
    std::string path_of(const Spot& spot) const;
};

/// Enables every controller that the root of the mount has for \a path: in cgroup.subtree_control from the top down,
/// where it is missing. What a level refuses is left out; a limit that needs it will say so.
void enable_controllers(const std::string& path);

/// Writes cgroup.freeze of \a path and waits for cgroup.events to say so. Thaws and throws Error when freezing takes 10
/// seconds.
void set_frozen(const std::string& path, Freeze state);
bool reads_frozen(const std::string& path);

/// The cgroup2 directory that \a pid is in, which must be below \a path while that is there, seen as \a own_path in
/// /proc/PID/cgroup. Throws Error.
std::string directory_beside(const std::string& path, const std::string& own_path, int pid);

}  // namespace gpurun::cgroup
