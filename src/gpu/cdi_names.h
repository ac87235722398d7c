#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The names of CDI devices: `vendor/class=device`. CDI SPEC.md "Kind", "Device names".
namespace gpurun::gpu::cdi {

struct Name {
    std::string kind;    ///< "vendor/class".
    std::string device;  ///< "0", "all", "GPU-…".
    bool operator==(const Name&) const = default;
};

/// Nothing when \a text is no qualified name.
std::optional<Name> parse_name(std::string_view text);

/// True for `vendor/class=device`.
bool is_qualified(std::string_view text);

/// "vendor/class=device".
std::string text_of(const Name& name);

/// Whether \a text may be a kind (`vendor/class`), a device's name.
bool is_kind(std::string_view text);
bool is_device_name(std::string_view text);

/// The names that annotations ask for: of all keys that begin with a prefix, in the order of keys, their comma lists.
/// Throws Error when a value holds something that is no qualified name.
std::vector<std::string> names_in_annotations(const std::map<std::string, std::string>& annotations,
                                              const std::vector<std::string>& prefixes = {"cdi.k8s.io/"});

}  // namespace gpurun::gpu::cdi
