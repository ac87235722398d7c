#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "json/json.h"

using namespace gpurun;

namespace {

enum class Colour { red, green };

struct Inner {
    std::string name;
    std::uint8_t small = 0;
    std::optional<bool> flag;
};

struct Outer {
    std::int64_t number = 0;
    std::uint64_t large = 0;
    bool flag = false;
    Colour colour = Colour::red;
    std::optional<Inner> inner;
    std::vector<Inner> list;
    std::vector<std::string> words;
    std::map<std::string, Inner> map;
};

}  // namespace

template <>
struct gpurun::json::Names<Colour> {
    static constexpr Name<Colour> value[] = {{"red", Colour::red}, {"green", Colour::green}};
};
template <>
struct gpurun::json::Fields<Inner> {
    static constexpr Field value[] = {required<&Inner::name>("name"), field<&Inner::small>("small"),
                                      field<&Inner::flag>("flag")};
};
template <>
struct gpurun::json::Fields<Outer> {
    static constexpr Field value[] = {
        field<&Outer::number>("number"),  field<&Outer::large>("large"), field<&Outer::flag>("flag"),
        always<&Outer::colour>("colour"), field<&Outer::inner>("inner"), field<&Outer::list>("list"),
        field<&Outer::words>("words"),    field<&Outer::map>("map"),
    };
};

