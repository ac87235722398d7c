#include "gpu/settings.h"

#include <gpurun/error.h>

#include <cstdlib>

#include "base/text.h"
#include "gpu/toml_values.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

constexpr std::size_t largest_file = 1u << 20;

// A row per key: where gpurun.toml and NVIDIA's config.toml (empty: nowhere) keep it, and the member it sets.
template <typename Value>
struct Key {
    std::string_view ours;
    std::string_view nvidia;
    Value Settings::*member;
    bool inverted = false;  ///< NVIDIA's key says the opposite.
};

constexpr Key<bool> bool_keys[] = {
    {"disable-require", "disable-require", &Settings::disable_require},
    {"accept-environment", "accept-nvidia-visible-devices-envvar-when-unprivileged", &Settings::accept_environment},
    {"accept-volume-mounts", "accept-nvidia-visible-devices-as-volume-mounts", &Settings::accept_volume_mounts},
    {"load-modules", "nvidia-container-cli.load-kmods", &Settings::load_modules},
    {"hide-procfs", "", &Settings::hide_procfs},
    {"cuda-compat", "features.disable-cuda-compat-lib-hook", &Settings::cuda_compat, true},
    {"additional-gids", "features.no-additional-gids-for-device-nodes", &Settings::additional_gids, true},
    {"ignore-imex-channels", "features.ignore-imex-channel-requests", &Settings::ignore_imex},
    {"ignore-missing-driver", "", &Settings::ignore_missing_driver},
    {"prefer-cdi-files", "", &Settings::prefer_cdi_files},
};

constexpr Key<std::vector<std::string>> list_keys[] = {
    {"library-paths", "", &Settings::library_paths},
    {"swarm-resources", "swarm-resource", &Settings::swarm_resources},
    {"cdi-directories", "nvidia-container-runtime.modes.cdi.spec-dirs", &Settings::cdi_directories},
    {"cdi-annotation-prefixes", "nvidia-container-runtime.modes.cdi.annotation-prefixes",
     &Settings::annotation_prefixes},
};

constexpr Key<std::string> text_keys[] = {
    {"driver-root", "nvidia-container-cli.root", &Settings::driver_root},
    {"default-kind", "", &Settings::default_kind},
};

constexpr Key<CapabilitySet> capability_keys[] = {
    {"supported-driver-capabilities", "supported-driver-capabilities", &Settings::supported},
    {"default-driver-capabilities", "", &Settings::fallback},
};

constexpr Name<Settings::Annotations> annotation_modes[] = {
    {"off", Settings::Annotations::off},
    {"auto", Settings::Annotations::automatic},
    {"on", Settings::Annotations::on},
};

// The values of one file below one table, and what the file is called in messages.
struct Source {
    const TomlFile& file;
    std::string table;  ///< With its dot, or empty.
    std::string_view name;
    bool nvidia = false;  ///< The keys are those of NVIDIA's file.

    [[noreturn]] void refuse(std::string_view key, const TomlValue& value, std::string_view expected) const {
        throw Error(format("{}:{}: {}: expected {}", name, value.line, key, expected));
    }
    const TomlValue* find(std::string_view key) const { return file.find(table + std::string(key)); }
};

void set(const Source& source, std::string_view key, const TomlValue& value, bool& member) {
    if (value.kind != TomlValue::Kind::boolean) source.refuse(key, value, "true or false");
    member = value.boolean;
}

void set(const Source& source, std::string_view key, const TomlValue& value, std::string& member) {
    if (value.kind != TomlValue::Kind::string) source.refuse(key, value, "a string");
    if (!value.text.empty()) member = value.text;
}

// A list may be written as an array or as one string with commas.
void set(const Source& source, std::string_view key, const TomlValue& value, std::vector<std::string>& member) {
    member.clear();
    if (value.kind == TomlValue::Kind::string) {
        for (const auto part : split(value.text, ','))
            if (const auto word = trim(part); !word.empty()) member.emplace_back(word);
        return;
    }
    if (value.kind != TomlValue::Kind::array) source.refuse(key, value, "an array of strings");
    for (const auto& element : value.elements) {
        if (element.kind != TomlValue::Kind::string) source.refuse(key, element, "a string");
        member.push_back(element.text);
    }
}

void set(const Source& source, std::string_view key, const TomlValue& value, CapabilitySet& member) {
    std::vector<std::string> names;
    set(source, key, value, names);
    member = parse_capabilities(gpurun::join(names, ","), format("{}:{}: {}", source.name, value.line, key));
}

