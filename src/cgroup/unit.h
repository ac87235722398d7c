#pragma once

#include <gpurun/cgroup.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Names and properties of systemd units. Pure. A property's value is GVariant text ("uint64 5", "['a']"), the notation
/// of the org.systemd.property annotations too; gpurun-helper turns it into D-Bus values.
namespace gpurun::cgroup {

struct Property {
    std::string name;
    std::string value;
    bool operator==(const Property&) const = default;
};

/// The cgroup of a slice below its manager's: "a-b.slice" → "/a.slice/a-b.slice", "-.slice" → "/". Throws Error for
/// other names.
std::string expand_slice(const std::string& slice);

/// The limits of \a writes (translate()) that systemd has properties for, so that it writes the same values as gpurun
/// when it reloads. CPU quota is rounded up to whole percents, as systemd does.
std::vector<Property> limit_properties(const std::vector<Write>& writes);

/// DevicePolicy and DeviceAllow for rules (device_rules()) in the order that systemd needs: policy, empty list,
/// entries. Without them systemd's own filter takes devices away at the next daemon-reload. What systemd cannot express
/// (denials after allowances, a minor of every major) is left out and held by gpurun's filter alone. \a proc_devices:
/// the text of /proc/devices, where majors get the names that DeviceAllow wants.
std::vector<Property> device_properties(const std::vector<spec::DeviceRule>& rules, std::string_view proc_devices);

/// What the unit itself is: slice, delegation, accounting.
std::vector<Property> unit_properties(const Location& location);

/// The name in /proc/devices of a major number; empty when it has none. \a section: 'c' or 'b'.
std::string major_name(std::string_view proc_devices, char section, std::int64_t major);

}  // namespace gpurun::cgroup
