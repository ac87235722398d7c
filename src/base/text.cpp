#include "base/text.h"

namespace gpurun {
namespace {
constexpr std::string_view white = " \t\r\n";
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto begin = text.find_first_not_of(white);
        if (begin == std::string_view::npos) return parts;
        text.remove_prefix(begin);
        const auto end = text.find_first_of(white);
        parts.push_back(text.substr(0, end));
        text.remove_prefix(parts.back().size());
    }
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(white);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const auto& part : parts) {
        if (&part != &parts.front()) text += separator;
        text += part;
    }
    return text;
}

std::string_view base_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string clean_path(std::string_view path) {
    std::string clean;
    for (const auto part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            clean.resize(parent_of(clean).size());
            continue;
        }
        clean += '/';
        clean += part;
    }
    return clean.empty() ? "/" : clean;
}

}  // namespace gpurun
