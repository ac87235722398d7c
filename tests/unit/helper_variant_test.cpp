#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "helper/variant.h"

using namespace gpurun;
using namespace gpurun::helper;

namespace {

std::string show(const Variant& value) {
    if (value.items.empty() && value.type[0] != 'a') return value.text;
    std::string text;
    for (const auto& item : value.items) text += (text.empty() ? "" : ",") + show(item);
    return value.type + "[" + text + "]";
}

void refused(const char* text, const std::string& part) {
    BOOST_CHECK_EXCEPTION(parse_variant(text), Error, [&](const Error& error) {
        BOOST_TEST_MESSAGE(error.text());
        return error.text().find(part) != std::string::npos;
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(helper_variant)

BOOST_AUTO_TEST_CASE(basic_values_have_the_type_that_is_said_or_implied) {
    BOOST_TEST(parse_variant("true").type == "b");
    BOOST_TEST(parse_variant("'it\\'s'").text == "it's");
    BOOST_TEST(parse_variant("\"a\"").type == "s");
    BOOST_TEST(parse_variant(" uint64 18446744073709551615 ").type == "t");
    BOOST_TEST(parse_variant("-5").type == "i");
    BOOST_TEST(parse_variant("@t 5").type == "t");
    BOOST_TEST(parse_variant("byte 0x0f").text == "0x0f");
}

BOOST_AUTO_TEST_CASE(arrays_and_tuples_nest) {
    BOOST_TEST(show(parse_variant("['a', 'b']")) == "as[a,b]");
    BOOST_TEST(show(parse_variant("@a(ss) []")) == "a(ss)[]");
    BOOST_TEST(show(parse_variant("[('/dev/char/1:3', 'rwm'), ('char-*', 'm')]")) ==
               "a(ss)[(ss)[/dev/char/1:3,rwm],(ss)[char-*,m]]");
    BOOST_TEST(show(parse_variant("[byte 0x03, 2]")) == "ay[0x03,2]");
    BOOST_TEST(show(parse_variant("[('/dev/block/8:0', uint64 7)]")) == "a(st)[(st)[/dev/block/8:0,7]]");
    BOOST_TEST(parse_variant("@a(tas) [(1, ['x'])]").type == "a(tas)");
}

BOOST_AUTO_TEST_CASE(what_is_no_value_is_refused_with_the_place) {
    refused("", "a value is expected");
    refused("yes", "neither a type nor");
    refused("'open", "closing quote");
    refused("[]", "needs its type");
    refused("[1, 'a']", "type i is expected");
    refused("true false", "ends here");
    refused("['a' 'b']", "\",\" or \"]\"");
    refused("@as 'x'", "type as is expected");
    refused("[[[[[[[[[[1]]]]]]]]]]", "too deep");
    refused("@a( []", "type");
}

BOOST_AUTO_TEST_SUITE_END()
