#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/events.h"
#include "json/json.h"

namespace gpurun::json {

/// Line and column of a byte of \a text.
Position position_of(std::string_view text, std::size_t offset);

/// Remembers where the value begins whose path matches the longest part of the wanted one. Paths are compared piece by
/// piece:
/// `.key`, `[key]` or `[index]`.
class Locator final : public Events {
 public:
    Locator(std::string_view text, std::string_view path) : text_(text), path_(path) {}

    bool null() noexcept override { return value(); }
    bool boolean(bool) noexcept override { return value(); }
    bool number(std::string_view) noexcept override { return value(); }
    bool string(std::string_view) noexcept override { return value(); }
    bool open_object() noexcept override { return open(); }
    bool open_array() noexcept override { return open(true); }
    bool close_object() noexcept override { return close(); }
    bool close_array() noexcept override { return close(); }
    bool key(std::string_view name) noexcept override {
        matched_ = match(name);
        return true;
    }

    std::size_t offset() const { return offset_; }

 private:
    static constexpr std::size_t none = std::string_view::npos;
    /// How much of the path is matched up to a container, or `none`; and the next index of an array.
    struct Level {
        std::size_t matched;
        bool is_array;
        std::size_t index;
    };

    /// The end of the piece \a name behind what the current container matched, or `none`.
    std::size_t match(std::string_view name) const {
        const std::size_t start = levels_.back().matched;
        if (start == none) return none;
        std::string_view rest = path_.substr(start);
        if (rest.starts_with('[') && rest.substr(1).starts_with(name) && rest.substr(1 + name.size()).starts_with(']'))
            return start + name.size() + 2;
        const std::size_t dot = rest.starts_with('.') && start > 0 ? 1 : 0;
        if (dot == 0 && start > 0) return none;
        rest.remove_prefix(dot);
        if (!rest.starts_with(name)) return none;
        rest.remove_prefix(name.size());
        return rest.empty() || rest[0] == '.' || rest[0] == '[' ? start + dot + name.size() : none;
    }

    bool value() {
        if (!levels_.empty() && levels_.back().is_array) matched_ = match(std::to_string(levels_.back().index++));
        if (levels_.empty()) matched_ = 0;
        if (matched_ != none && matched_ >= best_) {
            best_ = matched_;
            offset_ = begin(text_);
        }
        return true;
    }
    bool open(bool is_array = false) {
        value();
        levels_.push_back({matched_, is_array, 0});
        return true;
    }
    bool close() {
        levels_.pop_back();
        return true;
    }

    std::string_view text_, path_;
    std::vector<Level> levels_;
    std::size_t matched_ = 0, best_ = 0, offset_ = 0;
};

}  // namespace gpurun::json
