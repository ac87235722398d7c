#include <gpurun/mount_options.h>

#include "base/text.h"
#include "spec/invalid.h"

namespace gpurun::spec {
namespace {

bool is_number_without_leading_zero(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos &&
           (text.size() == 1 || text[0] != '0');
}

/// Pre-release ("rc.1") and build parts of a semantic version.
bool are_identifiers(std::string_view text, bool is_prerelease) {
    for (const auto part : split(text, '.')) {
        const bool is_digits = part.find_first_not_of("0123456789") == std::string_view::npos;
        const bool is_word =
            part.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") ==
            std::string_view::npos;
        if (part.empty() || !is_word || (is_prerelease && is_digits && !is_number_without_leading_zero(part)))
            return false;
    }
    return true;
}

/// Semantic Versioning 2.0.0, which config.md#specification-version demands.
bool is_semantic_version(std::string_view text) {
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        if (!are_identifiers(text.substr(plus + 1), false)) return false;
        text = text.substr(0, plus);
    }
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        if (!are_identifiers(text.substr(dash + 1), true)) return false;
        text = text.substr(0, dash);
    }
    const auto numbers = split(text, '.');
    if (numbers.size() != 3) return false;
    for (const auto number : numbers)
        if (!is_number_without_leading_zero(number)) return false;
    return true;
}

void check_version(const std::string& oci_version) {
    if (!is_semantic_version(oci_version))
        throw Invalid("ociVersion",
                      format("expected a semantic version such as \"{}\", got \"{}\"", version, oci_version));
    if (!oci_version.starts_with("1."))
        throw Invalid("ociVersion", format("expected a version 1.x, got \"{}\"", oci_version));
}

void check_root(const std::optional<Root>& root) {
    if (!root) throw Invalid("root", "expected the root file system, got nothing");
    if (root->path.empty()) throw Invalid("root.path", "expected a path, got \"\"");
}

void check_mount(const Mount& mount, const std::string& at) {
    if (mount.destination.empty()) throw Invalid(below(at, "destination"), "expected a path, got \"\"");
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
        throw Invalid(at, "invalid mount: expected uidMappings and gidMappings together, got one of them");
    if (mount.type.empty() || mount.source.empty()) {
        const auto options = parse_mount_options(mount);
        if (mount.type.empty() && options.bind == Bind::none && !options.remount)
            throw Invalid(at,
                          "invalid mount: expected a type such as \"tmpfs\", or the option bind or rbind, got neither");
        if (mount.source.empty() && options.bind != Bind::none && !options.remount)
            throw Invalid(at, "expected a source to bind, got none");
    }
    check_mappings(mount.uid_mappings, below(at, "uidMappings"));
    check_mappings(mount.gid_mappings, below(at, "gidMappings"));
}

void check_hooks(const std::vector<Hook>& hooks, std::string_view kind) {
    for (std::size_t place = 0; place < hooks.size(); ++place) {
        const Hook& hook = hooks[place];
        const auto at = [&](std::string_view property) { return format("hooks.{}[{}].{}", kind, place, property); };
        require_absolute(hook.path, at("path"));
        if (hook.timeout && *hook.timeout <= 0)
            throw Invalid(at("timeout"),
                          format("expected a number of seconds greater than zero, got {}", *hook.timeout));
    }
}

struct HookKind {
    std::string_view name;
    std::vector<Hook> Hooks::*hooks;
};
constexpr HookKind hook_kinds[] = {
    {"prestart", &Hooks::prestart},
    {"createRuntime", &Hooks::create_runtime},
    {"createContainer", &Hooks::create_container},
    {"startContainer", &Hooks::start_container},
    {"poststart", &Hooks::poststart},
    {"poststop", &Hooks::poststop},
};

/// hostname and domainname. The kernel takes at most 64 bytes.
void check_name(const Spec& spec, const std::string& value, const std::string& at) {
    constexpr std::size_t longest = 64;
    if (value.empty()) return;
    if (!spec.linux || !find_namespace(*spec.linux, NamespaceType::uts))
        throw Invalid(at, format("unable to set {} without a private UTS namespace", at));
    if (value.size() > longest) throw Invalid(at, format("expected at most {} bytes, got {}", longest, value.size()));
    require_one_line(value, at);
}

}  // namespace

void validate(const Spec& spec) {
    check_version(spec.oci_version);
    check_root(spec.root);
    for (std::size_t place = 0; place < spec.mounts.size(); ++place)
        check_mount(spec.mounts[place], format("mounts[{}]", place));
    if (spec.process) check_process(*spec.process, "process");
    check_name(spec, spec.hostname, "hostname");
    check_name(spec, spec.domainname, "domainname");
    if (spec.hooks)
        for (const auto& [name, hooks] : hook_kinds) check_hooks((*spec.hooks).*hooks, name);
    if (spec.annotations.contains("")) throw Invalid("annotations", "expected keys that are not empty");
    if (spec.linux) check_linux(*spec.linux);
}

void validate(const Process& process) { check_process(process, ""); }
void validate(const Resources& resources) { check_resources(resources, ""); }

}  // namespace gpurun::spec
