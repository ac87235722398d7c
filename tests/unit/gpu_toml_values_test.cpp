#include "gpu/toml_values.h"

#include <gpurun/error.h>

#include <boost/test/unit_test.hpp>
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

using namespace gpurun;
using gpu::TomlValue;

namespace {

constexpr const char* sample = R"(# settings
top = "a \"quoted\" word" # comment
'literal key' = 'C:\n'
[gpu]   # table
flag = true
"other flag"=false
list = [ "a", 'b',
  # inside
  "c", ]
dotted.key = "x"
empty = []
number = 1_000
[nvidia-container-runtime.modes.cdi]
spec-dirs = ["/etc/cdi"]
)";

std::string failure(const char* text) {
    try {
        gpu::read_toml(text, "f");
    } catch (const Error& error) {
        return error.message;
    }
    return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_toml_values)

BOOST_AUTO_TEST_CASE(values_are_those_that_a_complete_parser_reads) {
    const auto file = gpu::read_toml(sample, "f");
    const auto expected = toml::parse(std::string_view(sample));
    BOOST_TEST_REQUIRE(static_cast<bool>(expected));
    BOOST_TEST(file.values.size() == 9u);
    for (const auto& value : file.values) {
        // A quoted key with a blank is no path for toml++.
        const auto node = value.key == "literal key"
                              ? toml::node_view<const toml::node>(expected.table().get(value.key))
                          : value.key == "gpu.other flag"
                              ? toml::node_view<const toml::node>(expected.table()["gpu"].as_table()->get("other flag"))
                              : expected.table().at_path(value.key);
        BOOST_TEST_REQUIRE(static_cast<bool>(node), value.key);
        if (value.kind == TomlValue::Kind::string)
            BOOST_TEST(node.value_exact<std::string>().value_or("?") == value.text);
        if (value.kind == TomlValue::Kind::boolean) BOOST_TEST(node.value_exact<bool>().value() == value.boolean);
        if (value.kind == TomlValue::Kind::array) BOOST_TEST(node.as_array()->size() == value.elements.size());
        if (value.kind == TomlValue::Kind::other) BOOST_TEST(node.is_integer());
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_toml_is_refused_with_its_place) {
    BOOST_TEST(failure("[gpu\n").starts_with("f:1:5: expected \"]\""));
    BOOST_TEST(failure("a = \n").starts_with("f:1:5: expected a value"));
    BOOST_TEST(failure("a = \"x\n").starts_with("f:1:7: expected"));
    BOOST_TEST(failure("\n = 1\n").starts_with("f:2:2: expected a key"));
    BOOST_TEST(failure("a = [1, \n").starts_with("f:2:1: expected \"]\""));
    BOOST_TEST(failure("a = \"\"\"x\"\"\"\n").starts_with("f:1:6: expected a string on one line"));
}

BOOST_AUTO_TEST_SUITE_END()
