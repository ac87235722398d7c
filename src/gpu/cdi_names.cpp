#include "gpu/cdi_names.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"

namespace gpurun::gpu::cdi {
namespace {

constexpr bool is_letter(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}
constexpr bool is_alphanumeric(char character) {
    return is_letter(character) || (character >= '0' && character <= '9');
}

bool holds_only(std::string_view text, std::string_view punctuation) {
    return std::all_of(text.begin(), text.end(), [&](char character) {
        return is_alphanumeric(character) || punctuation.find(character) != std::string_view::npos;
    });
}

// Vendors and classes have the same form.
bool is_kind_part(std::string_view text) {
    return !text.empty() && is_letter(text.front()) && is_alphanumeric(text.back()) && holds_only(text, "_-.");
}

}  // namespace

bool is_kind(std::string_view text) {
    const auto slash = text.find('/');
    return slash != std::string_view::npos && is_kind_part(text.substr(0, slash)) &&
           is_kind_part(text.substr(slash + 1));
}

bool is_device_name(std::string_view text) {
    return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) && holds_only(text, "_-.:");
}

std::optional<Name> parse_name(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto kind = text.substr(0, equals), device = text.substr(equals + 1);
    if (!is_kind(kind) || !is_device_name(device)) return std::nullopt;
    return Name{std::string(kind), std::string(device)};
}

bool is_qualified(std::string_view text) { return parse_name(text).has_value(); }

std::string text_of(const Name& name) { return name.kind + "=" + name.device; }

std::vector<std::string> names_in_annotations(const std::map<std::string, std::string>& annotations,
                                              const std::vector<std::string>& prefixes) {
    std::vector<std::string> names;
    for (const auto& [key, value] : annotations) {
        const auto begins_key = [&whole = key](const std::string& prefix) { return whole.starts_with(prefix); };
        if (std::none_of(prefixes.begin(), prefixes.end(), begins_key)) continue;
        for (auto part : split(value, ',')) {
            part = trim(part);
            if (part.empty()) continue;
            if (!is_qualified(part))
                throw Error(
                    format("annotation {}: \"{}\" is no CDI device name, expected vendor/class=device", key, part));
            names.emplace_back(part);
        }
    }
    return names;
}

}  // namespace gpurun::gpu::cdi
