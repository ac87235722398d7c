// The only file that names libyaml. Its events carry marks, so errors have line and column as with JSON.
#include <yaml.h>

#include <algorithm>

#include "json/json.h"
#include "json/locator.h"
#include "json/reader.h"

namespace gpurun::json {
namespace {

/// What was found in place of the one document that is wanted.
struct Problem {
    std::string text;
    Position place;
};

Position position_of(const yaml_mark_t& mark) { return {mark.line + 1, mark.column + 1}; }

class Event {
 public:
    Event() = default;
    ~Event() { yaml_event_delete(&event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    bool next(yaml_parser_t& parser) { return yaml_parser_parse(&parser, &event_) != 0; }
    const yaml_event_t& operator*() const { return event_; }

 private:
    yaml_event_t event_{};
};

/// libyaml's parser over a text, turned into the events of JSON: a mapping's scalars are keys and values in turn.
class Parser {
 public:
    explicit Parser(std::string_view text) : text_(text) {
        is_open_ = yaml_parser_initialize(&parser_) != 0;
        if (is_open_)
            yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }
    ~Parser() {
        if (is_open_) yaml_parser_delete(&parser_);
    }
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;

    /// Nothing when the whole text has been taken by \a events. A problem without text is that of \a events.
    std::optional<Problem> feed(Events& events) {
        if (!is_open_) return Problem{"out of memory", {}};
        for (bool at_end = false; !at_end;) {
            Event event;
            if (!event.next(parser_))
                return Problem{parser_.problem ? parser_.problem : "syntax error", position_of(parser_.problem_mark)};
            at_end = (*event).type == YAML_STREAM_END_EVENT;
            events.stand_at(offset_of((*event).start_mark));
            if (!take(*event, events)) return Problem{problem_, position_of((*event).start_mark)};
        }
        return documents_ == 1 ? std::nullopt : std::optional(Problem{"expected a document, got nothing", {}});
    }

 private:
    enum class Expect : char { key, value, element };

    bool take(const yaml_event_t& event, Events& events) {
        switch (event.type) {
            case YAML_NO_EVENT:
            case YAML_STREAM_START_EVENT:
            case YAML_STREAM_END_EVENT:
            case YAML_DOCUMENT_END_EVENT: return true;
            case YAML_DOCUMENT_START_EVENT: return ++documents_ == 1 || refuse("expected one document, got another");
            case YAML_ALIAS_EVENT: return refuse("expected a value, got an alias");
            case YAML_SCALAR_EVENT: return scalar(event, events);
            case YAML_SEQUENCE_START_EVENT:
                return plain_node(event.data.sequence_start.anchor, event.data.sequence_start.tag) &&
                       open(Expect::element) && events.open_array();
            case YAML_MAPPING_START_EVENT:
                return plain_node(event.data.mapping_start.anchor, event.data.mapping_start.tag) && open(Expect::key) &&
                       events.open_object();
            case YAML_SEQUENCE_END_EVENT: close(); return events.close_array();
            case YAML_MAPPING_END_EVENT: close(); return events.close_object();
        }
        return true;
    }

    bool scalar(const yaml_event_t& event, Events& events) {
        const auto& node = event.data.scalar;
        if (!plain_node(node.anchor, node.tag)) return false;
        const std::string_view text(reinterpret_cast<const char*>(node.value), node.length);
        const bool is_key = !expected_.empty() && expected_.back() == Expect::key;
        advance();
        if (is_key) return events.key(text);
        return node.style == YAML_PLAIN_SCALAR_STYLE ? events.plain(text) : events.string(text);
    }

    bool plain_node(const unsigned char* anchor, const unsigned char* tag) {
        if (anchor) return refuse("expected a value, got an anchor");
        return !tag || refuse("expected a value, got a tag");
    }

    bool open(Expect first) {
        if (!expected_.empty() && expected_.back() == Expect::key)
            return refuse("expected a name as key, got another value");
        advance();
        expected_.push_back(first);
        return true;
    }
    void close() { expected_.pop_back(); }
    void advance() {
        if (expected_.empty() || expected_.back() == Expect::element) return;
        expected_.back() = expected_.back() == Expect::key ? Expect::value : Expect::key;
    }
    /// Marks only go forward, so the line's start is kept.
    std::size_t offset_of(const yaml_mark_t& mark) {
        for (; line_ < mark.line; ++line_) line_start_ = std::min(text_.find('\n', line_start_), text_.size() - 1) + 1;
        return std::min(line_start_ + mark.column, text_.size());
    }
    bool refuse(const char* problem) {
        problem_ = problem;
        return false;
    }

    std::string_view text_;
    std::size_t line_ = 0, line_start_ = 0;
    yaml_parser_t parser_{};
    bool is_open_ = false;
    int documents_ = 0;
    std::vector<Expect> expected_;
    std::string problem_;
};

}  // namespace

void read_yaml_into(const Type& type, void* object, std::string_view name, std::string_view text, Unknown unknown) {
    Reader reader(type, object, unknown);
    const auto problem = Parser(text).feed(reader);
    if (!problem) return;
    const std::string path = reader.path();
    throw Error(gpurun::format("{}:{}:{}: {}{}{}", name, problem->place.line, problem->place.column, path,
                               path.empty() ? "" : ": ", problem->text.empty() ? reader.problem() : problem->text));
}

Position locate_yaml(std::string_view text, std::string_view path) {
    Locator locator(text, path);
    Parser(text).feed(locator);
    return position_of(text, locator.offset());
}

}  // namespace gpurun::json
