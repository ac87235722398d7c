// Any words are mount options; what they set and what they clear never contradict each other.
#include <gpurun/error.h>
#include <gpurun/mount_options.h>

#include <cstdint>
#include <cstdlib>

#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun;
    constexpr std::uint64_t access_time = 0x70;
    std::vector<std::string> options;
    for (const auto word : split({reinterpret_cast<const char*>(data), size}, ',')) options.emplace_back(word);
    const auto parsed = spec::parse_mount_options(options);
    if ((parsed.attr_set & parsed.attr_clear & ~access_time) || (parsed.flags & parsed.cleared_flags)) std::abort();
    if ((parsed.attr_set & access_time) && (parsed.attr_clear & access_time) != access_time) std::abort();
    try {
        spec::parse_id_map(parsed.id_map_mappings);
    } catch (const Error&) {
    }
    return 0;
}
