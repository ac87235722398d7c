#include "gpu/hooks_recognise.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "gpu/cdi_names.h"

namespace gpurun::gpu {
namespace {

using Words = std::span<const std::string>;

/// An option of a sub-command and where its value goes; nullptr: it means nothing here, such as where the host's
/// ldconfig is.
struct Option {
    std::string_view name;
    bool (*take)(HookOrders& orders, const std::string& value);
};

struct SubCommand {
    std::string_view name;
    std::span<const Option> options;
    void (*order)(HookOrders& orders);
};

bool take_link(HookOrders& orders, const std::string& value) {
    const auto separator = value.find("::");
    if (separator == 0 || separator == std::string::npos || separator + 2 == value.size()) return false;
    orders.links.push_back({.path = clean_path(value.substr(separator + 2)), .target = value.substr(0, separator)});
    return true;
}

CompatOrder& compat_of(HookOrders& orders) { return orders.compat ? *orders.compat : orders.compat.emplace(); }

// gpurun makes directories with this mode anyway; another one would have to be set.
bool is_usual_mode(HookOrders&, const std::string& value) { return value == "755" || value == "0755"; }
bool is_below_dev(HookOrders&, const std::string& value) { return clean_path(value).starts_with("/dev/"); }

constexpr Option link_options[] = {{"link", take_link}, {"container-spec", nullptr}};
constexpr Option cache_options[] = {{"folder",
                                     [](HookOrders& orders, const std::string& value) {
                                         orders.library_folders.push_back(clean_path(value));
                                         return true;
                                     }},
                                    {"ldconfig-path", nullptr},
                                    {"container-spec", nullptr}};
constexpr Option soname_options[] = {{"folder",
                                      [](HookOrders& orders, const std::string& value) {
                                          orders.soname_folders.push_back(clean_path(value));
                                          return true;
                                      }},
                                     {"ldconfig-path", nullptr},
                                     {"container-spec", nullptr}};
constexpr Option compat_options[] = {{"host-driver-version",
                                      [](HookOrders& orders, const std::string& value) {
                                          compat_of(orders).driver_version = value;
                                          return true;
                                      }},
                                     {"host-cuda-version",
                                      [](HookOrders& orders, const std::string& value) {
                                          compat_of(orders).cuda_version = value;
                                          return true;
                                      }},
                                     {"cuda-compat-container-root",
                                      [](HookOrders& orders, const std::string& value) {
                                          compat_of(orders).folder = clean_path(value);
                                          return true;
                                      }},
                                     {"container-spec", nullptr}};
constexpr Option mode_options[] = {{"mode", is_usual_mode}, {"path", is_below_dev}, {"container-spec", nullptr}};
constexpr Option no_options[] = {{"container-spec", nullptr}};

constexpr SubCommand sub_commands[] = {
    {"create-symlinks", link_options, nullptr},
    {"update-ldcache", cache_options, nullptr},
    {"create-soname-symlinks", soname_options, nullptr},
    {"enable-cuda-compat", compat_options, [](HookOrders& orders) { compat_of(orders); }},
    {"disable-device-node-modification", no_options, [](HookOrders& orders) { orders.mask_parameters = true; }},
    // What it was called before version 1.17.8.
    {"update-nvidia-params", no_options, [](HookOrders& orders) { orders.mask_parameters = true; }},
    {"update-application-profile", no_options, [](HookOrders& orders) { orders.application_profile = true; }},
    {"chmod", mode_options, nullptr},
};

// "--link=VALUE" and "--link VALUE", with one dash or two as NVIDIA's parser takes them. False for anything else.
bool take_options(Words words, std::span<const Option> options, HookOrders& orders) {
    for (std::size_t at = 0; at < words.size(); ++at) {
        std::string_view word = words[at];
        if (!word.starts_with('-')) return false;
        word.remove_prefix(word.starts_with("--") ? 2 : 1);
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        const auto option =
            std::find_if(options.begin(), options.end(), [&](const Option& row) { return row.name == name; });
        if (option == options.end()) return false;
        if (equals == std::string_view::npos && ++at == words.size()) return false;
        const std::string value(equals == std::string_view::npos ? std::string_view(words[at])
                                                                 : word.substr(equals + 1));
        if (option->take != nullptr && !option->take(orders, value)) return false;
    }
    return true;
}

bool is_global_option(std::string_view word) {
    static constexpr std::string_view names[] = {"--debug", "-d", "--quiet", "-q"};
    return std::find(std::begin(names), std::end(names), word) != std::end(names);
}

bool take_sub_command(Words words, HookOrders& orders) {
    while (!words.empty() && is_global_option(words.front())) words = words.subspan(1);
    if (words.empty()) return false;
    for (const auto& row : sub_commands) {
        if (row.name != words.front()) continue;
        // Only what is understood to its end counts.
        HookOrders changed = orders;
        if (!take_options(words.subspan(1), row.options, changed)) return false;
        if (row.order != nullptr) row.order(changed);
        orders = std::move(changed);
        return true;
    }
    return false;
}

// The words behind the program's name; an entry without arguments has none at all.
Words arguments_of(const spec::Hook& hook) { return hook.args.empty() ? Words() : Words(hook.args).subspan(1); }

bool take_marker(Words words, HookOrders& orders) {
    if (words.size() < 3 || words[0] != "cdi-hook" || words[1] != "inject") return false;
    words = words.subspan(2);
    if (!std::all_of(words.begin(), words.end(), [](const auto& name) { return cdi::is_qualified(name); }))
        return false;
    orders.devices.insert(orders.devices.end(), words.begin(), words.end());
    return true;
}

bool take_container_hook(const spec::Hook& hook, HookOrders& orders) {
    const auto program = base_name(hook.path);
    Words words = arguments_of(hook);
    if (program == "nvidia-cdi-hook") return take_sub_command(words, orders);
    if (program == "gpurun") return take_marker(words, orders);
    if (program != "nvidia-ctk") return false;
    while (!words.empty() && is_global_option(words.front())) words = words.subspan(1);
    return !words.empty() && words.front() == "hook" && take_sub_command(words.subspan(1), orders);
}

bool take_host_hook(const spec::Hook& hook, HookOrders& orders) {
    const auto program = base_name(hook.path);
    if (program != "nvidia-container-runtime-hook" && program != "nvidia-container-toolkit") return false;
    orders.by_environment = true;
    return true;
}

}  // namespace

bool has_recognised_hooks(const spec::Hooks& hooks) {
    HookOrders ignored;
    const auto any = [&](const std::vector<spec::Hook>& stage, auto take) {
        return std::any_of(stage.begin(), stage.end(), [&](const spec::Hook& hook) { return take(hook, ignored); });
    };
    return any(hooks.create_container, take_container_hook) || any(hooks.prestart, take_host_hook) ||
           any(hooks.create_runtime, take_host_hook);
}

HookOrders take_hooks(spec::Hooks& hooks) {
    HookOrders orders;
    std::erase_if(hooks.create_container, [&](const spec::Hook& hook) { return take_container_hook(hook, orders); });
    std::erase_if(hooks.prestart, [&](const spec::Hook& hook) { return take_host_hook(hook, orders); });
    std::erase_if(hooks.create_runtime, [&](const spec::Hook& hook) { return take_host_hook(hook, orders); });
    return orders;
}

spec::Hook marker_hook(const std::string& program, const std::string& name) {
    return {.path = program,
            .args = {"gpurun", "cdi-hook", "inject", name},
            .env = std::vector<std::string>{},
            .timeout = std::nullopt};
}

}  // namespace gpurun::gpu
