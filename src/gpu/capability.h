#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/table.h"

namespace gpurun::gpu {

/// What a container wants the driver for: NVIDIA_DRIVER_CAPABILITIES.
enum class Capability : unsigned { compute, compat32, graphics, utility, video, display, ngx };

inline constexpr Name<Capability> capability_names[] = {
    {"compat32", Capability::compat32}, {"compute", Capability::compute}, {"display", Capability::display},
    {"graphics", Capability::graphics}, {"ngx", Capability::ngx},         {"utility", Capability::utility},
    {"video", Capability::video},
};

/// A set of capabilities.
class CapabilitySet {
 public:
    constexpr CapabilitySet() = default;
    constexpr CapabilitySet(std::initializer_list<Capability> members) {
        for (const auto member : members) add(member);
    }
    static constexpr CapabilitySet all() {
        CapabilitySet set;
        for (const auto& row : capability_names) set.add(row.value);
        return set;
    }
    constexpr void add(Capability member) { bits_ |= bit(member); }
    constexpr void add(CapabilitySet members) { bits_ |= members.bits_; }
    constexpr bool has(Capability member) const { return (bits_ & bit(member)) != 0; }
    constexpr bool intersects(CapabilitySet other) const { return (bits_ & other.bits_) != 0; }
    constexpr bool contains(CapabilitySet other) const { return (bits_ & other.bits_) == other.bits_; }
    constexpr CapabilitySet operator&(CapabilitySet other) const {
        CapabilitySet set;
        set.bits_ = bits_ & other.bits_;
        return set;
    }
    constexpr bool empty() const { return bits_ == 0; }
    bool operator==(const CapabilitySet&) const = default;

 private:
    static constexpr unsigned bit(Capability member) { return 1u << static_cast<unsigned>(member); }
    unsigned bits_ = 0;
};

/// Reads "compute,utility" or "all"; blanks and empty parts are ignored. Throws Error, which begins with \a where and
/// lists the names that are known.
CapabilitySet parse_capabilities(std::string_view text, std::string_view where);

/// "compute,utility": the names in alphabetical order.
std::string to_text(CapabilitySet set);

}  // namespace gpurun::gpu
