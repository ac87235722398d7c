#include "helper/variant.h"

#include <gpurun/error.h>

#include <cctype>
#include <cstddef>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::helper {
namespace {

constexpr Name<char> type_words[] = {{"boolean", 'b'}, {"byte", 'y'},       {"int16", 'n'},    {"uint16", 'q'},
                                     {"int32", 'i'},   {"uint32", 'u'},     {"int64", 'x'},    {"uint64", 't'},
                                     {"string", 's'},  {"objectpath", 'o'}, {"signature", 'g'}};

constexpr std::size_t deepest = 8;

class Parser {
 public:
    explicit Parser(std::string_view text) : text_(text) {}

    Variant all() {
        Variant value = parse({}, 0);
        skip_blanks();
        if (at_ != text_.size()) fail("the value ends here");
        return value;
    }

 private:
    [[noreturn]] void fail(std::string_view why) const {
        throw Error(format("\"{}\", character {}: {}", text_, at_ + 1, why));
    }
    void skip_blanks() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    }
    char next() {
        skip_blanks();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char wanted) {
        if (next() != wanted) return false;
        ++at_;
        return true;
    }

    // \a expected is the type that the context demands, or empty.
    Variant parse(std::string_view expected, std::size_t depth) {
        if (depth > deepest) fail("too deep");
        const char first = next();
        if (first == '@') return typed(depth);
        if (first == '[') return array(expected, depth);
        if (first == '(') return tuple(expected, depth);
        if (first == '\'' || first == '"') return string(expected);
        if (std::isalpha(static_cast<unsigned char>(first)) != 0) return keyword(depth);
        if (first == '-' || first == '+' || std::isdigit(static_cast<unsigned char>(first)) != 0)
            return number(expected);
        fail("a value is expected: true, 'text', uint64 5, [...] or (...)");
    }

    Variant typed(std::size_t depth) {
        const auto begin = ++at_;
        while (at_ < text_.size() && text_[at_] != ' ') ++at_;
        const std::string type(text_.substr(begin, at_ - begin));
        if (first_type(type) != type || type.empty()) fail(format("\"{}\" is not a type", type));
        Variant value = parse(type, depth + 1);
        if (value.type != type) fail(format("the value is of type {}, not {}", value.type, type));
        return value;
    }

    Variant keyword(std::size_t depth) {
        const auto begin = at_;
        while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
        const auto word = text_.substr(begin, at_ - begin);
        if (word == "true" || word == "false") return {.type = "b", .text = std::string(word), .items = {}};
        const auto type = value_of(type_words, word);
        if (!type) fail(format("\"{}\" is neither a type nor true or false", word));
        return parse(std::string(1, *type), depth + 1);
    }

    Variant number(std::string_view expected) {
        const auto begin = at_++;
        while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.'))
            ++at_;
        const bool is_number =
            expected.empty() ||
            (expected.size() == 1 && std::string_view("ynqiuxt").find(expected[0]) != std::string_view::npos);
        if (!is_number) fail(format("a value of type {} is expected, not a number", expected));
        return {.type = expected.empty() ? "i" : std::string(expected),
                .text = std::string(text_.substr(begin, at_ - begin)),
                .items = {}};
    }

    Variant string(std::string_view expected) {
        const char quote = text_[at_++];
        Variant value{.type = expected.empty() ? "s" : std::string(expected), .text = {}, .items = {}};
        if (value.type != "s" && value.type != "o" && value.type != "g")
            fail(format("a value of type {} is expected, not text", expected));
        for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
            value.text += text_[at_];
        }
        if (at_ == text_.size()) fail("the closing quote is missing");
        ++at_;
        return value;
    }

    Variant array(std::string_view expected, std::size_t depth) {
        ++at_;
        Variant value{.type = std::string(expected), .text = {}, .items = {}};
        if (!expected.empty() && expected[0] != 'a')
            fail(format("a value of type {} is expected, not an array", expected));
        std::string element(expected.empty() ? "" : expected.substr(1));
        while (!take(']')) {
            if (!value.items.empty() && !take(',')) fail("\",\" or \"]\" is expected");
            value.items.push_back(parse(element, depth + 1));
            // What the first element is, all are: "[byte 1, 2]".
            if (element.empty()) element = value.items.front().type;
            if (value.items.back().type != element) fail(format("an array's elements are of one type, {}", element));
        }
        if (element.empty()) fail("an empty array needs its type in front, such as @as []");
        value.type = "a" + element;
        return value;
    }

    Variant tuple(std::string_view expected, std::size_t depth) {
        ++at_;
        Variant value{.type = "(", .text = {}, .items = {}};
        std::string_view rest = expected.empty() ? expected : expected.substr(1, expected.size() - 2);
        while (!take(')')) {
            if (!value.items.empty() && !take(',')) fail("\",\" or \")\" is expected");
            value.items.push_back(parse(first_type(rest), depth + 1));
            rest.remove_prefix(rest.empty() ? 0 : first_type(rest).size());
            value.type += value.items.back().type;
        }
        value.type += ')';
        return value;
    }

    // The first complete type of a signature.
    std::string_view first_type(std::string_view signature) const {
        if (signature.empty()) return {};
        std::size_t end = 0;
        while (end < signature.size() && signature[end] == 'a') ++end;
        int open = 0;
        for (; end < signature.size(); ++end) {
            if (signature[end] == '(') ++open;
            if (signature[end] == ')') --open;
            if (open == 0) return signature.substr(0, end + 1);
        }
        fail(format("\"{}\" is not a type", signature));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

Variant parse_variant(std::string_view text) { return Parser(text).all(); }

}  // namespace gpurun::helper
