#include "helper/systemd.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <poll.h>
#include <sys/syscall.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/table.h"
#include "base/text.h"
#include "helper/variant.h"

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

struct CloseBus {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct UnrefMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
struct UnrefSlot {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
using Message = std::unique_ptr<sd_bus_message, UnrefMessage>;
using Slot = std::unique_ptr<sd_bus_slot, UnrefSlot>;

struct BusError {
    sd_bus_error value{};  // SD_BUS_ERROR_NULL, which is a C99 literal.
    ~BusError() { sd_bus_error_free(&value); }
    bool is(const char* name) const { return sd_bus_error_has_name(&value, name) != 0; }
    bool says(std::string_view part) const {
        return value.message != nullptr && std::string_view(value.message).find(part) != std::string_view::npos;
    }
};

void check(int result, const char* what) {
    if (result < 0) throw Error(-result, format("D-Bus: {}", what));
}

[[noreturn]] void fail(const std::string& what, int result, const BusError& error) {
    if (error.value.message != nullptr) throw Error(format("systemd: {}: {}", what, error.value.message));
    throw Error(-result, "systemd: " + what);
}

// A user's bus is at XDG_RUNTIME_DIR even where no session told its address, as for conmon's children.
Bus connect(bool user) {
    sd_bus* bus = nullptr;
    const int result = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
    if (result >= 0) return Bus(bus);
    throw Error(
        -result,
        user
            ? "connect to the user's bus ($DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus); is the user logged in or "
              "lingering (loginctl enable-linger)?"
            : "connect to the system bus; is systemd running, with dbus?");
}

void append(sd_bus_message* message, const Variant& value);

template <typename Number>
void append_number(sd_bus_message* message, const Variant& value) {
    const bool hexadecimal = value.text.starts_with("0x");
    const auto number =
        parse_number<Number>(std::string_view(value.text).substr(hexadecimal ? 2 : 0), hexadecimal ? 16 : 10);
    if (!number) throw Error(format("\"{}\" is not a number of type {}", value.text, value.type));
    check(sd_bus_message_append_basic(message, value.type[0], &*number), "append");
}

void append_basic(sd_bus_message* message, const Variant& value) {
    switch (value.type[0]) {
        case 'b': {
            const int flag = value.text == "true";
            return check(sd_bus_message_append_basic(message, 'b', &flag), "append");
        }
        case 'y': return append_number<std::uint8_t>(message, value);
        case 'n': return append_number<std::int16_t>(message, value);
        case 'q': return append_number<std::uint16_t>(message, value);
        case 'i': return append_number<std::int32_t>(message, value);
        case 'u': return append_number<std::uint32_t>(message, value);
        case 'x': return append_number<std::int64_t>(message, value);
        case 't': return append_number<std::uint64_t>(message, value);
        default: check(sd_bus_message_append_basic(message, value.type[0], value.text.c_str()), "append");
    }
}

void append(sd_bus_message* message, const Variant& value) {
    const bool array = value.type[0] == 'a', tuple = value.type[0] == '(';
    if (!array && !tuple) return append_basic(message, value);
    const std::string contents = array ? value.type.substr(1) : value.type.substr(1, value.type.size() - 2);
    check(sd_bus_message_open_container(message, array ? 'a' : 'r', contents.c_str()), "append");
    for (const auto& item : value.items) append(message, item);
    check(sd_bus_message_close_container(message), "append");
}

void append_property(sd_bus_message* message, const std::string& name, const Variant& value) {
    check(sd_bus_message_open_container(message, 'r', "sv"), "append");
    check(sd_bus_message_append_basic(message, 's', name.c_str()), "append");
    check(sd_bus_message_open_container(message, 'v', value.type.c_str()), "append");
    append(message, value);
    check(sd_bus_message_close_container(message), "append");
    check(sd_bus_message_close_container(message), "append");
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

// ---- the process that holds a scope open
// -----------------------------------------------------------------------------------

// Where this process is in the hierarchy that systemd keeps: cgroup2 alone, or v1's named one.
std::string own_directory() {
    char text[4096];
    const int file = ::open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    const auto got = ::read(file, text, sizeof text);
    ::close(file);
    std::string unified, named;
    for (const auto line : split(std::string_view(text, got > 0 ? static_cast<std::size_t>(got) : 0), '\n')) {
        const auto colon = line.find(':', line.find(':') + 1);
        if (colon == std::string_view::npos) continue;
        if (line.find(":name=systemd:") != std::string_view::npos) named = line.substr(colon + 1);
        if (line.starts_with("0::")) unified = line.substr(colon + 1);
    }
    if (!named.empty() && ::access("/sys/fs/cgroup/systemd/cgroup.procs", F_OK) == 0)
        return "/sys/fs/cgroup/systemd" + named;
    return "/sys/fs/cgroup" + unified;
}

bool has_company(const std::string& directory) {
    char pids[64];
    const int file = ::open((directory + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const auto got = ::read(file, pids, sizeof pids);
    ::close(file);
    return got > 0 &&
           std::string_view(pids, static_cast<std::size_t>(got)).find('\n') + 1 < static_cast<std::size_t>(got);
}

[[noreturn]] void hold(pid_t caller) {
    // Until systemd has moved this process, its company is the caller's.
    const std::string before = own_directory();
    ::setsid();
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(nothing, fd);
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, caller, 0));
    if (pidfd > 3) ::syscall(SYS_close_range, 3, static_cast<unsigned>(pidfd) - 1, 0);
    constexpr int look_every = 5;  // Milliseconds: the container process comes within ten.
    for (pollfd gone{.fd = pidfd, .events = POLLIN, .revents = 0}; pidfd >= 0 && ::poll(&gone, 1, look_every) <= 0;)
        if (const auto now = own_directory(); now != before && has_company(now)) break;
    ::_exit(0);
}

class Holder {
 public:
    explicit Holder(bool wanted) {
        if (!wanted) return;
        const pid_t caller = ::getppid();
        pid_ = ::fork();
        if (pid_ < 0) throw Error(errno, "fork");
        if (pid_ == 0) hold(caller);
    }
    ~Holder() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    pid_t pid() const { return pid_; }
    void leave() { pid_ = -1; }

 private:
    pid_t pid_ = -1;
};

// ---- actions
// ---------------------------------------------------------------------------------------------------------------

struct Request {
    bool user = false;
    std::string unit;
    std::vector<std::string> properties;
};

std::string start(const Request& request) {
    // Forked before there is a connection, which must not be shared.
    Holder holder(request.unit.ends_with(".scope"));
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
    constexpr std::string_view key = "PID=";
    const std::string_view text = request.properties.empty() ? std::string_view() : request.properties.front();
    const auto pid = text.starts_with(key) ? parse_number<std::uint32_t>(text.substr(key.size())) : std::nullopt;
    if (!pid) throw Error("systemd attach: expected PID=NUMBER");
    const Bus bus = connect(request.user);
    BusError error;
    const int result =
        sd_bus_call_method(bus.get(), destination, manager_path, manager_interface, "AttachProcessesToUnit",
                           &error.value, nullptr, "ssau", request.unit.c_str(), "/", 1, *pid);
    if (result < 0) fail(format("move process {} into {}", *pid, request.unit), result, error);
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
