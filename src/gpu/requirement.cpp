#include "gpu/requirement.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::gpu {
namespace {

struct Branch {
    unsigned branch;
    std::string_view cuda;
};

constexpr Branch branches[] = {
    {410, "10.0"}, {418, "10.1"}, {440, "10.2"}, {450, "11.0"}, {455, "11.1"}, {460, "11.2"},
    {465, "11.3"}, {470, "11.4"}, {495, "11.5"}, {510, "11.6"}, {515, "11.7"}, {520, "11.8"},
    {525, "12.0"}, {530, "12.1"}, {535, "12.2"}, {545, "12.3"}, {550, "12.4"}, {555, "12.5"},
    {560, "12.6"}, {565, "12.7"}, {570, "12.8"}, {575, "12.9"}, {580, "13.0"}, {590, "13.1"},
};

// The first row whose word the model's name contains decides; the kernel does not tell compute capability nor brand.
constexpr Name<std::string_view> architectures[] = {
    {"GB300", "10.3"},     {"B300", "10.3"},   {"GB200", "10.0"},     {"B200", "10.0"},     {"B100", "10.0"},
    {"Blackwell", "12.0"}, {"RTX 50", "12.0"}, {"GH200", "9.0"},      {"H200", "9.0"},      {"H100", "9.0"},
    {"H800", "9.0"},       {"H20", "9.0"},     {"RTX 40", "8.9"},     {" Ada", "8.9"},      {"L40", "8.9"},
    {" L4", "8.9"},        {"A100", "8.0"},    {"A800", "8.0"},       {"A30", "8.0"},       {"RTX 30", "8.6"},
    {"RTX A", "8.6"},      {" A10", "8.6"},    {" A16", "8.6"},       {" A40", "8.6"},      {" A2", "8.6"},
    {"RTX 20", "7.5"},     {"GTX 16", "7.5"},  {"Quadro RTX", "7.5"}, {"TITAN RTX", "7.5"}, {" T4", "7.5"},
    {"V100", "7.0"},       {"TITAN V", "7.0"}, {"P100", "6.0"},       {"GTX 10", "6.1"},    {" P40", "6.1"},
    {" P4", "6.1"},        {"GTX 9", "5.2"},   {"M60", "5.2"},        {"M40", "5.2"},       {"K80", "3.7"},
};

constexpr Name<std::string_view> brands[] = {
    {"GeForce RTX", "geforcertx"},
    {"GeForce", "geforce"},
    {"TITAN RTX", "titanrtx"},
    {"TITAN", "titan"},
    {"Quadro RTX", "quadrortx"},
    {"Quadro", "quadro"},
    {"NVIDIA RTX", "nvidiartx"},
    {"Tesla", "tesla"},
    {"GRID", "grid"},
    {"NVS", "nvs"},
    {"NVIDIA", "nvidia"},
};

template <std::size_t Size>
std::optional<std::string> first_contained(const Name<std::string_view> (&table)[Size], std::string_view model) {
    for (const auto& row : table)
        if (model.find(row.name) != std::string_view::npos) return std::string(row.value);
    return std::nullopt;
}

enum class Operator { equal, not_equal, less, less_equal, greater, greater_equal };

// Two-character operators first, so that "<=" is not read as "<".
constexpr Name<Operator> operators[] = {
    {"!=", Operator::not_equal}, {"<=", Operator::less_equal}, {">=", Operator::greater_equal},
    {"=", Operator::equal},      {"<", Operator::less},        {">", Operator::greater},
};

bool holds(int order, Operator comparison) {
    switch (comparison) {
        case Operator::equal: return order == 0;
        case Operator::not_equal: return order != 0;
        case Operator::less: return order < 0;
        case Operator::less_equal: return order <= 0;
        case Operator::greater: return order > 0;
        case Operator::greater_equal: return order >= 0;
    }
    return false;
}

struct PropertyRow {
    std::string_view name;
    std::optional<std::string> Properties::*member;
};

constexpr PropertyRow properties_by_name[] = {{"cuda", &Properties::cuda},
                                              {"driver", &Properties::driver},
                                              {"arch", &Properties::arch},
                                              {"brand", &Properties::brand}};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool is_version(std::string_view text) {
    const auto parts = split(text, '.');
    return std::all_of(parts.begin(), parts.end(),
                       [](std::string_view part) { return parse_number<unsigned>(part).has_value(); });
}

[[noreturn]] void refuse(const Requirement& requirement, std::string_view condition) {
    throw Error(
        format("{}: \"{}\" is not a condition: expected cuda, driver, arch or brand, one of = != < <= > >=, and a "
               "value such as cuda>=12.4",
               requirement.variable, condition));
}

bool holds(const Requirement& requirement, std::string_view condition, const Properties& properties) {
    const auto end = condition.find_first_of("=!<>");
    const std::string name = lower(condition.substr(0, end));
    const auto property = std::find_if(std::begin(properties_by_name), std::end(properties_by_name),
                                       [&](const PropertyRow& row) { return row.name == name; });
    if (end == std::string_view::npos || property == std::end(properties_by_name)) refuse(requirement, condition);
    const auto rest = condition.substr(end);
    const auto comparison = std::find_if(std::begin(operators), std::end(operators),
                                         [&](const Name<Operator>& row) { return rest.starts_with(row.name); });
    if (comparison == std::end(operators)) refuse(requirement, condition);
    const auto value = rest.substr(comparison->name.size());
    const auto& known = properties.*property->member;
    if (property->name == "brand") {
        const bool equality = comparison->value == Operator::equal || comparison->value == Operator::not_equal;
        if (value.empty() || !equality) refuse(requirement, condition);
        return !known || holds(lower(*known).compare(lower(value)), comparison->value);
    }
    if (!is_version(value)) refuse(requirement, condition);
    return !known || holds(compare_versions(*known, value), comparison->value);
}

std::string describe(const Properties& properties) {
    std::string text;
    for (const auto& row : properties_by_name)
        if (const auto& known = properties.*row.member)
            text += format("{}{}={}", text.empty() ? "" : " ", row.name, *known);
    return text;
}

}  // namespace

