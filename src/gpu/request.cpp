#include "gpu/request.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "gpu/cdi_names.h"
#include "gpu/edits.h"

namespace gpurun::gpu {
namespace {

constexpr std::string_view visible_devices = "NVIDIA_VISIBLE_DEVICES";
constexpr std::string_view mount_requests = "/var/run/nvidia-container-devices";
constexpr std::string_view own_annotation = "run.gpurun.cdi";
constexpr std::string_view live_kind = "nvidia.com/gpu";
constexpr std::string_view swarm_prefix = "DOCKER_RESOURCE_";
constexpr std::size_t most_ids = 4096;  // A host has at most 32 GPUs with 7 instances; more is an attack.
constexpr std::uint32_t largest_channel = (1u << 20) - 1;

const std::vector<std::string>& environment(const spec::Spec& spec) {
    static const std::vector<std::string> none;
    return spec.process ? spec.process->env : none;
}

// Devices as listed, before their kinds are told apart.
struct Listed {
    std::vector<std::string> names;
    std::vector<std::uint32_t> imex;
    std::string origin;
    bool implied = false;
};

void add_list(std::vector<std::string>& names, std::string_view list) {
    for (const auto part : split(list, ',')) {
        const auto name = trim(part);
        if (name.empty()) continue;
        if (names.size() == most_ids) throw Error(format("more than {} GPUs are asked for", most_ids));
        names.emplace_back(name);
    }
}

// ---- annotations

bool injected_already(const spec::Spec& spec) {
    if (environment_value(environment(spec), visible_devices) == "void") return true;
    if (!spec.linux) return false;
    return std::any_of(spec.linux->devices.begin(), spec.linux->devices.end(),
                       [](const spec::Device& device) { return device.path.starts_with("/dev/nvidia"); });
}

std::optional<Listed> from_annotations(const spec::Spec& spec, const Settings& settings) {
    if (settings.annotations == Settings::Annotations::off) return std::nullopt;
    if (settings.annotations == Settings::Annotations::automatic && injected_already(spec)) return std::nullopt;
    auto prefixes = settings.annotation_prefixes;
    std::erase(prefixes, "");
    prefixes.emplace_back(own_annotation);
    Listed listed;
    listed.names = cdi::names_in_annotations(spec.annotations, prefixes);
    if (listed.names.empty()) return std::nullopt;
    if (listed.names.size() > most_ids) throw Error(format("more than {} GPUs are asked for", most_ids));
    listed.origin = format("annotations with {}", gpurun::join(listed.names, ","));
    return listed;
}

// ---- volume mounts

// cdi/vendor/class/device or cdi/vendor/class=device.
std::optional<std::string> cdi_name_of_path(std::string_view path) {
    const auto parts = split(path, '/');
    if (parts.size() == 2) return format("{}/{}", parts[0], parts[1]);
    if (parts.size() == 3) return format("{}/{}={}", parts[0], parts[1], parts[2]);
    return std::nullopt;
}

std::optional<Listed> from_mounts(const spec::Spec& spec) {
    Listed listed;
    for (const auto& mount : spec.mounts) {
        if (mount.source != "/dev/null") continue;
        const std::string destination = clean_path(mount.destination);
        std::string_view rest = destination;
        if (!rest.starts_with(mount_requests)) continue;
        rest.remove_prefix(mount_requests.size());
        if (!rest.starts_with('/') || rest.size() == 1) continue;
        rest.remove_prefix(1);
        if (rest.starts_with("cdi/")) {
            if (auto name = cdi_name_of_path(rest.substr(4))) add_list(listed.names, *name);
        } else if (rest.starts_with("imex/")) {
            if (const auto channel = parse_number<std::uint32_t>(rest.substr(5))) listed.imex.push_back(*channel);
        } else {
            add_list(listed.names, rest);
        }
        listed.origin = format("mount {}", destination);
    }
    if (listed.names.empty() && listed.imex.empty()) return std::nullopt;
    return listed;
}

// ---- environment

bool is_legacy_image(const std::vector<std::string>& env) {
    return environment_value(env, "CUDA_VERSION").has_value() &&
           environment_value(env, "NVIDIA_REQUIRE_CUDA").value_or("").empty();
}

std::optional<Listed> from_environment(const std::vector<std::string>& env, const Settings& settings) {
    Listed listed;
    bool swarm = false;
    for (const auto& name : settings.swarm_resources) {
        const auto value = environment_value(env, name);
        if (!value) continue;
        swarm = true;
        listed.origin = format("{}={}", name, *value);
        add_list(listed.names, *value);
    }
    if (!swarm) {
        const auto value = environment_value(env, visible_devices);
        if (!value && !is_legacy_image(env)) return std::nullopt;
        listed.implied = !value.has_value();
        listed.origin =
            value ? format("{}={}", visible_devices, *value) : "CUDA_VERSION in an image without NVIDIA_REQUIRE_CUDA";
        add_list(listed.names, value.value_or("all"));
    }
    // The marker that the device plugin writes when the list comes by mounts: never a device.
    std::erase(listed.names, mount_requests);
    if (listed.names.empty()) return std::nullopt;
    return listed;
}

// ---- all sources

std::optional<Listed> list_devices(const spec::Spec& spec, const Settings& settings) {
    const auto& env = environment(spec);
    const bool trusted = is_privileged(spec) || settings.accept_environment;
    if (auto listed = from_annotations(spec, settings)) {
        if (trusted) return listed;
        log::warning("gpu: {} is ignored: the container is not privileged and accept-environment is false",
                     listed->origin);
        return std::nullopt;
    }
    if (settings.accept_volume_mounts)
        if (auto listed = from_mounts(spec)) return listed;
    auto listed = from_environment(env, settings);
    if (listed && !trusted) {
        log::warning("gpu: {} is ignored: the container is not privileged and accept-environment is false",
                     listed->origin);
        return std::nullopt;
    }
    return listed;
}

struct Qualified {
    std::string_view vendor, device_class, name;
};

std::optional<Qualified> split_qualified(std::string_view text) {
    const auto slash = text.find('/');
    const auto equals = text.find('=');
    if (slash == std::string_view::npos || equals == std::string_view::npos || slash > equals) return std::nullopt;
    return Qualified{text.substr(0, slash), text.substr(slash + 1, equals - slash - 1), text.substr(equals + 1)};
}

constexpr Name<bool Features::*> feature_classes[] = {
    {"gds", &Features::gds},
    {"mofed", &Features::mofed},
    {"gdrcopy", &Features::gdrcopy},
    {"nvswitch", &Features::nvswitch},
};

// Names that the type-index strategy of generated CDI files gives: gpu0, mig0:1.
std::string_view without_type(std::string_view name) {
    for (const std::string_view type : {"gpu", "mig"})
        if (name.starts_with(type) && name.size() > 3 && name[3] >= '0' && name[3] <= '9') return name.substr(3);
    return name;
}

// Whether discovery can know the name: an index, i:j or bus id, a UUID. Others are an administrator's own, in a file.
bool is_live_name(std::string_view name) {
    const auto first = name.empty() ? '\0' : name.front();
    return (first >= '0' && first <= '9') || name.starts_with("GPU-") || name.starts_with("gpu-") ||
           name.starts_with("MIG-") || name.starts_with("mig-") || without_type(name) != name;
}

// A name of NVIDIA's own kinds becomes a live request; everybody else's stays a CDI name.
void add_qualified(Request& request, const Qualified& name, const std::string& text, const Settings& settings) {
    const bool live =
        name.vendor == "runtime.nvidia.com" || (name.vendor == "nvidia.com" && !settings.prefer_cdi_files);
    if (live && name.device_class == "gpu" && (name.name == "all" || is_live_name(name.name))) {
        if (name.name == "all") {
            request.all = true;
        } else {
            request.ids.emplace_back(without_type(name.name));
        }
        request.driver = true;
        return;
    }
    if (live && name.device_class == "imex-channel")
        if (const auto channel = parse_number<std::uint32_t>(name.name)) {
            request.imex_channels.push_back(*channel);
            return;
        }
    if (const auto feature = value_of(feature_classes, name.device_class); live && feature && name.name == "all") {
        request.features.** feature = true;
        return;
    }
    request.cdi_names.push_back(text);
}

void add_names(Request& request, const std::vector<std::string>& names, const Settings& settings) {
    for (const auto& name : names) {
        if (const auto qualified = split_qualified(name)) {
            add_qualified(request, *qualified, name, settings);
        } else if (name != "none" && settings.default_kind != live_kind) {
            request.cdi_names.push_back(format("{}={}", settings.default_kind, name));
        } else {
            if (name == "all") request.all = true;
            if (name != "all" && name != "none") request.ids.push_back(name);
            request.driver = true;
        }
    }
}

// Any `void` means no request; otherwise the first special word decides alone.
std::vector<std::string> settle_special_words(std::vector<std::string> names) {
    if (std::find(names.begin(), names.end(), "void") != names.end()) return {};
    const auto special = std::find_if(names.begin(), names.end(),
                                      [](const std::string& name) { return name == "all" || name == "none"; });
    if (special != names.end()) return {*special};
    return names;
}

bool is_true(std::string_view text) {
    constexpr std::string_view words[] = {"1", "t", "T", "true", "TRUE", "True"};
    return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

void read_requirements(Request& request, const std::vector<std::string>& env, const Settings& settings) {
    if (settings.disable_require || is_true(environment_value(env, "NVIDIA_DISABLE_REQUIRE").value_or(""))) return;
    for (const auto& entry : env) {
        const auto equals = entry.find('=');
        if (equals == std::string::npos || !entry.starts_with("NVIDIA_REQUIRE_") ||
            entry.starts_with("NVIDIA_REQUIRE_JETPACK"))
            continue;
        const std::string variable = entry.substr(0, equals);
        std::erase_if(request.requirements, [&](const Requirement& old) { return old.variable == variable; });
        request.requirements.push_back({variable, entry.substr(equals + 1)});
    }
    if (!is_legacy_image(env)) return;
    const auto parts = split(*environment_value(env, "CUDA_VERSION"), '.');
    if (parts.size() >= 2 && parse_number<unsigned>(parts[0]) && parse_number<unsigned>(parts[1]))
        request.requirements.push_back({"CUDA_VERSION", format("cuda>={}.{}", parts[0], parts[1])});
}

void read_imex(Request& request, const std::vector<std::string>& env) {
    const auto value = environment_value(env, "NVIDIA_IMEX_CHANNELS");
    if (!value) return;
    for (auto part : split(*value, ',')) {
        part = trim(part);
        if (part.empty()) continue;
        if (part == "all") {
            log::warning("gpu: NVIDIA_IMEX_CHANNELS=all is ignored: name the channels");
            continue;
        }
        auto number = part;
        if (number.starts_with("channel")) number.remove_prefix(7);
        const auto channel = parse_number<std::uint32_t>(number);
        if (!channel || *channel > largest_channel)
            throw Error(format("NVIDIA_IMEX_CHANNELS: \"{}\" is not a channel: expected a number up to {}", part,
                               largest_channel));
        request.imex_channels.push_back(*channel);
    }
}

bool mig_management(std::string_view variable, const spec::Spec& spec) {
    const auto value = environment_value(environment(spec), variable);
    if (!value || value->empty()) return false;
    if (*value != "all") throw Error(format("{}={}: expected all", variable, *value));
    if (!is_privileged(spec))
        throw Error(format("{}=all needs CAP_SYS_ADMIN in the container's bounding set", variable));
    return true;
}

void read_mig_management(Request& request, const spec::Spec& spec) {
    request.mig_config = mig_management("NVIDIA_MIG_CONFIG_DEVICES", spec);
    request.mig_monitor = mig_management("NVIDIA_MIG_MONITOR_DEVICES", spec);
    if (!request.mig_config && !request.mig_monitor) return;
    for (const auto& id : request.ids)
        if (id.starts_with("MIG-") || (id.find(':') != std::string::npos && id.find('.') == std::string::npos))
            throw Error(
                format("NVIDIA_MIG_CONFIG_DEVICES and NVIDIA_MIG_MONITOR_DEVICES manage all MIG devices: they do not "
                       "go with {}",
                       id));
}

CapabilitySet read_capabilities(const std::vector<std::string>& env, const Settings& settings) {
    constexpr std::string_view variable = "NVIDIA_DRIVER_CAPABILITIES";
    const auto value = environment_value(env, variable).value_or("");
    if (trim(value).empty()) return is_legacy_image(env) ? settings.supported : settings.fallback & settings.supported;
    const CapabilitySet asked = parse_capabilities(value, variable);
    const auto parts = split(value, ',');
    const bool everything =
        std::any_of(parts.begin(), parts.end(), [](std::string_view part) { return trim(part) == "all"; });
    if (everything) return settings.supported;
    if (!settings.supported.contains(asked))
        throw Error(format("{}: unsupported capabilities found in \"{}\": {} allows {}", variable, value,
                           settings.file.empty() ? "gpurun" : settings.file, to_text(settings.supported)));
    return asked;
}

constexpr Name<bool Features::*> feature_variables[] = {
    {"NVIDIA_GDS", &Features::gds},
    {"NVIDIA_MOFED", &Features::mofed},
    {"NVIDIA_GDRCOPY", &Features::gdrcopy},
    {"NVIDIA_NVSWITCH", &Features::nvswitch},
};

}  // namespace

bool is_privileged(const spec::Spec& spec) {
    if (!spec.process || !spec.process->capabilities) return false;
    const auto& bounding = spec.process->capabilities->bounding;
    return std::find(bounding.begin(), bounding.end(), "CAP_SYS_ADMIN") != bounding.end();
}

bool may_request(const spec::Spec& spec, const Options& options) {
    if (!options.devices.empty()) return true;
    if (options.only_devices) return false;
    const auto& env = environment(spec);
    if (const auto value = environment_value(env, visible_devices)) {
        std::vector<std::string> names;
        add_list(names, *value);
        if (!settle_special_words(std::move(names)).empty()) return true;
    } else if (is_legacy_image(env)) {
        return true;
    }
    // The prefixes are the administrator's and not read yet: a key of another kind counts by its value,
    // vendor/class=name.
    const auto asks = [](const auto& annotation) {
        return annotation.first == own_annotation || annotation.first.find("cdi") != std::string::npos ||
               split_qualified(annotation.second).has_value();
    };
    return std::any_of(env.begin(), env.end(), [](const auto& entry) { return entry.starts_with(swarm_prefix); }) ||
           std::any_of(spec.mounts.begin(), spec.mounts.end(),
                       [](const spec::Mount& mount) {
                           return mount.source == "/dev/null" &&
                                  mount.destination.find(base_name(mount_requests)) != std::string::npos;
                       }) ||
           std::any_of(spec.annotations.begin(), spec.annotations.end(),
                       [&](const auto& entry) { return asks(entry); });
}

std::optional<Request> parse_request(const spec::Spec& spec, const Options& options, const Settings& settings) {
    const auto& env = environment(spec);
    auto listed = options.only_devices ? std::nullopt : list_devices(spec, settings);
    Request request;
    if (listed) listed->names = settle_special_words(std::move(listed->names));
    if (listed && (!listed->names.empty() || !listed->imex.empty())) {
        add_names(request, listed->names, settings);
        request.imex_channels = std::move(listed->imex);
        request.origin = std::move(listed->origin);
        request.implied = listed->implied && options.devices.empty();
    }
    if (!options.devices.empty()) {
        std::vector<std::string> names;
        for (const auto& device : options.devices) add_list(names, device);
        add_names(request, settle_special_words(std::move(names)), settings);
        request.origin +=
            format("{}--gpu={}", request.origin.empty() ? "" : " and ", gpurun::join(options.devices, ","));
    }
    if (!request.needs_driver() && request.cdi_names.empty()) return std::nullopt;
    request.capabilities = read_capabilities(env, settings);
    read_requirements(request, env, settings);
    for (const auto& row : feature_variables)
        if (environment_value(env, row.name) == "enabled") request.features.*row.value = true;
    if (settings.ignore_imex)
        request.imex_channels.clear();
    else
        read_imex(request, env);
    read_mig_management(request, spec);
    return request;
}

CapabilitySet library_capabilities(CapabilitySet asked) {
    if (asked.has(Capability::video)) asked.add(Capability::compute);
    if (asked.has(Capability::display)) asked.add(Capability::graphics);
    return asked;
}

}  // namespace gpurun::gpu
