#include "gpu/capability.h"

#include <gpurun/error.h>

#include "base/text.h"

namespace gpurun::gpu {

CapabilitySet parse_capabilities(std::string_view text, std::string_view where) {
    CapabilitySet set;
    for (const auto part : split(text, ',')) {
        const auto name = trim(part);
        if (name.empty()) continue;
        if (name == "all") {
            set = CapabilitySet::all();
            continue;
        }
        const auto member = value_of(capability_names, name);
        if (!member)
            throw Error(format("{}: unsupported capabilities found: \"{}\" is none of {},all", where, name,
                               to_text(CapabilitySet::all())));
        set.add(*member);
    }
    return set;
}

std::string to_text(CapabilitySet set) {
    std::string text;
    for (const auto& row : capability_names) {
        if (!set.has(row.value)) continue;
        if (!text.empty()) text += ',';
        text += row.name;
    }
    return text;
}

}  // namespace gpurun::gpu