int compare_versions(std::string_view left, std::string_view right) {
    const auto a = split(left, '.');
    const auto b = split(right, '.');
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        const auto x = i < a.size() ? parse_number<unsigned>(a[i]).value_or(0) : 0;
        const auto y = i < b.size() ? parse_number<unsigned>(b[i]).value_or(0) : 0;
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

std::optional<std::string> cuda_version_of_branch(unsigned branch) {
    std::optional<std::string> cuda;
    if (branch >= std::end(branches)[-1].branch + 5) return cuda;
    for (const auto& row : branches)
        if (row.branch <= branch) cuda = std::string(row.cuda);
    return cuda;
}

Properties properties_of(const std::string& driver_version, std::string_view model) {
    const auto branch = parse_number<unsigned>(split(driver_version, '.').front());
    return {.cuda = branch ? cuda_version_of_branch(*branch) : std::nullopt,
            .driver = driver_version,
            .arch = first_contained(architectures, model),
            .brand = first_contained(brands, model)};
}

void check_requirement(const Requirement& requirement, const Properties& properties) {
    const auto terms = words(requirement.expression);
    std::string_view unsatisfied;
    for (const auto term : terms) {
        bool satisfied = true;
        for (const auto condition : split(term, ',')) {
            if (condition.empty() || holds(requirement, condition, properties)) continue;
            satisfied = false;
            if (unsatisfied.empty()) unsatisfied = condition;
            break;
        }
        if (satisfied) return;
    }
    if (terms.empty()) return;
    const bool too_old = unsatisfied.starts_with("cuda>") || unsatisfied.starts_with("driver>");
    throw Error(format(
        "requirement error: {}: unsatisfied condition: {}{} (this machine has {})", requirement.variable, unsatisfied,
        too_old ? ", please update your driver to a newer version, or use an earlier cuda container" : "",
        describe(properties)));
}

void check_requirements(const std::vector<Requirement>& requirements, const std::string& driver_version,
                        const std::vector<std::string>& models) {
    for (const auto& requirement : requirements) {
        if (models.empty()) check_requirement(requirement, properties_of(driver_version, {}));
        for (const auto& model : models) check_requirement(requirement, properties_of(driver_version, model));
    }
}

}  // namespace gpurun::gpu
