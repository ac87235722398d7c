#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

/// Messages about what gpurun does. Engines read them: containerd takes the last "error" object of a JSON log, Podman
/// needs the file to hold exactly one, so nothing below `error` is written to the log unless --debug asks for it, and
/// warnings go to stderr only when there is no log file. The only process-wide state of gpurun.
namespace gpurun::log {

enum class Level { error, warning, info, debug };
enum class Format { text, json };

struct Settings {
    std::string target;  ///< A file, which is appended to and created 0644, also as file:PATH; syslog:IDENTIFIER or
                         ///< journald:IDENTIFIER; empty: stderr.
    Format format = Format::text;
    Level level = Level::warning;
};

/// Opens the log. Throws Error when the file cannot be opened. Call once, in main.
void configure(const Settings& settings);

/// True when a message of \a level would be written; guard for messages that are expensive to make.
bool enabled(Level level) noexcept;

void write(Level level, std::string_view message) noexcept;

/// An operation of gpurun failed: one line in the log and, when that is not stderr, the plain text on stderr too.
void error(std::string_view message) noexcept;

template <typename... Arguments>
void warning(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    if (enabled(Level::warning)) write(Level::warning, fmt::format(text, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void debug(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    if (enabled(Level::debug)) write(Level::debug, fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// The log's descriptor number, -1 for stderr: the container process keeps it until it executes the user's program.
int descriptor() noexcept;

}  // namespace gpurun::log
