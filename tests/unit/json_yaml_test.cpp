#include <gpurun/error.h>
#include <gpurun/spec.h>

#include <boost/test/unit_test.hpp>

#include "json/json.h"

using namespace gpurun;

namespace {

struct Node {
    std::string path;
    std::optional<std::uint32_t> mode;
    bool flag = false;
    std::vector<std::string> words;
    std::map<std::string, std::string> notes;
};

struct Document {
    std::vector<Node> nodes;
};

}  // namespace

template <>
struct gpurun::json::Fields<Node> {
    static constexpr Field value[] = {required<&Node::path>("path"), field<&Node::mode>("mode"),
                                      field<&Node::flag>("flag"), field<&Node::words>("words"),
                                      field<&Node::notes>("notes")};
};
template <>
struct gpurun::json::Fields<Document> {
    static constexpr Field value[] = {required<&Document::nodes>("nodes")};
};

namespace {

Document read(std::string_view text) { return json::read_yaml<Document>("t", text); }

struct Refused {
    std::string_view text;
    std::string_view message;
};

constexpr Refused refused[] = {
    {"", "t:1:1: expected a document, got nothing"},
    {"nodes: 3\n", "t:1:8: nodes: expected array, got string \"3\""},
    {"nodes:\n- path: [a]\n", "t:2:9: nodes[0].path: expected string, got array"},
    {"nodes:\n- path: /a\n  mode: x\n", "t:3:9: nodes[0].mode: expected integer from 0 to 4294967295, got \"x\""},
    {"nodes:\n- path: /a\n  mode: \"438\"\n",
     "t:3:9: nodes[0].mode: expected integer from 0 to 4294967295, got string \"438\""},
    {"nodes:\n- path: /a\n  flag: yes\n", "t:3:9: nodes[0].flag: expected boolean, got \"yes\""},
    {"nodes:\n- mode: 1\n", "t:3:1: nodes[0]: required property 'path' is missing"},
    {"nodes:\n- &a\n  path: /a\n", "t:2:3: nodes: expected a value, got an anchor"},
    {"nodes:\n- path: *a\n", "t:2:9: nodes[0].path: expected a value, got an alias"},
    {"nodes:\n- path: !!str a\n", "t:2:9: nodes[0].path: expected a value, got a tag"},
    {"nodes: []\n---\nnodes: []\n", "t:2:1: expected one document, got another"},
    {"- a\n", "t:1:1: expected object, got array"},
    {"nodes:\n- {[a]: b}\n", "t:2:4: nodes[0]: expected a name as key, got another value"},
    {"nodes: [\n", "t:2:1: nodes: did not find expected node content"},
    {"nodes:\n- path: \"a\\0b\"\n", "t:2:9: nodes[0].path: expected string, got string with a NUL character"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(json_yaml)

BOOST_AUTO_TEST_CASE(a_plain_scalar_is_what_the_member_makes_of_it) {
    const Document document = read(R"(---
# A comment.
nodes:
- path: 510
  mode: 0666
  flag: true
  words: [true, 'null', 1.5, "a b", word]
  notes: {a: 1, b: , c.d/e: "x"}
- path: /dev/b
  mode: 0x1b6
- path: |
    two
    lines
  mode: null
  unknown: {deep: [1, {a: b}]}
)");
    const Node& first = document.nodes.at(0);
    BOOST_TEST(first.path == "510");
    BOOST_TEST(first.mode.value() == 0666u);
    BOOST_TEST(first.flag);
    BOOST_TEST(first.notes.size() == 2u);
    BOOST_TEST(first.notes.at("a") == "1");
    BOOST_TEST(first.notes.at("c.d/e") == "x");
    BOOST_TEST(document.nodes.at(1).mode.value() == 0666u);
    BOOST_TEST(document.nodes.at(2).path == "two\nlines\n");
    BOOST_TEST(!document.nodes.at(2).mode.has_value());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_used_is_named_with_its_place) {
    for (const auto& [text, message] : refused) {
        std::string found = "none";
        try {
            read(text);
        } catch (const Error& error) {
            found = error.text();
        }
        BOOST_TEST_CONTEXT(text) BOOST_TEST(found == message);
    }
}

BOOST_AUTO_TEST_CASE(json_is_read_as_yaml_too) {
    const Document document = read(R"({"nodes": [{"path": "/a\u00e9", "mode": 438, "flag": false, "words": ["x"]}]})");
    BOOST_TEST(document.nodes.at(0).path == "/aé");
    BOOST_TEST(document.nodes.at(0).words.at(0) == "x");
}

BOOST_AUTO_TEST_SUITE_END()
