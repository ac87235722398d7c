#pragma once

#include "cgroup/files.h"

namespace gpurun::cgroup {

/// A directory in each v1 hierarchy, named ones too, and on hybrid machines one in the cgroup2 hierarchy. Limits and
/// device rules go to v1; to cgroup2 those whose controller v1 does not have.
class V1Manager final : public FilesManager {
 public:
    V1Manager(Location location, Origin origin) : FilesManager(std::move(location), origin) {}

    void create(const spec::Resources& resources) override;
    void apply(const std::vector<Write>& writes) override;
    void set_devices(const std::vector<spec::DeviceRule>& rules) override;
    Entry entry(const Spot& spot) override;
    void attach(int pid, const Spot& spot) override;
    void freeze(Freeze state) override;
    bool is_frozen() override;
    void kill(int signal) override;
    std::vector<int> processes() override;
    void remove() override;

 private:
    const Directory* directory_of(std::string_view controller) const;
    const Directory* unified() const;
    std::vector<std::string> paths_of(const Spot& spot) const;
    void make(Directory& directory, const spec::Resources& resources);
    void drop_made() noexcept;
};

}  // namespace gpurun::cgroup
