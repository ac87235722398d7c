#include "base/log.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/table.h"

namespace gpurun::log {
namespace {

constexpr Name<Level> level_names[] = {
    {"error", Level::error}, {"warning", Level::warning}, {"info", Level::info}, {"debug", Level::debug}};

struct State {
    int fd = -1;
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

std::string line_of(Level level, std::string_view message) {
    const auto name = *name_of(level_names, level);
    if (state.format == Format::json)
        return fmt::format("{{\"level\":\"{}\",\"msg\":{},\"time\":\"{}\"}}\n", name, json_string(message),
                           now_rfc3339());
    return fmt::format("time=\"{}\" level={} msg={}\n", now_rfc3339(), name, json_string(message));
}

}  // namespace

void configure(const Settings& settings) {
    state.format = settings.format;
    state.level = settings.level;
    if (settings.file.empty()) return;
    state.fd = ::open(settings.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (state.fd < 0) throw Error(errno, "open log " + settings.file);
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
