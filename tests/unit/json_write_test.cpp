#include <boost/test/unit_test.hpp>

#include "json/json.h"

using namespace gpurun;

namespace {

struct Leaf {
    std::string text;
    std::optional<int> number;
    std::vector<std::string> list;
    std::map<std::string, int> map;
    bool flag = false;
};

}  // namespace

template <>
struct gpurun::json::Fields<Leaf> {
    static constexpr Field value[] = {always<&Leaf::text>("text"), field<&Leaf::number>("number"),
                                      field<&Leaf::list>("list"), field<&Leaf::map>("map"), field<&Leaf::flag>("flag")};
};

BOOST_AUTO_TEST_SUITE(json_write)

BOOST_AUTO_TEST_CASE(empty_members_are_left_out_unless_the_table_says_always) {
    BOOST_TEST(json::write(Leaf{}) == R"({"text":""})");
}

BOOST_AUTO_TEST_CASE(a_present_optional_is_written_even_when_zero) {
    BOOST_TEST(json::write(Leaf{.number = 0}) == R"({"text":"","number":0})");
}

BOOST_AUTO_TEST_CASE(slashes_stay_and_control_characters_are_escaped) {
    BOOST_TEST(json::write(Leaf{.text = "/a\"\\\n\x01\x7f"}) == "{\"text\":\"/a\\\"\\\\\\n\\u0001\x7f\"}");
}

BOOST_AUTO_TEST_CASE(what_is_not_utf8_becomes_the_replacement_character) {
    BOOST_TEST(json::write(Leaf{.text = "\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x92\xa9"}) ==
               "{\"text\":\"\xc3\xa9\uFFFD\uFFFD\uFFFD\uFFFD\xf0\x9f\x92\xa9\"}");
}

BOOST_AUTO_TEST_CASE(indentation_is_the_callers) {
    BOOST_TEST(json::write(Leaf{.list = {"a", "b"}, .map = {{"k", 1}}}, "\t") ==
               "{\n\t\"text\": \"\",\n\t\"list\": [\n\t\t\"a\",\n\t\t\"b\"\n\t],\n\t\"map\": {\n\t\t\"k\": 1\n\t}\n}");
}

BOOST_AUTO_TEST_CASE(a_written_value_reads_back) {
    const Leaf leaf{.text = "é\t", .number = -3, .list = {"", "x"}, .map = {{"a.b", 2}}, .flag = true};
    BOOST_TEST(json::write(json::read<Leaf>("t", json::write(leaf))) == json::write(leaf));
}

BOOST_AUTO_TEST_SUITE_END()
