#pragma once

#include <string>
#include <string_view>
#include <vector>

/// GVariant text, the notation of unit properties. Pure.
namespace gpurun::helper {

/// A value with its D-Bus type: basic ("t", text holds the number or string), array ("as", items), tuple ("(st)",
/// items).
struct Variant {
    std::string type;
    std::string text;
    std::vector<Variant> items;
};

/// Parses "uint64 5", "'text'", "true", "['a', 'b']", "@a(ss) []", "[('/dev/null', 'rw')]", "[byte 0x03, 0x01]".
/// Numbers are int32 unless said otherwise. Throws Error with the place; dictionaries and nested variants are not
/// known.
Variant parse_variant(std::string_view text);

}  // namespace gpurun::helper