namespace {

Outer read(std::string_view text) { return json::read<Outer>("t", text); }

std::string problem(std::string_view text) {
    try {
        read(text);
    } catch (const Error& error) {
        return error.text();
    }
    return "none";
}

struct Refused {
    std::string_view text;
    std::string_view message;
};

constexpr Refused refused[] = {
    {"", "t:1:1: parse error: premature EOF"},
    {"[]", "t:1:1: expected object, got array"},
    {"null", "t:1:1: expected object, got null"},
    {"{\"number\": \"1G\"}",
     "t:1:12: number: expected integer from -9223372036854775808 to 9223372036854775807, got string \"1G\""},
    {"{\"inner\":{\"name\":\"a\",\n  \"small\":\t256}}",
     "t:2:12: inner.small: expected integer from 0 to 255, got number 256"},
    {"{\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"small\":-1}]}",
     "t:1:43: list[1].small: expected integer from 0 to 255, got number -1"},
    {"{\"number\":1.5}",
     "t:1:11: number: expected integer from -9223372036854775808 to 9223372036854775807, got number 1.5"},
    {"{\"number\":1e3}",
     "t:1:11: number: expected integer from -9223372036854775808 to 9223372036854775807, got number 1e3"},
    {"{\"large\":18446744073709551616}",
     "t:1:10: large: expected integer from 0 to 18446744073709551615, got number 18446744073709551616"},
    {"{\"flag\":\"true\"}", "t:1:9: flag: expected boolean, got string \"true\""},
    {"{\"flag\":1}", "t:1:9: flag: expected boolean, got number 1"},
    {"{\"flag\":{}}", "t:1:9: flag: expected boolean, got object"},
    {"{\"colour\":\"blue\"}", "t:1:11: colour: expected one of red, green, got \"blue\""},
    {"{\"colour\":7}", "t:1:11: colour: expected one of red, green, got number 7"},
    {"{\"words\":{}}", "t:1:10: words: expected array, got object"},
    {"{\"words\":[\"a\",true]}", "t:1:15: words[1]: expected string, got boolean true"},
    {"{\"words\":[null]}", "t:1:11: words[0]: expected string, got null"},
    {"{\"words\":[\"a\\u0000b\"]}", "t:1:11: words[0]: expected string, got string with a NUL character"},
    {"{\"map\":{\"a.b/c\":{\"name\":3}}}", "t:1:25: map[a.b/c].name: expected string, got number 3"},
    {"{\"map\":{\"a\\u0000\":{}}}", "t:1:9: map: expected a key without a NUL character"},
    {"{\"list\":[{\"name\":\"a\"},\n {\"small\":1}]}", "t:2:2: list[1]: required property 'name' is missing"},
    {"{\"inner\":{\"name\":null}}", "t:1:10: inner: required property 'name' is missing"},
    {"{\"words\":[\"\xff\"]}", "t:1:12: words: lexical error: invalid bytes in UTF8 string"},
    {"{\"words\":[\"\xed\xa0\x80\"]}", "t:1:11: words[0]: expected string, got string with bytes that are not UTF-8"},
    {"{\"map\":{\"a\":null,]}}", "t:1:18: map: parse error: invalid object key (must be a string)"},
    {"{} x", "t:1:4: parse error: trailing garbage"},
    {"{\"words\":[\"a\",]}", "t:1:15: words[0]: parse error: unallowed token at this point in JSON text"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(json_read)

BOOST_AUTO_TEST_CASE(a_wrong_value_names_line_column_path_and_what_was_expected) {
    for (const auto& [text, message] : refused) BOOST_TEST(problem(text) == message);
}

BOOST_AUTO_TEST_CASE(every_kind_of_value_arrives) {
    const Outer value =
        read(R"({"number": -9223372036854775808, "large": 18446744073709551615, "flag": true, "colour": "green",
        "inner": {"name": "\u00e9\n", "small": 255, "flag": false}, "list": [{"name": "a"}, {"name": "b"}], "words": ["x", ""],
        "map": {"k": {"name": "v"}}})");
    BOOST_TEST(value.number == std::numeric_limits<std::int64_t>::min());
    BOOST_TEST(value.large == std::numeric_limits<std::uint64_t>::max());
    BOOST_TEST(value.flag);
    BOOST_TEST((value.colour == Colour::green));
    BOOST_TEST(value.inner.value().name == "é\n");
    BOOST_TEST(value.inner->small == 255);
    BOOST_TEST(value.inner->flag.value() == false);
    BOOST_TEST(value.list.size() == 2u);
    BOOST_TEST(value.words.at(1).empty());
    BOOST_TEST(value.map.at("k").name == "v");
}

BOOST_AUTO_TEST_CASE(null_is_absent) {
    const Outer value = read(R"({"number": null, "inner": null, "list": null, "map": {"a": null}, "colour": null})");
    BOOST_TEST(!value.inner.has_value());
    BOOST_TEST(value.list.empty());
    BOOST_TEST(value.map.empty());
}

BOOST_AUTO_TEST_CASE(of_two_equal_keys_the_last_wins_completely) {
    const Outer value =
        read(R"({"words": ["a"], "words": ["b"], "inner": {"name": "x", "small": 3}, "inner": {"name": "y"},
        "map": {"k": {"name": "a", "small": 3}, "k": {"name": "b"}}, "number": 3, "number": null})");
    BOOST_TEST(value.words.size() == 1u);
    BOOST_TEST(value.words.at(0) == "b");
    BOOST_TEST(value.inner->small == 0);
    BOOST_TEST(value.map.at("k").small == 0);
    BOOST_TEST(value.number == 0);
}

BOOST_AUTO_TEST_CASE(unknown_properties_are_skipped_whatever_they_hold) {
    const Outer value =
        read(R"({"x": {"number": 5, "y": [[{}], null, true, 1.5e3, "s"]}, "Number": 4, "z": [], "number": 1})");
    BOOST_TEST(value.number == 1);
}

BOOST_AUTO_TEST_CASE(members_of_an_omitted_type_stay_empty) {
    const json::Type* const omitted[] = {&json::TypeOf<std::vector<Inner>>::value, &json::TypeOf<Colour>::value};
    const auto value = json::read_without<Outer>(
        omitted, "t",
        R"({"list": [{"name": "a"}, {"unclean": [1]}], "colour": 5, "words": ["x"], "list": 3, "number": 1})");
    BOOST_TEST(value.list.empty());
    BOOST_TEST(value.words.size() == 1u);
    BOOST_TEST(value.number == 1);
}

BOOST_AUTO_TEST_CASE(endless_nesting_is_refused_and_not_recursed_into) {
    const std::string deep = "{\"x\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
    BOOST_TEST(problem(deep) == "t:1:1006: expected at most 1000 levels of nesting, got more");
}

BOOST_AUTO_TEST_CASE(a_path_is_located_in_its_text) {
    const std::string_view text = "{\"a\": {\"b.c\": [1,\n  {\"d\": 2}]},\n \"a2\": 3}";
    const auto place = [text](std::string_view path) {
        const auto [line, column] = json::locate(text, path);
        return gpurun::format("{}:{}", line, column);
    };
    BOOST_TEST(place("a") == "1:7");
    BOOST_TEST(place("a[b.c][1].d") == "2:9");
    BOOST_TEST(place("a2") == "3:8");
    BOOST_TEST(place("a[b.c][1].missing") == "2:3");
    BOOST_TEST(place("elsewhere") == "1:1");
}

BOOST_AUTO_TEST_SUITE_END()