template <typename Value, std::size_t Size>
void read(const Source& source, const Key<Value> (&keys)[Size], Settings& settings) {
    for (const auto& key : keys) {
        const auto name = source.nvidia ? key.nvidia : key.ours;
        const auto* value = name.empty() ? nullptr : source.find(name);
        if (value == nullptr) continue;
        auto& member = settings.*key.member;
        set(source, name, *value, member);
        if constexpr (std::is_same_v<Value, bool>)
            if (source.nvidia && key.inverted) member = !member;
    }
}

Settings read_keys(const Source& source) {
    Settings settings;
    settings.file = source.name;
    read(source, bool_keys, settings);
    read(source, list_keys, settings);
    read(source, text_keys, settings);
    read(source, capability_keys, settings);
    return settings;
}

std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(const std::string& value) { return value; }
std::string text_of(const std::vector<std::string>& value) { return gpurun::join(value, ","); }
std::string text_of(CapabilitySet value) { return to_text(value); }

template <typename Value, std::size_t Size>
void tell(const Settings& settings, const Key<Value> (&keys)[Size], std::map<std::string, std::string>& values) {
    for (const auto& key : keys) values.emplace(key.ours, text_of(settings.*key.member));
}

std::vector<std::string> candidates(std::string_view folder, std::string_view file, bool rootless) {
    std::vector<std::string> paths;
    if (rootless) {
        const char* config = std::getenv("XDG_CONFIG_HOME");
        const char* home = std::getenv("HOME");
        if (config != nullptr && *config != '\0')
            paths.push_back(format("{}/{}/{}", config, folder, file));
        else if (home != nullptr && *home != '\0')
            paths.push_back(format("{}/.config/{}/{}", home, folder, file));
    }
    paths.push_back(format("/etc/{}/{}", folder, file));
    return paths;
}

}  // namespace

std::optional<Settings> parse_settings(std::string_view text, std::string_view name) {
    const TomlFile file = read_toml(text, name);
    if (const auto* value = file.find("gpu")) throw Error(format("{}:{}: gpu: expected a table", name, value->line));
    if (!file.has_table("gpu")) return std::nullopt;
    const Source source{.file = file, .table = "gpu.", .name = name};
    Settings settings = read_keys(source);
    if (const auto* value = source.find("cdi-annotations")) {
        const auto mode = value_of(annotation_modes, std::string_view(value->text));
        if (!mode) source.refuse("cdi-annotations", *value, "\"off\", \"auto\" or \"on\"");
        settings.annotations = *mode;
    }
    return settings;
}

std::map<std::string, std::string> describe(const Settings& settings) {
    std::map<std::string, std::string> values;
    tell(settings, bool_keys, values);
    tell(settings, list_keys, values);
    tell(settings, text_keys, values);
    tell(settings, capability_keys, values);
    values.emplace("cdi-annotations", name_of(annotation_modes, settings.annotations).value_or(""));
    return values;
}

Settings parse_nvidia_settings(std::string_view text, std::string_view name) {
    const TomlFile file = read_toml(text, name);
    const Source source{.file = file, .table = "", .name = name, .nvidia = true};
    Settings settings = read_keys(source);
    const auto says = [&](std::string_view key, std::string_view word) {
        const auto* value = source.find(key);
        return value != nullptr && value->kind == TomlValue::Kind::string && value->text == word;
    };
    if (says("nvidia-container-runtime.modes.legacy.cuda-compat-mode", "disabled")) settings.cuda_compat = false;
    // In its other modes names without a kind are resolved live whatever this key says.
    if (says("nvidia-container-runtime.mode", "cdi"))
        if (const auto* kind = source.find("nvidia-container-runtime.modes.cdi.default-kind"))
            set(source, "default-kind", *kind, settings.default_kind);
    return settings;
}

Settings read_settings(sys::FdRef host_root, bool rootless) {
    for (const auto& path : candidates("gpurun", "gpurun.toml", rootless))
        if (const auto text = sys::try_read_file_at(host_root, path, sys::Resolve::in_root, largest_file))
            if (auto settings = parse_settings(*text, path)) return std::move(*settings);
    for (const auto& path : candidates("nvidia-container-runtime", "config.toml", rootless))
        if (const auto text = sys::try_read_file_at(host_root, path, sys::Resolve::in_root, largest_file))
            return parse_nvidia_settings(*text, path);
    return {};
}

}  // namespace gpurun::gpu
