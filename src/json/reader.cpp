#include "json/reader.h"

#include <algorithm>

#include "json/utf8.h"

namespace gpurun::json {
namespace {

constexpr std::size_t shown_length = 60;

/// A string as an error shows it: quoted, control characters as '?', cut when long.
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char character : text.substr(0, shown_length))
        result += static_cast<unsigned char>(character) < 0x20 || character == 0x7f ? '?' : character;
    return result + (text.size() > shown_length ? "…\"" : "\"");
}

std::string describe(const Type& type) {
    switch (type.kind) {
        case Kind::boolean: return "boolean";
        case Kind::string: return "string";
        case Kind::array: return "array";
        case Kind::map:
        case Kind::object: return "object";
        case Kind::optional: return describe(*type.element);
        case Kind::enumeration: return "one of " + type.choices();
        case Kind::integer: return gpurun::format("integer from {} to {}", type.minimum, type.maximum);
    }
    return {};
}

constexpr std::string_view yaml_nulls[] = {"", "~", "null", "Null", "NULL"};
constexpr Name<bool> yaml_booleans[] = {{"true", true},   {"True", true},   {"TRUE", true},
                                        {"false", false}, {"False", false}, {"FALSE", false}};

bool is_yaml_null(std::string_view text) {
    for (const auto& null : yaml_nulls)
        if (text == null) return true;
    return false;
}

/// YAML's octal ("0600", "0o600") and hexadecimal numbers as decimal text; others unchanged.
std::string decimal_text(std::string_view text) {
    std::optional<std::uint64_t> value;
    if (text.starts_with("0x"))
        value = parse_number<std::uint64_t>(text.substr(2), 16);
    else if (text.starts_with("0o"))
        value = parse_number<std::uint64_t>(text.substr(2), 8);
    else if (text.size() > 1 && text[0] == '0')
        value = parse_number<std::uint64_t>(text.substr(1), 8);
    return value ? std::to_string(*value) : std::string(text);
}

}  // namespace

Reader::Target Reader::target() noexcept {
    if (depth_ == 0) return {root_type_, root_};
    Frame& frame = frames_[depth_ - 1];
    switch (frame.type->kind) {
        case Kind::array: ++frame.index; return {frame.type->element, frame.type->append(frame.object)};
        case Kind::map: return {frame.type->element, frame.element};
        case Kind::object:
            if (!frame.field || std::ranges::find(omitted_, frame.field->type) != omitted_.end()) return {};
            return {frame.field->type, frame.field->member(frame.object)};
        case Kind::boolean:
        case Kind::integer:
        case Kind::string:
        case Kind::enumeration:
        case Kind::optional: break;
    }
    return {};
}

bool Reader::null() noexcept {
    if (skipped_ > 0) return true;
    if (depth_ == 0) return refuse(*root_type_, "null");
    Frame& frame = frames_[depth_ - 1];
    if (frame.type->kind == Kind::array) {
        ++frame.index;
        return refuse(*frame.type->element, "null");
    }
    if (frame.type->kind == Kind::map) {
        frame.type->erase(frame.object, frame.key);
        frame.element = nullptr;
        frame.key = {};  // It was the erased element's own, and path() shows it.
    }
    if (frame.type->kind == Kind::object && frame.field)
        frame.seen &= ~(std::uint64_t{1} << (frame.field - frame.type->fields.data()));
    return true;
}

bool Reader::boolean(bool value) noexcept {
    if (skipped_ > 0) return true;
    auto [type, to] = target();
    if (!type) return true;
    for (; type->kind == Kind::optional; type = type->element) to = type->append(to);
    if (type->kind != Kind::boolean) return refuse(*type, value ? "boolean true" : "boolean false");
    *static_cast<bool*>(to) = value;
    return true;
}

bool Reader::number(std::string_view literal) noexcept {
    if (skipped_ > 0) return true;
    const Target place = target();
    return !place.type || assign(place, literal);
}

bool Reader::assign(Target place, std::string_view literal) noexcept {
    auto [type, to] = place;
    for (; type->kind == Kind::optional; type = type->element) to = type->append(to);
    return (type->kind == Kind::integer && type->assign(to, literal)) ||
           refuse(*type, gpurun::format("number {}", literal.substr(0, shown_length)));
}

bool Reader::string(std::string_view text) noexcept {
    if (skipped_ > 0) return true;
    const Target place = target();
    return !place.type || assign_string(place, text);
}

