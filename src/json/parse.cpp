// The only file that names yajl. The whole text is one chunk, so yajl's count of consumed bytes is the end of the
// current token.
#include <yajl/yajl_parse.h>

#include <memory>

#include "json/events.h"

namespace gpurun::json {
namespace {

struct Context {
    Events& events;
    yajl_handle parser = nullptr;
};

Events& at_token(void* context) noexcept {
    const auto& [events, parser] = *static_cast<Context*>(context);
    events.advance(yajl_get_bytes_consumed(parser));
    return events;
}

std::string_view view(const unsigned char* text, std::size_t length) {
    return {reinterpret_cast<const char*>(text), length};
}

constexpr yajl_callbacks callbacks{
    .yajl_null = [](void* context) -> int { return at_token(context).null(); },
    .yajl_boolean = [](void* context, int value) -> int { return at_token(context).boolean(value != 0); },
    .yajl_integer = nullptr,
    .yajl_double = nullptr,
    .yajl_number = [](void* context, const char* text, std::size_t length) -> int {
        return at_token(context).number({text, length});
    },
    .yajl_string = [](void* context, const unsigned char* text, std::size_t length) -> int {
        return at_token(context).string(view(text, length));
    },
    .yajl_start_map = [](void* context) -> int { return at_token(context).open_object(); },
    .yajl_map_key = [](void* context, const unsigned char* text, std::size_t length) -> int {
        return at_token(context).key(view(text, length));
    },
    .yajl_end_map = [](void* context) -> int { return at_token(context).close_object(); },
    .yajl_start_array = [](void* context) -> int { return at_token(context).open_array(); },
    .yajl_end_array = [](void* context) -> int { return at_token(context).close_array(); },
};

std::string error_text(yajl_handle parser) {
    unsigned char* text = yajl_get_error(parser, 0, nullptr, 0);
    std::string result = text ? reinterpret_cast<const char*>(text) : "syntax error";
    if (text) yajl_free_error(parser, text);
    while (!result.empty() && (result.back() == '\n' || result.back() == '.')) result.pop_back();
    return result;
}

}  // namespace

std::size_t Events::begin(std::string_view text) const noexcept {
    const std::size_t place = text.find_first_not_of(" \t\r\n,:", before_);
    return place == std::string_view::npos ? text.size() : place;
}

Outcome parse(std::string_view text, Events& events) {
    Context context{events};
    const std::unique_ptr<yajl_handle_t, decltype(&yajl_free)> parser(yajl_alloc(&callbacks, nullptr, &context),
                                                                      &yajl_free);
    context.parser = parser.get();
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    switch (yajl_parse(parser.get(), bytes, text.size())) {
        case yajl_status_client_canceled: return {.stopped = true, .syntax_error = {}, .offset = events.begin(text)};
        case yajl_status_error: {
            // The byte that was refused counts as consumed.
            const std::size_t consumed = yajl_get_bytes_consumed(parser.get());
            return {
                .stopped = false, .syntax_error = error_text(parser.get()), .offset = consumed > 0 ? consumed - 1 : 0};
        }
        case yajl_status_ok: break;
    }
    switch (yajl_complete_parse(parser.get())) {
        case yajl_status_client_canceled: return {.stopped = true, .syntax_error = {}, .offset = events.begin(text)};
        case yajl_status_error:
            return {.stopped = false, .syntax_error = error_text(parser.get()), .offset = text.size()};
        case yajl_status_ok: break;
    }
    return {};
}

}  // namespace gpurun::json
