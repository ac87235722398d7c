#include "cli/json_edit.h"

#include <algorithm>

namespace gpurun::cli {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/// Offsets of a member in the text: key (with its quotes) and value.
struct Member {
    std::size_t key, key_end, value, value_end;
};

std::size_t skip_blanks(std::string_view text, std::size_t at) {
    return std::min(text.find_first_not_of(blanks, at), text.size());
}

std::size_t end_of_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return at + 1;
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
    if (text[at] == '"') return end_of_string(text, at);
    if (text[at] != '{' && text[at] != '[') return std::min(text.find_first_of(", \t\r\n]}", at), text.size());
    for (int depth = 0; at < text.size(); ++at) {
        if (text[at] == '"')
            at = end_of_string(text, at) - 1;
        else if (text[at] == '{' || text[at] == '[')
            ++depth;
        else if ((text[at] == '}' || text[at] == ']') && --depth == 0)
            return at + 1;
    }
    return text.size();
}

/// The members of the object that begins at \a brace.
std::vector<Member> members(std::string_view text, std::size_t brace) {
    std::vector<Member> found;
    std::size_t at = skip_blanks(text, brace + 1);
    while (at < text.size() && text[at] == '"') {
        Member member{.key = at, .key_end = end_of_string(text, at), .value = 0, .value_end = 0};
        member.value = skip_blanks(text, text.find(':', member.key_end) + 1);
        member.value_end = end_of_value(text, member.value);
        found.push_back(member);
        at = skip_blanks(text, member.value_end);
        if (at < text.size() && text[at] == ',') at = skip_blanks(text, at + 1);
    }
    return found;
}

/// Where an object is, and its member of that name.
struct Place {
    std::size_t brace;
    std::vector<Member> siblings;
    std::optional<std::size_t> index;
};

std::optional<Place> find(std::string_view text, const JsonPath& path) {
    std::size_t at = skip_blanks(text, 0);
    for (std::size_t depth = 0;; ++depth) {
        if (at >= text.size() || text[at] != '{') return std::nullopt;
        Place place{.brace = at, .siblings = members(text, at), .index = std::nullopt};
        for (std::size_t i = 0; i < place.siblings.size(); ++i) {
            const auto& member = place.siblings[i];
            if (text.substr(member.key + 1, member.key_end - member.key - 2) == path[depth]) place.index = i;
        }
        if (depth + 1 == path.size()) return place;
        if (!place.index) return std::nullopt;
        at = place.siblings[*place.index].value;
    }
}

/// The blanks before \a at on its line.
std::string indent_of(std::string_view text, std::size_t at) {
    const std::size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    return std::string(text.substr(line, std::min(text.find_first_not_of(" \t", line), at) - line));
}

std::string replaced(std::string_view text, std::size_t begin, std::size_t end, std::string_view with) {
    return std::string(text.substr(0, begin)).append(with).append(text.substr(end));
}

}  // namespace

std::optional<std::string_view> json_value(std::string_view text, const JsonPath& path) {
    const auto place = find(text, path);
    if (!place || !place->index) return std::nullopt;
    const Member& member = place->siblings[*place->index];
    return text.substr(member.value, member.value_end - member.value);
}

std::string with_json_value(std::string_view text, const JsonPath& path, std::string_view value) {
    const auto place = find(text, path);
    if (!place) return std::string(text);
    if (place->index) {
        const Member& member = place->siblings[*place->index];
        return replaced(text, member.value, member.value_end, value);
    }
    const std::string entry = std::string("\"").append(path.back()).append("\": ").append(value);
    if (place->siblings.empty()) {
        const std::string outer = indent_of(text, place->brace);
        const std::size_t end = end_of_value(text, place->brace) - 1;
        return replaced(text, place->brace + 1, end,
                        std::string("\n").append(outer).append("    ").append(entry).append("\n").append(outer));
    }
    const Member& last = place->siblings.back();
    const std::size_t before = text.find_last_not_of(blanks, last.key - 1) + 1;
    const std::string_view gap = text.substr(before, last.key - before);  // the same between the new one and this
    return replaced(text, last.value_end, last.value_end, std::string(",").append(gap).append(entry));
}

std::string without_json_value(std::string_view text, const JsonPath& path) {
    const auto place = find(text, path);
    if (!place || !place->index) return std::string(text);
    const auto& siblings = place->siblings;
    const std::size_t index = *place->index;
    if (index > 0) return replaced(text, siblings[index - 1].value_end, siblings[index].value_end, "");
    if (siblings.size() > 1) return replaced(text, siblings[0].key, siblings[1].key, "");
    return replaced(text, place->brace + 1, end_of_value(text, place->brace) - 1, "");
}

}  // namespace gpurun::cli
