#pragma once

#include <gpurun/cgroup.h>

#include "cgroup/unit.h"

namespace gpurun::cgroup {

/// A scope (or slice) that systemd makes on request of gpurun-helper; below it the files are written as without
/// systemd, by the manager of the layout. systemd learns of every limit and device too: it writes its own idea of them
/// at each daemon-reload.
class SystemdManager final : public Manager {
 public:
    explicit SystemdManager(Location location);

    void create(const spec::Resources& resources) override;
    void apply(const std::vector<Write>& writes) override;
    void set_devices(const std::vector<spec::DeviceRule>& rules) override;
    void hand_over(std::uint32_t uid) override { files_->hand_over(uid); }
    Entry entry(const Spot& spot) override { return files_->entry(spot); }
    void attach(int pid, const Spot& spot) override;
    void freeze(Freeze state) override { files_->freeze(state); }
    bool is_frozen() override { return files_->is_frozen(); }
    void kill(int signal) override { files_->kill(signal); }
    std::vector<int> processes() override { return files_->processes(); }
    void remove() override;
    const Location& location() const override { return files_->location(); }

 private:
    void set_properties(const std::vector<Property>& properties);

    std::unique_ptr<Manager> files_;
    bool refused_ = false;  // create() failed: there is no unit, or it is somebody else's.
    bool new_ = false;      // Made by this process: systemd knows the devices and first limits already.
};

}  // namespace gpurun::cgroup
