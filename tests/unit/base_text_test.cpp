#include <boost/test/unit_test.hpp>

#include "base/text.h"

using namespace gpurun;

BOOST_AUTO_TEST_SUITE(base_text)

BOOST_AUTO_TEST_CASE(a_cleaned_path_never_leaves_the_root) {
    BOOST_TEST(clean_path("/a/../../b//./c/") == "/b/c");
    BOOST_TEST(clean_path("") == "/");
    BOOST_TEST(clean_path("..") == "/");
}

BOOST_AUTO_TEST_CASE(a_number_is_the_whole_text_or_nothing) {
    BOOST_TEST(parse_number<int>("42").value() == 42);
    BOOST_TEST(!parse_number<int>("42x").has_value());
    BOOST_TEST(!parse_number<int>("").has_value());
    BOOST_TEST(!parse_number<unsigned char>("256").has_value());
}

BOOST_AUTO_TEST_CASE(words_drop_empty_parts_and_split_keeps_them) {
    BOOST_TEST(words("  a \t b\n").size() == 2u);
    BOOST_TEST(split("a,,b", ',').size() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
