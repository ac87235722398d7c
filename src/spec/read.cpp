#include <gpurun/error.h>
#include <gpurun/spec.h>

#include "base/text.h"
#include "json/json.h"
#include "spec/invalid.h"
#include "spec/tables.h"
#include "sys/file.h"

namespace {

struct MountList {
    std::vector<gpurun::spec::Mount> mounts;
};

}  // namespace

template <>
struct gpurun::json::Fields<MountList> {
    static constexpr Field value[] = {required<&MountList::mounts>("mounts")};
};

namespace gpurun::spec {
namespace {

/// Engines' configs are 10 to 60 kB; a bigger file than this is no config but an attack or a mistake.
constexpr std::size_t max_config = 16u << 20;

/// \a value, valid. The position of what is not is looked for only now, in the text that is still there.
template <typename Value>
Value read_valid(const std::string& name, const std::string& text) {
    Value value = json::read<Value>(name, text);
    try {
        validate(value);
        if constexpr (std::is_same_v<Value, Spec>)
            if (value.linux) check_joined_network(*value.linux);
    } catch (const Invalid& invalid) {
        const auto [line, column] = json::locate(text, invalid.path);
        throw Error(format("{}:{}:{}: {}", name, line, column, invalid.message));
    }
    return value;
}

Spec as_meant(Spec spec) {
    if (spec.linux && spec.linux->resources) settle_pids(*spec.linux->resources, spec.oci_version);
    return spec;
}

}  // namespace

void settle_pids(Resources& resources, std::string_view oci_version) {
    constexpr std::string_view first = "1.";
    constexpr unsigned zero_counts = 3;
    if (!resources.pids || resources.pids->limit != 0 || !oci_version.starts_with(first)) return;
    const auto minor = oci_version.substr(first.size(), oci_version.find('.', first.size()) - first.size());
    if (parse_number<unsigned>(minor).value_or(zero_counts) < zero_counts) resources.pids->limit = -1;
}

Spec parse(const std::string& text, const std::string& name) { return as_meant(json::read<Spec>(name, text)); }

Spec parse_for_exec(const std::string& text, const std::string& name, bool has_filter) {
    static constexpr const json::Type* omitted[] = {
        &json::TypeOf<decltype(Spec::mounts)>::value, &json::TypeOf<decltype(Spec::hooks)>::value,
        &json::TypeOf<decltype(Linux::devices)>::value, &json::TypeOf<decltype(Resources::devices)>::value,
        &json::TypeOf<decltype(Seccomp::syscalls)>::value};
    return as_meant(
        json::read_without<Spec>(std::span(omitted).first(std::size(omitted) - (has_filter ? 0 : 1)), name, text));
}

Spec read_text(const std::string& text, const std::string& name) { return as_meant(read_valid<Spec>(name, text)); }

Spec read(const std::string& path) { return as_meant(read_valid<Spec>(path, sys::read_file(path, max_config))); }

Process read_process(const std::string& path) { return read_valid<Process>(path, sys::read_file(path, max_config)); }

Resources read_resources(const std::string& text, const std::string& name) { return read_valid<Resources>(name, text); }

std::vector<Mount> read_mounts(const std::string& text, const std::string& name) {
    const bool alone = trim(text).starts_with('[');
    return json::read<MountList>(name, alone ? "{\"mounts\":" + text + "}" : text).mounts;
}

std::string to_json(const Spec& spec) { return json::write(spec); }
std::string to_json(const State& state) { return json::write(state); }
std::string to_json(const Process& process) { return json::write(process); }

}  // namespace gpurun::spec
