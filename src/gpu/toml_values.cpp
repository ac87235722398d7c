#include "gpu/toml_values.h"

#include <gpurun/error.h>

#include "base/text.h"

namespace gpurun::gpu {
namespace {

constexpr int deepest_array = 8;

class Reader {
 public:
    Reader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

    TomlFile read() {
        TomlFile file;
        for (skip_lines(); !at_end(); skip_lines()) {
            if (peek() == '[')
                read_table(file);
            else
                read_pair(file);
            end_line();
        }
        return file;
    }

 private:
    bool at_end() const { return at_ == text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    char next() {
        const char c = peek();
        ++at_;
        if (c == '\n') ++line_, line_begin_ = at_;
        return c;
    }

    [[noreturn]] void fail(std::string_view expected) const {
        throw Error(format("{}:{}:{}: expected {}", name_, line_, at_ - line_begin_ + 1, expected));
    }

    void skip_blanks() {
        while (peek() == ' ' || peek() == '\t') next();
    }
    void skip_comment() {
        if (peek() == '#')
            while (!at_end() && peek() != '\n') next();
    }
    void skip_lines() {
        for (;;) {
            skip_blanks();
            skip_comment();
            if (peek() != '\n' && peek() != '\r') return;
            next();
        }
    }
    void end_line() {
        skip_blanks();
        skip_comment();
        if (peek() == '\r') next();
        if (!at_end() && peek() != '\n') fail("the end of the line");
    }

    static bool is_bare(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }

    std::string read_key() {
        std::string key;
        for (;;) {
            skip_blanks();
            if (peek() == '"' || peek() == '\'') {
                key += read_string();
            } else {
                if (!is_bare(peek())) fail("a key");
                while (is_bare(peek())) key += next();
            }
            skip_blanks();
            if (peek() != '.') return key;
            key += next();
        }
    }

    void read_table(TomlFile& file) {
        next();
        const bool repeated = peek() == '[';
        if (repeated) next();
        prefix_ = read_key();
        for (int brackets = repeated ? 2 : 1; brackets > 0; --brackets) {
            if (peek() != ']') fail("\"]\" after the table's name");
            next();
        }
        file.tables.push_back(prefix_);
    }

    void read_pair(TomlFile& file) {
        const int line = line_;
        std::string key = read_key();
        if (peek() != '=') fail("\"=\" after the key");
        next();
        skip_blanks();
        TomlValue value = read_value(0);
        value.key = prefix_.empty() ? std::move(key) : prefix_ + "." + key;
        value.line = line;
        file.values.push_back(std::move(value));
    }

    TomlValue read_value(int depth) {
        TomlValue value{.line = line_};
        if (peek() == '"' || peek() == '\'') {
            value.kind = TomlValue::Kind::string;
            value.text = read_string();
        } else if (peek() == '[') {
            value.kind = TomlValue::Kind::array;
            read_elements(value, depth);
        } else {
            while (!at_end() && peek() != '\n' && peek() != '#' && peek() != ',' && peek() != ']') value.text += next();
            value.text = std::string(trim(value.text));
            if (value.text.empty()) fail("a value");
            if (value.text == "true" || value.text == "false") {
                value.kind = TomlValue::Kind::boolean;
                value.boolean = value.text == "true";
            }
        }
        return value;
    }

    void read_elements(TomlValue& array, int depth) {
        if (depth == deepest_array) fail("an array that is not so deep");
        next();
        for (;;) {
            skip_lines();
            if (at_end()) fail("\"]\" at the array's end");
            if (peek() == ']') break;
            array.elements.push_back(read_value(depth + 1));
            skip_lines();
            if (peek() == ',')
                next();
            else if (peek() != ']')
                fail("\",\" or \"]\" in the array");
        }
        next();
    }

    std::string read_string() {
        const char quote = next();
        if (peek() == quote && at_ + 1 < text_.size() && text_[at_ + 1] == quote) fail("a string on one line");
        std::string value;
        for (;;) {
            if (at_end() || peek() == '\n')
                fail(quote == '"' ? "\"\\\"\" at the string's end" : "\"'\" at the string's end");
            const char c = next();
            if (c == quote) return value;
            value += c == '\\' && quote == '"' ? read_escape() : c;
        }
    }

    char read_escape() {
        constexpr struct {
            char letter, meaning;
        } escapes[] = {{'"', '"'}, {'\\', '\\'}, {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'b', '\b'}, {'f', '\f'}};
        for (const auto& escape : escapes)
            if (peek() == escape.letter) {
                next();
                return escape.meaning;
            }
        fail("one of \\\" \\\\ \\n \\t \\r \\b \\f");
    }

    std::string_view text_;
    std::string_view name_;
    std::size_t at_ = 0, line_begin_ = 0;
    int line_ = 1;
    std::string prefix_;
};

}  // namespace

bool TomlFile::has_table(std::string_view name) const {
    for (const auto& table : tables)
        if (table == name || (table.starts_with(name) && table[name.size()] == '.')) return true;
    return false;
}

const TomlValue* TomlFile::find(std::string_view key) const {
    for (auto value = values.rbegin(); value != values.rend(); ++value)
        if (value->key == key) return &*value;
    return nullptr;
}

TomlFile read_toml(std::string_view text, std::string_view name) { return Reader(text, name).read(); }

}  // namespace gpurun::gpu
