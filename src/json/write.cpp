#include <algorithm>

#include "json/json.h"
#include "json/utf8.h"

namespace gpurun::json {
namespace {

constexpr Name<char> escapes[] = {{"\\\"", '"'}, {"\\\\", '\\'}, {"\\n", '\n'}, {"\\r", '\r'}, {"\\t", '\t'}};

/// Appends values to a text. Recursion ends with the types, which do not contain themselves.
class Writer {
 public:
    Writer(std::string& out, std::string_view indent) : out_(out), indent_(indent) {}

    void value(const Type& type, const void* value) {
        switch (type.kind) {
            case Kind::boolean: out_ += *static_cast<const bool*>(value) ? "true" : "false"; break;
            case Kind::integer: type.print(value, out_); break;
            case Kind::string: string(*static_cast<const std::string*>(value)); break;
            case Kind::enumeration: enumeration(type, value); break;
            case Kind::array:
            case Kind::map: container(type, value); break;
            case Kind::object: object(type, value); break;
            case Kind::optional: optional(type, value); break;
        }
    }

 private:
    struct Elements {
        Writer& writer;
        const Type& type;
    };

    void enumeration(const Type& type, const void* value) {
        out_ += '"';
        type.print(value, out_);
        out_ += '"';
    }

    void object(const Type& type, const void* object) {
        open('{');
        for (const Field& field : type.fields) {
            // Member functions give a mutable place because reading needs one; here nothing is changed.
            const void* member = field.member(const_cast<void*>(object));
            if (!field.always && field.type->is_empty(member)) continue;
            key(field.name);
            value(*field.type, member);
        }
        close('}');
    }

    void container(const Type& type, const void* container) {
        open(type.kind == Kind::map ? '{' : '[');
        Elements elements{*this, *type.element};
        type.each(container, &elements, [](void* context, std::string_view name, const void* element) {
            auto& [writer, element_type] = *static_cast<Elements*>(context);
            if (name.data())
                writer.key(name);
            else
                writer.separate();
            writer.value(element_type, element);
        });
        close(type.kind == Kind::map ? '}' : ']');
    }

    void optional(const Type& type, const void* content) {
        if (type.is_empty(content)) {
            out_ += "null";
            return;
        }
        Elements elements{*this, *type.element};
        type.each(content, &elements, [](void* context, std::string_view, const void* element) {
            auto& [writer, element_type] = *static_cast<Elements*>(context);
            writer.value(element_type, element);
        });
    }

    void string(std::string_view text) {
        out_ += '"';
        while (!text.empty()) {
            // Almost every string is plain as a whole, and one append is much cheaper than one for each character.
            const std::size_t plain = plain_length(text);
            out_ += text.substr(0, plain);
            text.remove_prefix(plain);
            if (!text.empty()) text.remove_prefix(special(text));
        }
        out_ += '"';
    }

    /// How many characters at the start of \a text stand for themselves.
    static std::size_t plain_length(std::string_view text) {
        const auto is_plain = [](char character) {
            const auto byte = static_cast<unsigned char>(character);
            return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
        };
        return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
    }

    /// Writes the character at the start of \a text, which is not plain, and returns its length.
    std::size_t special(std::string_view text) {
        const std::size_t length = utf8_length(text);
        if (length == 0)
            out_ += "\uFFFD";
        else if (length > 1)
            out_ += text.substr(0, length);
        else
            character(text[0]);
        return length == 0 ? 1 : length;
    }

    void character(char character) {
        if (const auto escape = name_of(escapes, character))
            out_ += *escape;
        else if (static_cast<unsigned char>(character) < 0x20)
            out_ += gpurun::format("\\u{:04x}", static_cast<unsigned>(character));
        else
            out_ += character;
    }

    void open(char bracket) {
        out_ += bracket;
        ++depth_;
        is_first_ = true;
    }
    void close(char bracket) {
        --depth_;
        if (!is_first_) new_line();
        out_ += bracket;
        is_first_ = false;
    }
    void separate() {
        if (!is_first_) out_ += ',';
        is_first_ = false;
        new_line();
    }
    void key(std::string_view name) {
        separate();
        string(name);
        out_ += indent_.empty() ? ":" : ": ";
    }
    void new_line() {
        if (indent_.empty()) return;
        out_ += '\n';
        for (std::size_t level = 0; level < depth_; ++level) out_ += indent_;
    }

    std::string& out_;
    std::string_view indent_;
    std::size_t depth_ = 0;
    bool is_first_ = true;
};

}  // namespace

std::string write_value(const Type& type, const void* value, std::string_view indent) {
    std::string text;
    Writer(text, indent).value(type, value);
    return text;
}

}  // namespace gpurun::json
