#pragma once

#include <gpurun/cgroup.h>

namespace gpurun::cgroup {

/// No cgroup at all (--cgroup-manager disabled): the container stays where its creator is. Nothing can be limited,
/// frozen or counted.
class DisabledManager final : public Manager {
 public:
    explicit DisabledManager(Location location) : location_(std::move(location)) {}

    void create(const spec::Resources&) override {}
    void apply(const std::vector<Write>&) override {}
    void set_devices(const std::vector<spec::DeviceRule>&) override {}
    Entry entry(const Spot& spot) override;
    void attach(int, const Spot&) override {}
    void freeze(Freeze state) override;
    bool is_frozen() override { return false; }
    void kill(int) override {}
    std::vector<int> processes() override { return {}; }
    void remove() override {}
    const Location& location() const override { return location_; }

 private:
    Location location_;
};

}  // namespace gpurun::cgroup
