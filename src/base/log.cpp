#include "base/log.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/table.h"

namespace gpurun::log {
namespace {

constexpr Name<Level> level_names[] = {
    {"error", Level::error}, {"warning", Level::warning}, {"info", Level::info}, {"debug", Level::debug}};

enum class Sink { file, syslog, journal };

constexpr Name<Sink> sinks[] = {{"file", Sink::file}, {"syslog", Sink::syslog}, {"journald", Sink::journal}};

struct State {
    int fd = -1;
    Sink sink = Sink::file;
    std::string identifier;
    Format format = Format::text;
    Level level = Level::warning;
} state;

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\', out += c;
        else if (c == '\n')
            out += "\\n";
        else if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out += '"';
}

// What a message quotes may hold escape sequences, and stderr may be a terminal.
std::string without_controls(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out;
}

std::string now_rfc3339() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

void put(int fd, std::string_view line) noexcept {
    while (!line.empty()) {
        const auto written = ::write(fd, line.data(), line.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        line.remove_prefix(static_cast<std::size_t>(written));
    }
}

// Of syslog(3), which the journal has as well.
int severity(Level level) {
    constexpr int severities[] = {3, 4, 6, 7};
    return severities[static_cast<int>(level)];
}

std::string line_of(Level level, std::string_view message) {
    const auto name = *name_of(level_names, level);
    if (state.fd >= 0 && state.sink != Sink::file) {
        std::string line(message);
        std::replace(line.begin(), line.end(), '\n', ' ');
        constexpr int user_facility = 1 << 3;
        if (state.sink == Sink::syslog)
            return fmt::format("<{}>{}[{}]: {}", user_facility | severity(level), state.identifier, ::getpid(), line);
        return fmt::format("PRIORITY={}\nSYSLOG_IDENTIFIER={}\nMESSAGE={}\n", severity(level), state.identifier, line);
    }
    if (state.format == Format::json)
        return fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", name, json_string(message),
                           now_rfc3339());
    return fmt::format("time=\"{}\" level={} msg={}\n", now_rfc3339(), name, json_string(message));
}

constexpr const char* journal_socket = "/run/systemd/journal/socket";

// A datagram is a message. -1 with errno.
int try_connect(const char* path) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int failure = errno;
    ::close(fd);
    errno = failure;
    return -1;
}

}  // namespace

void configure(const Settings& settings) {
    state.format = settings.format;
    state.level = settings.level;
    if (settings.target.empty()) return;
    const auto colon = settings.target.find(':');
    const auto sink = colon == std::string::npos ? std::nullopt : value_of(sinks, settings.target.substr(0, colon));
    const std::string rest = sink ? settings.target.substr(colon + 1) : settings.target;
    state.sink = sink.value_or(Sink::file);
    state.identifier = rest.empty() ? "gpurun" : rest;
    state.fd = state.sink == Sink::file ? ::open(rest.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
                                        : try_connect(state.sink == Sink::syslog ? "/dev/log" : journal_socket);
    if (state.fd < 0) throw Error(errno, "open log " + settings.target);
}

bool enabled(Level level) noexcept { return level <= state.level; }

void write(Level level, std::string_view message) noexcept {
    if (!enabled(level)) return;
    // Podman parses the log as a single JSON object: a warning before the error would hide it.
    if (level == Level::warning && state.fd >= 0 && state.level < Level::debug) return;
    put(state.fd < 0 ? STDERR_FILENO : state.fd, line_of(level, message));
}

void error(std::string_view message) noexcept {
    if (state.fd >= 0) put(state.fd, line_of(Level::error, message));
    if (state.fd < 0 && state.format == Format::json)
        put(STDERR_FILENO, line_of(Level::error, message));
    else
        put(STDERR_FILENO, fmt::format("gpurun: {}\n", without_controls(message)));
}

int descriptor() noexcept { return state.fd; }

}  // namespace gpurun::log
