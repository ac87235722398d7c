#include "cli/toml_lines.h"

#include <gpurun/error.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace gpurun::cli {
namespace {

class Scanner {
 public:
    Scanner(std::string_view name, std::string_view text) : name_(name), text_(text) {}

    std::vector<TomlStatement> run() {
        std::vector<TomlStatement> found;
        TomlPath table;
        while (at_ < text_.size()) {
            const std::size_t begin = at_;
            const std::size_t line = line_;
            skip_blanks();
            if (peek() == '\n' || peek() == '#' || at_ >= text_.size()) {
                end_line();
                continue;
            }
            TomlStatement statement{.kind = TomlStatement::Kind::value, .path = table, .begin = begin, .end = 0};
            statement.line = line;
            if (peek() == '[') {
                read_header(statement);
                table = statement.path;
            } else {
                read_value(statement);
            }
            skip_blanks();
            if (at_ < text_.size() && peek() != '\n' && peek() != '#') fail("one statement a line");
            end_line();
            statement.end = at_;
            found.push_back(std::move(statement));
        }
        return found;
    }

 private:
    [[noreturn]] void fail(std::string_view expected) const {
        throw Error(format("{}:{}: this is not TOML: expected {}", name_, line_, expected));
    }

    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    void skip_blanks() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\r') ++at_;
    }

    void end_line() {
        at_ = text_.find('\n', at_);
        at_ = at_ == std::string_view::npos ? text_.size() : at_ + 1;
        ++line_;
    }

    void read_header(TomlStatement& statement) {
        const bool array = peek(1) == '[';
        statement.kind = array ? TomlStatement::Kind::array_of_tables : TomlStatement::Kind::table;
        statement.path.clear();
        at_ += array ? 2 : 1;
        read_path(statement.path);
        if (peek() != ']' || (array && peek(1) != ']')) fail("']' after the table's name");
        at_ += array ? 2 : 1;
    }

    void read_value(TomlStatement& statement) {
        read_path(statement.path);
        if (peek() != '=') fail("'=' after the key");
        ++at_;
        skip_blanks();
        statement.value = at_;
        skip_value();
        statement.value_end = at_;
        if (statement.value == statement.value_end) fail("a value after '='");
    }

    void read_path(TomlPath& path) {
        do {
            if (peek() == '.') ++at_;
            skip_blanks();
            path.push_back(read_key());
            skip_blanks();
        } while (peek() == '.');
    }

    std::string read_key() {
        const std::size_t begin = at_;
        if (peek() == '"' || peek() == '\'') {
            skip_string();
            return std::string(text_.substr(begin + 1, at_ - begin - 2));
        }
        while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '_' || peek() == '-') ++at_;
        if (at_ == begin) fail("a key");
        return std::string(text_.substr(begin, at_ - begin));
    }

    /// One string, of one line or, in three quotes, of several.
    void skip_string() {
        const char quote = peek();
        const bool several = peek(1) == quote && peek(2) == quote;
        const std::string end(several ? 3 : 1, quote);
        at_ += end.size();
        while (text_.compare(at_, end.size(), end) != 0) {
            if (at_ >= text_.size() || (peek() == '\n' && !several)) fail(format("{} at the end of the string", end));
            if (peek() == '\n') ++line_;
            at_ += quote == '"' && peek() == '\\' ? 2 : 1;
        }
        at_ += end.size();
    }

    /// A value of any kind; arrays may go over several lines.
    void skip_value() {
        std::string open;
        std::size_t last = at_;
        while (at_ < text_.size()) {
            const char c = peek();
            if (c == '"' || c == '\'') {
                skip_string();
                last = at_;
                continue;
            }
            if (c == '[' || c == '{') open.push_back(c == '[' ? ']' : '}');
            if (c == ']' || c == '}') {
                if (open.empty() || open.back() != c) fail("a bracket that was opened");
                open.pop_back();
            }
            if (c == '#') {
                if (open.empty()) break;
                at_ = std::min(text_.find('\n', at_), text_.size());
                continue;
            }
            if (c == '\n') {
                if (open.empty()) break;
                ++line_;
            }
            ++at_;
            if (std::isspace(static_cast<unsigned char>(c)) == 0) last = at_;
        }
        if (!open.empty()) fail(format("'{}'", open.back()));
        at_ = last;
    }

    std::string_view name_, text_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
};

}  // namespace

std::vector<TomlStatement> toml_statements(std::string_view name, std::string_view text) {
    return Scanner(name, text).run();
}

}  // namespace gpurun::cli
