#include "cgroup/device_rules.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::cgroup {
namespace {

// What config-linux.md promises to every container (null, zero, full, random, urandom, tty, ptmx, ptys), the right to
// make nodes, and tun for VPNs, which engines have come to expect.
const struct {
    const char* type;
    std::optional<std::int64_t> major, minor;
    const char* access;
} default_rules[] = {{"c", {}, {}, "m"}, {"b", {}, {}, "m"},    {"c", 1, 3, "rwm"},   {"c", 1, 5, "rwm"},
                     {"c", 1, 7, "rwm"}, {"c", 1, 8, "rwm"},    {"c", 1, 9, "rwm"},   {"c", 5, 0, "rwm"},
                     {"c", 5, 2, "rwm"}, {"c", 136, {}, "rwm"}, {"c", 10, 200, "rwm"}};

constexpr Name<std::uint32_t> access_letters[] = {{"r", access_read}, {"w", access_write}, {"m", access_mknod}};
constexpr Name<char> types[] = {{"", 'a'}, {"a", 'a'}, {"c", 'c'}, {"u", 'c'}, {"b", 'b'}};

bool is_all(const std::optional<std::int64_t>& number) { return number.value_or(-1) == -1; }

bool is_about_everything(const spec::DeviceRule& rule) {
    return (rule.type.empty() || rule.type == "a") && is_all(rule.major) && is_all(rule.minor) &&
           (rule.access.empty() ||
            std::all_of(std::begin(access_letters), std::end(access_letters),
                        [&](const auto& row) { return rule.access.find(row.name) != std::string::npos; }));
}

std::string describe(const spec::DeviceRule& rule) {
    const auto number = [](const std::optional<std::int64_t>& value) {
        return is_all(value) ? std::string("*") : format("{}", *value);
    };
    return format("linux.resources.devices: {} {} {}:{} {}", rule.allow ? "allow" : "deny",
                  rule.type.empty() ? "a" : rule.type, number(rule.major), number(rule.minor), rule.access);
}

DeviceMatch match_of(const spec::DeviceRule& rule) {
    const auto type = value_of(types, rule.type);
    if (!type) throw Error(describe(rule) + ": the type is a, c, b or u");
    DeviceMatch match{.type = *type,
                      .major = rule.major.value_or(-1),
                      .minor = rule.minor.value_or(-1),
                      .access = 0,
                      .allow = rule.allow};
    for (const char& letter : rule.access) {
        if (letter == 'a') continue;
        const auto bit = value_of(access_letters, std::string_view(&letter, 1));
        if (!bit) throw Error(describe(rule) + ": access is made of r, w and m");
        match.access |= *bit;
    }
    if (rule.access.empty()) match.access = access_all;
    constexpr std::int64_t highest_major = (1 << 12) - 1, highest_minor = (1 << 20) - 1;
    if (match.major < -1 || match.major > highest_major || match.minor < -1 || match.minor > highest_minor)
        throw Error(describe(rule) + ": majors go up to 4095 and minors up to 1048575; -1 is all of them");
    return match;
}

bool covers(const DeviceMatch& wide, const DeviceMatch& narrow) {
    return (wide.type == 'a' || wide.type == narrow.type) && (wide.major == -1 || wide.major == narrow.major) &&
           (wide.minor == -1 || wide.minor == narrow.minor);
}

bool overlap(const DeviceMatch& one, const DeviceMatch& other) {
    const auto meet = [](std::int64_t a, std::int64_t b) { return a == -1 || b == -1 || a == b; };
    return (one.type == 'a' || other.type == 'a' || one.type == other.type) && meet(one.major, other.major) &&
           meet(one.minor, other.minor);
}

// A rule of the list's own kind takes away from the exceptions.
void take_away(DeviceList& list, const DeviceMatch& rule) {
    for (auto& exception : list.exceptions) {
        if (!overlap(rule, exception) || (rule.access & exception.access) == 0) continue;
        if (!covers(rule, exception))
            throw Error(format(
                "linux.resources.devices: cgroup v1 cannot {} {} after {} {}; give the narrower rule's opposite "
                "instead",
                rule.allow ? "allow" : "deny", to_text(rule), exception.allow ? "allow" : "deny", to_text(exception)));
        exception.access &= ~rule.access;
    }
    std::erase_if(list.exceptions, [](const DeviceMatch& exception) { return exception.access == 0; });
}

void add_exception(DeviceList& list, const DeviceMatch& rule) {
    const auto known = std::find_if(list.exceptions.begin(), list.exceptions.end(), [&](const DeviceMatch& exception) {
        return exception.type == rule.type && exception.major == rule.major && exception.minor == rule.minor;
    });
    if (known == list.exceptions.end())
        list.exceptions.push_back(rule);
    else
        known->access |= rule.access;
}

}  // namespace

std::vector<spec::DeviceRule> device_rules(const std::vector<spec::DeviceRule>& configured) {
    std::vector<spec::DeviceRule> rules;
    rules.reserve(configured.size() + std::size(default_rules) + 1);
    if (configured.empty() || !is_about_everything(configured.front()))
        rules.push_back({.allow = false, .type = "a", .access = "rwm"});
    rules.insert(rules.end(), configured.begin(), configured.end());
    // In a container that may use every device the defaults add nothing.
    if (!configured.empty() && configured.back().allow && is_about_everything(configured.back())) return rules;
    for (const auto& rule : default_rules)
        rules.push_back(
            {.allow = true, .type = rule.type, .major = rule.major, .minor = rule.minor, .access = rule.access});
    return rules;
}

std::vector<DeviceMatch> reduce(const std::vector<spec::DeviceRule>& rules) {
    std::vector<DeviceMatch> matches;
    for (const auto& rule : rules) {
        const DeviceMatch match = match_of(rule);
        if (match.is_everything()) matches.clear();
        // An earlier rule of the same kind about the same devices, with nothing of the other kind between, says it
        // already.
        bool said = false;
        for (auto earlier = matches.rbegin(); earlier != matches.rend() && earlier->allow == match.allow && !said;
             ++earlier)
            said = covers(*earlier, match) && (match.access & ~earlier->access) == 0;
        if (!said) matches.push_back(match);
    }
    return matches;
}

DeviceList to_list(const std::vector<DeviceMatch>& rules) {
    DeviceList list;
    for (const auto& rule : rules) {
        if (rule.is_everything()) {
            list = {.allow_by_default = rule.allow, .exceptions = {}};
            continue;
        }
        // "a" in devices.allow means everything whatever numbers follow, so a rule for both types becomes two.
        for (const char type : {'c', 'b'}) {
            if (rule.type != 'a' && rule.type != type) continue;
            DeviceMatch one = rule;
            one.type = type;
            if (one.allow == list.allow_by_default)
                take_away(list, one);
            else
                add_exception(list, one);
        }
    }
    return list;
}

std::string to_text(const DeviceMatch& match) {
    const auto number = [](std::int64_t value) { return value == -1 ? std::string("*") : format("{}", value); };
    std::string access;
    for (const auto& letter : access_letters)
        if ((match.access & letter.value) != 0) access += letter.name;
    return format("{} {}:{} {}", match.type, number(match.major), number(match.minor), access);
}

}  // namespace gpurun::cgroup