bool Reader::assign_string(Target place, std::string_view text) noexcept {
    auto [type, to] = place;
    for (; type->kind == Kind::optional; type = type->element) to = type->append(to);
    if (type->kind == Kind::enumeration)
        return type->assign(to, text) ||
               fail(gpurun::format("expected one of {}, got {}", type->choices(), quoted(text)));
    if (type->kind != Kind::string) return refuse(*type, "string " + quoted(text));
    if (text.find('\0') != std::string_view::npos) return refuse(*type, "string with a NUL character");
    // yajl lets surrogates and overlong forms pass.
    if (!is_utf8(text)) return refuse(*type, "string with bytes that are not UTF-8");
    static_cast<std::string*>(to)->assign(text);
    return true;
}

bool Reader::plain(std::string_view text) noexcept {
    if (skipped_ > 0) return true;
    if (is_yaml_null(text)) return null();
    const Target place = target();
    if (!place.type) return true;
    auto [type, to] = place;
    for (; type->kind == Kind::optional; type = type->element) to = type->append(to);
    if (type->kind == Kind::integer) return type->assign(to, decimal_text(text)) || refuse(*type, quoted(text));
    if (type->kind != Kind::boolean) return assign_string({type, to}, text);
    const auto value = value_of(yaml_booleans, text);
    if (value) *static_cast<bool*>(to) = *value;
    return value.has_value() || refuse(*type, quoted(text));
}

bool Reader::open(Kind kind) noexcept {
    if (skipped_ > 0)
        return ++skipped_ <= max_skipped ||
               fail(gpurun::format("expected at most {} levels of nesting, got more", max_skipped));
    auto [type, to] = target();
    if (!type) {
        skipped_ = 1;
        return true;
    }
    for (; type->kind == Kind::optional; type = type->element) to = type->append(to);
    const bool fits =
        kind == Kind::array ? type->kind == Kind::array : type->kind == Kind::object || type->kind == Kind::map;
    if (!fits) return refuse(*type, kind == Kind::array ? "array" : "object");
    if (depth_ == max_depth) return fail("expected fewer levels of nesting");
    frames_[depth_++] = {
        .type = type, .object = to, .field = nullptr, .element = nullptr, .key = {}, .index = 0, .seen = 0};
    return true;
}

bool Reader::open_object() noexcept { return open(Kind::object); }
bool Reader::open_array() noexcept { return open(Kind::array); }

bool Reader::key(std::string_view name) noexcept {
    if (skipped_ > 0) return true;
    Frame& frame = frames_[depth_ - 1];
    if (frame.type->kind == Kind::map) {
        if (name.find('\0') != std::string_view::npos) return fail("expected a key without a NUL character");
        if (!is_utf8(name)) return fail("expected a key in UTF-8");
        frame.element = frame.type->insert(frame.object, name, frame.key);
        return true;
    }
    // Writers keep to an order much like the tables', so the search begins behind the last hit.
    const auto fields = frame.type->fields;
    frame.field = nullptr;
    for (std::size_t step = 0; step < fields.size() && !frame.field; ++step) {
        const std::size_t place =
            frame.index + step < fields.size() ? frame.index + step : frame.index + step - fields.size();
        if (fields[place].name != name) continue;
        frame.field = &fields[place];
        frame.index = place + 1;
        const auto bit = std::uint64_t{1} << place;
        if (frame.seen & bit) frame.field->type->reset(frame.field->member(frame.object));
        frame.seen |= bit;
    }
    if (frame.field || unknown_ == Unknown::skip) return true;
    return fail("unknown property " + quoted(name));
}

bool Reader::close_object() noexcept {
    if (skipped_ > 0) {
        --skipped_;
        return true;
    }
    Frame& frame = frames_[depth_ - 1];
    frame.field = nullptr;
    frame.key = {};
    for (std::size_t place = 0; place < frame.type->fields.size(); ++place)
        if (frame.type->fields[place].required && !(frame.seen & std::uint64_t{1} << place)) {
            is_missing_ = true;
            return fail(gpurun::format("required property '{}' is missing", frame.type->fields[place].name));
        }
    --depth_;
    return true;
}

bool Reader::close_array() noexcept {
    if (skipped_ > 0)
        --skipped_;
    else
        --depth_;
    return true;
}

std::string Reader::path() const {
    std::string path;
    for (std::size_t place = 0; place < depth_; ++place) {
        const Frame& frame = frames_[place];
        if (frame.type->kind == Kind::array && frame.index > 0) path += gpurun::format("[{}]", frame.index - 1);
        if (frame.type->kind == Kind::map && frame.key.data()) path.append("[").append(frame.key).append("]");
        if (frame.type->kind == Kind::object && frame.field)
            path.append(path.empty() ? "" : ".").append(frame.field->name);
    }
    return path;
}

bool Reader::refuse(const Type& type, std::string_view found) {
    return fail(gpurun::format("expected {}, got {}", describe(type), found));
}

bool Reader::fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
}

}  // namespace gpurun::json
