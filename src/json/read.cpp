#include "json/json.h"
#include "json/locator.h"
#include "json/reader.h"

namespace gpurun::json {
Position position_of(std::string_view text, std::size_t offset) {
    Position position;
    for (const char character : text.substr(0, offset)) {
        ++position.column;
        if (character == '\n') position = {position.line + 1, 1};
    }
    return position;
}

void read_into(const Type& type, void* object, std::string_view name, std::string_view text, Unknown unknown,
               std::span<const Type* const> omitted) {
    Reader reader(type, object, unknown, omitted);
    const Outcome outcome = parse(text, reader);
    if (!outcome.stopped && outcome.syntax_error.empty()) return;
    const std::string path = reader.path();
    const Position place = reader.is_missing() ? locate(text, path) : position_of(text, outcome.offset);
    throw Error(gpurun::format("{}:{}:{}: {}{}{}", name, place.line, place.column, path, path.empty() ? "" : ": ",
                               outcome.stopped ? reader.problem() : outcome.syntax_error));
}

Position locate(std::string_view text, std::string_view path) {
    Locator locator(text, path);
    parse(text, locator);
    return position_of(text, locator.offset());
}

}  // namespace gpurun::json
