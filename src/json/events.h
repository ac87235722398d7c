#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpurun::json {

/// What a parser tells of a text, in order. A function returns false to stop the parser. They must not throw: C frames
/// are above them.
class Events {
 public:
    virtual bool null() noexcept = 0;
    virtual bool boolean(bool value) noexcept = 0;
    /// \a literal is the number as it is written.
    virtual bool number(std::string_view literal) noexcept = 0;
    virtual bool string(std::string_view text) noexcept = 0;
    /// An unquoted YAML scalar, which may stand for null, a boolean, a number or a string.
    virtual bool plain(std::string_view text) noexcept { return string(text); }
    virtual bool open_object() noexcept = 0;
    virtual bool key(std::string_view name) noexcept = 0;
    virtual bool close_object() noexcept = 0;
    virtual bool open_array() noexcept = 0;
    virtual bool close_array() noexcept = 0;

    /// The parser is at a token that lies between these offsets; blanks and separators may stand before it.
    void advance(std::size_t end) noexcept {
        before_ = end_;
        end_ = end;
    }
    /// The parser is at a token that begins at \a offset.
    void stand_at(std::size_t offset) noexcept { before_ = end_ = offset; }
    /// Where the token begins in \a text.
    std::size_t begin(std::string_view text) const noexcept;

 protected:
    ~Events() = default;

 private:
    std::size_t before_ = 0, end_ = 0;
};

/// Feeds \a events from a JSON text. Returns empty when all of it was parsed or an event function stopped it (\a
/// stopped), else the syntax error.
struct Outcome {
    bool stopped = false;
    std::string syntax_error;
    std::size_t offset = 0;  ///< Of the syntax error or of the token that was refused.
};
Outcome parse(std::string_view text, Events& events);

}  // namespace gpurun::json
