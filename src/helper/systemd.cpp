#include "helper/systemd.h"

#include <gpurun/error.h>

#include <cstdlib>
#include <ctime>

#include "base/table.h"
#include "base/text.h"
#include "helper/bus.h"
#include "helper/scope_holder.h"

namespace gpurun::helper {
namespace {

constexpr const char* destination = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";
constexpr std::uint64_t patience = 30'000'000;  // Microseconds for a job.

// Properties that older systemd refuses, which fails the whole call.
constexpr Name<unsigned> first_versions[] = {{"CPUQuotaPeriodUSec", 242},
                                             {"AllowedCPUs", 244},
                                             {"AllowedMemoryNodes", 244},
                                             {"CollectMode", 236},
                                             {"MemoryZSwapMax", 253}};
constexpr unsigned idle_weight_version = 252;  // CPUWeight 0.

[[noreturn]] void fail(const std::string& what, int result, const BusError& error) {
    if (error.value.message != nullptr) throw Error(format("systemd: {}: {}", what, error.value.message));
    throw Error(-result, "systemd: " + what);
}

unsigned systemd_version(sd_bus* bus) {
    char* text = nullptr;
    BusError error;
    if (sd_bus_get_property_string(bus, destination, manager_path, manager_interface, "Version", &error.value, &text) <
        0)
        return 0;
    // "252.39-1~deb12u2", or "v245" from old ones.
    const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
    std::string_view digits = text;
    if (digits.starts_with('v')) digits.remove_prefix(1);
    return parse_number<unsigned>(digits.substr(0, digits.find_first_not_of("0123456789"))).value_or(0);
}

bool is_known(const std::string& name, const std::string& value, unsigned version) {
    if (name == "CPUWeight" && value == "uint64 0") return version >= idle_weight_version;
    return version >= value_of(first_versions, std::string_view(name)).value_or(0);
}

// The NAME=VALUE arguments as an array of (sv); \a holder: a scope's first process.
void append_properties(sd_bus* bus, sd_bus_message* message, const std::vector<std::string>& assignments,
                       pid_t holder) {
    const unsigned version = systemd_version(bus);
    check(sd_bus_message_open_container(message, 'a', "(sv)"), "append");
    for (const auto& assignment : assignments) {
        const auto equals = assignment.find('=');
        const std::string name = assignment.substr(0, equals),
                          value = equals == std::string::npos ? "" : assignment.substr(equals + 1);
        if (!is_known(name, value, version)) continue;
        try {
            append_property(message, name, parse_variant(value));
        } catch (const Error& error) {
            throw Error(format("unit property {}: {}", name, error.text()));
        }
    }
    if (holder > 0)
        append_property(
            message, "PIDs",
            {.type = "au", .text = {}, .items = {{.type = "u", .text = format("{}", holder), .items = {}}}});
    check(sd_bus_message_close_container(message), "append");
}

struct Job {
    std::string unit;
    std::string result;  // "done", "failed" …
};

int job_removed(sd_bus_message* message, void* data, sd_bus_error*) {
    Job& job = *static_cast<Job*>(data);
    std::uint32_t id = 0;
    const char *path = nullptr, *unit = nullptr, *result = nullptr;
    if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0) return 0;
    if (job.unit == unit) job.result = result;
    return 0;
}

std::uint64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1000000 + static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

// Sends a call whose answer is a job and waits for its end. Returns the job's result, or empty when the call itself
// failed.
std::string run_job(sd_bus* bus, sd_bus_message* call, const std::string& unit, BusError& error, int& result) {
    Job job{.unit = unit, .result = {}};
    sd_bus_slot* slot = nullptr;
    // Matched before the call: the job may have ended when its answer is read.
    check(
        sd_bus_match_signal(bus, &slot, destination, manager_path, manager_interface, "JobRemoved", job_removed, &job),
        "match JobRemoved");
    const Slot match(slot);
    sd_bus_message* answer = nullptr;
    result = sd_bus_call(bus, call, patience, &error.value, &answer);
    const Message owner(answer);
    if (result < 0) return {};
    for (const std::uint64_t deadline = now() + patience; job.result.empty();) {
        const int processed = sd_bus_process(bus, nullptr);
        check(processed, "process");
        if (processed > 0) continue;
        const auto time = now();
        if (time >= deadline) throw Error("systemd did not finish the job within 30 seconds");
        check(sd_bus_wait(bus, deadline - time), "wait");
    }
    return job.result;
}

Message new_call(sd_bus* bus, const char* method) {
    sd_bus_message* call = nullptr;
    check(sd_bus_message_new_method_call(bus, &call, destination, manager_path, manager_interface, method), method);
    return Message(call);
}

void reset_failed(sd_bus* bus, const std::string& unit) {
    BusError error;
    sd_bus_call_method(bus, destination, manager_path, manager_interface, "ResetFailedUnit", &error.value, nullptr, "s",
                       unit.c_str());
}

std::string cgroup_of(sd_bus* bus, const std::string& unit) {
    sd_bus_message* answer = nullptr;
    BusError error;
    const int result = sd_bus_call_method(bus, destination, manager_path, manager_interface, "GetUnit", &error.value,
                                          &answer, "s", unit.c_str());
    const Message owner(answer);
    if (result < 0) fail("find " + unit, result, error);
    const char* path = nullptr;
    check(sd_bus_message_read(answer, "o", &path), "read the unit");
    char* group = nullptr;
    const char* const interface =
        unit.ends_with(".slice") ? "org.freedesktop.systemd1.Slice" : "org.freedesktop.systemd1.Scope";
    const int got = sd_bus_get_property_string(bus, destination, path, interface, "ControlGroup", &error.value, &group);
    if (got < 0) fail("read the cgroup of " + unit, got, error);
    const std::unique_ptr<char, decltype(&std::free)> text(group, &std::free);
    return group;
}

struct Request {
    bool user = false;
    std::string unit;
    std::vector<std::string> properties;
};

std::string start(const Request& request) {
    ScopeHolder holder(request.unit.ends_with(".scope"));
    const Bus bus = connect(request.user);
    for (int attempt = 0;; ++attempt) {
        const Message call = new_call(bus.get(), "StartTransientUnit");
        check(sd_bus_message_append(call.get(), "ss", request.unit.c_str(), "replace"), "append");
        append_properties(bus.get(), call.get(), request.properties, holder.pid());
        check(sd_bus_message_append(call.get(), "a(sa(sv))", 0), "append");
        BusError error;
        int result = 0;
        const std::string outcome = run_job(bus.get(), call.get(), request.unit, error, result);
        if (outcome == "done") break;
        // A unit of that name that failed stays until it is told to go.
        const bool exists = error.is("org.freedesktop.systemd1.UnitExists") || error.says("already loaded");
        if (outcome.empty() && exists && attempt == 0) {
            reset_failed(bus.get(), request.unit);
            continue;
        }
        if (outcome.empty()) fail("start " + request.unit, result, error);
        reset_failed(bus.get(), request.unit);
        throw Error(format("systemd: start {}: the job's result is {}", request.unit, outcome));
    }
    std::string group = cgroup_of(bus.get(), request.unit);
    holder.leave();
    return group;
}

std::string set(const Request& request) {
    const Bus bus = connect(request.user);
    const Message call = new_call(bus.get(), "SetUnitProperties");
    check(sd_bus_message_append(call.get(), "sb", request.unit.c_str(), 1), "append");
    append_properties(bus.get(), call.get(), request.properties, -1);
    BusError error;
    const int result = sd_bus_call(bus.get(), call.get(), patience, &error.value, nullptr);
    if (result < 0) fail("set properties of " + request.unit, result, error);
    return {};
}

std::string stop(const Request& request) {
    const Bus bus = connect(request.user);
    const Message call = new_call(bus.get(), "StopUnit");
    check(sd_bus_message_append(call.get(), "ss", request.unit.c_str(), "replace"), "append");
    BusError error;
    int result = 0;
    const std::string outcome = run_job(bus.get(), call.get(), request.unit, error, result);
    const bool absent = error.is("org.freedesktop.systemd1.NoSuchUnit");
    if (outcome.empty() && !absent) fail("stop " + request.unit, result, error);
    if (!absent) reset_failed(bus.get(), request.unit);
    return {};
}

// A user's manager moves processes that its user may not move, by way of the system's manager.
std::string attach(const Request& request) {
    std::optional<std::uint32_t> pid;
    std::string path = "/";
    for (const auto& property : request.properties) {
        const auto equals = property.find('=') + 1;
        if (property.starts_with("PID=")) pid = parse_number<std::uint32_t>(std::string_view(property).substr(equals));
        if (property.starts_with("PATH=")) path = property.substr(equals);
    }
    if (!pid) throw Error("systemd attach: expected PID=NUMBER and, for a cgroup below the unit's, PATH=/PATH");
    const Bus bus = connect(request.user);
    BusError error;
    const int result =
        sd_bus_call_method(bus.get(), destination, manager_path, manager_interface, "AttachProcessesToUnit",
                           &error.value, nullptr, "ssau", request.unit.c_str(), path.c_str(), 1, *pid);
    if (result < 0) fail(format("move process {} into {} of {}", *pid, path, request.unit), result, error);
    return {};
}

constexpr Name<std::string (*)(const Request&)> actions[] = {
    {"start", start}, {"set", set}, {"stop", stop}, {"attach", attach}};

}  // namespace

std::string systemd(const std::vector<std::string>& arguments) {
    Request request;
    std::size_t at = 1;
    if (at < arguments.size() && arguments[at] == "--user") request.user = true, ++at;
    const auto action = value_of(actions, arguments.empty() ? std::string_view() : std::string_view(arguments.front()));
    if (!action || at >= arguments.size())
        throw Error("systemd: expected start, set, stop or attach, [--user], a unit, and properties");
    request.unit = arguments[at++];
    request.properties.assign(arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
    return (*action)(request);
}

}  // namespace gpurun::helper
