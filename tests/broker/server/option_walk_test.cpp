// SPDX-License-Identifier: Apache-2.0
// The table of options on options of the test's own, which hold what those of the broker do not: a
// secret, and one of each kind.
#include "broker/server/documents.hpp"
#include "broker/server/option_walk.hpp"
#include "broker/server/reload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

enum class colour : std::uint8_t { red, blue };
constexpr std::array<std::string_view, 2> colour_names{"red", "blue"};
constexpr std::span<const std::string_view> choices(colour) { return colour_names; }

struct toy_options {
    section about{{.name = "toy", .doc = "Toys."}};
    option<std::uint16_t> count{
        {.name = "toy.count", .doc = "How many.", .def = 3, .min = 1, .max = 10}};
    option<std::uint32_t> weight{{.name = "toy.weight", .doc = "Grams.", .def = 5, .min = 2}};
    option<byte_size> size{{.name = "toy.size", .doc = "Bytes.", .def = 1_KiB}};
    option<std::chrono::milliseconds> age{
        {.name = "toy.age", .doc = "Time.", .def = 10s, .max = 1h}};
    option<double> share{{.name = "toy.share", .doc = "Part.", .def = 0.5, .max = 1.0}};
    option<bool> loud{{.name = "toy.loud", .doc = "Noise.", .def = true}};
    option<colour> paint{{.name = "toy.paint", .doc = "Colour.", .def = colour::red}};
    option<text_list> names{{.name = "toy.names", .doc = "Names.", .def = "a, b"}};
    option<std::string> token{{.name = "toy.token",
                               .doc = "Secret.",
                               .applies = reload::restart,
                               .stability = stability_level::experimental,
                               .since = "0.2",
                               .is_secret = true}};
    int unrelated = 0;
};

struct part_options {
    section about{{.name = "parts", .doc = "Parts."}};
    option<std::string> name{{.name = "parts.name", .doc = "Its name."}};
};

struct all_options {
    toy_options toy;
    option_list<part_options> parts;
};

class OptionWalk : public testing::Test {
  protected:
    option_ref& find(std::string_view path) {
        table = sections_of(all);
        for (const section_ref& each : table) {
            for (const auto& option : each.options) {
                if (option->path() == path) {
                    return *option;
                }
            }
        }
        throw std::out_of_range(std::string(path));
    }

    /// What is wrong with setting it so; empty if nothing is.
    std::string set(std::string_view path, std::string_view text,
                    raw_value::shape form = raw_value::shape::bare) {
        const auto wrong = find(path).read({.form = form, .text = std::string(text), .items = {}});
        return wrong ? wrong->what + "; " + wrong->remedy : "";
    }

    all_options all;
    std::vector<section_ref> table;
};

TEST_F(OptionWalk, ListsSectionsAndTheirOptionsInOrder) {
    all.parts.items.resize(2);
    std::vector<std::string> paths;
    table = sections_of(all);
    for (const section_ref& each : table) {
        for (const auto& option : each.options) {
            paths.push_back(option->path());
        }
    }
    EXPECT_THAT(paths, ElementsAre("toy.count", "toy.weight", "toy.size", "toy.age", "toy.share",
                                   "toy.loud", "toy.paint", "toy.names", "toy.token",
                                   "parts.0.name", "parts.1.name"));
    EXPECT_EQ(table[2].index, 1U);
    EXPECT_EQ(table[2].options[0]->name(), "parts.name");
    EXPECT_EQ(table[2].options[0]->key(), "name");
}

TEST_F(OptionWalk, ReadsEachKind) {
    EXPECT_EQ(set("toy.count", "7"), "");
    EXPECT_EQ(set("toy.size", "2MiB"), "");
    EXPECT_EQ(set("toy.age", "1min"), "");
    EXPECT_EQ(set("toy.share", "0.75"), "");
    EXPECT_EQ(set("toy.loud", "false"), "");
    EXPECT_EQ(set("toy.paint", "blue"), "");
    EXPECT_EQ(set("toy.names", "x,y"), "");
    EXPECT_EQ(set("toy.token", "hunter2"), "");
    EXPECT_EQ(*all.toy.count, 7U);
    EXPECT_EQ(*all.toy.size, 2_MiB);
    EXPECT_EQ(*all.toy.age, 1min);
    EXPECT_EQ(*all.toy.share, 0.75);
    EXPECT_FALSE(*all.toy.loud);
    EXPECT_EQ(*all.toy.paint, colour::blue);
    EXPECT_THAT(*all.toy.names, ElementsAre("x", "y"));
    EXPECT_EQ(*all.toy.token, "hunter2");
}

TEST_F(OptionWalk, RefusesWhatIsOutOfRangeAndKeepsWhatWas) {
    EXPECT_EQ(set("toy.count", "0"), "0 is out of range; write a value in the range: 1 to 10");
    EXPECT_EQ(set("toy.count", "65537"),
              "65537 is out of range; write a value in the range: 1 to 10");
    EXPECT_EQ(set("toy.weight", "1"), "1 is out of range; write a value in the range: at least 2");
    EXPECT_EQ(set("toy.age", "2h"), "2h is out of range; write a value in the range: 0 to 1h");
    EXPECT_EQ(set("toy.share", "1.5"),
              "1.5 is out of range; write a value in the range: 0.0 to 1.0");
    EXPECT_EQ(*all.toy.count, 3U);
    EXPECT_EQ(*all.toy.weight, 5U);
    EXPECT_EQ(*all.toy.age, 10s);
    EXPECT_EQ(*all.toy.share, 0.5);
}

TEST_F(OptionWalk, RefusesWhatIsOfAnotherKind) {
    EXPECT_EQ(set("toy.count", "many"),
              "\"many\" is not a whole number; write digits only, such as 100");
    EXPECT_EQ(set("toy.count", "", raw_value::shape::list),
              "one value is wanted, not a list; leave the brackets away");
    EXPECT_EQ(set("toy.token", "5", raw_value::shape::number),
              "5 is not text; put it in quotes: \"5\"");
    EXPECT_EQ(*all.toy.count, 3U);
    EXPECT_EQ(*all.toy.token, "");
}

TEST_F(OptionWalk, KnowsDefaultsAndGoesBackToThem) {
    EXPECT_TRUE(find("toy.names").is_default());
    EXPECT_EQ(set("toy.names", "z"), "");
    EXPECT_FALSE(find("toy.names").is_default());
    find("toy.names").reset();
    EXPECT_THAT(*all.toy.names, ElementsAre("a", "b"));
}

TEST_F(OptionWalk, PrintsTomlAndHidesSecrets) {
    all.parts.items.resize(1);
    all.toy.token = "hunter2";
    all.parts.items[0].name = "a \"b\"";
    EXPECT_EQ(print_config(sections_of(all), {{"toy.count", "toys.toml:3"}, {"toy.token", "-t"}}),
              "# The configuration in effect, Grapevine " + std::string(version())
                  + ".\n"
                    "\n[toy]\n"
                    "count = 3  # toys.toml:3\n"
                    "weight = 5  # default\n"
                    "size = \"1KiB\"  # default\n"
                    "age = \"10s\"  # default\n"
                    "share = 0.5  # default\n"
                    "loud = true  # default\n"
                    "paint = \"red\"  # default\n"
                    "names = [\"a\", \"b\"]  # default\n"
                    "# token: (hidden), -t\n"
                    "\n[[parts]]\n"
                    "name = \"a \\\"b\\\"\"  # default\n");
}

TEST_F(OptionWalk, TellsWhatAReloadChangedWithoutTellingSecrets) {
    all_options after;
    after.toy.count = 4;
    after.toy.token = "hunter2";
    all.parts.items.resize(2);
    all.parts.items[1].name = "wheel";
    after.parts.items.resize(1);
    after.parts.items[0].name = "axle";
    EXPECT_THAT(diff(sections_of(all), sections_of(after)),
                ElementsAre(option_change{"toy.count", "3", "4", reload::live},
                            option_change{"toy.token", "(hidden)", "(hidden)", reload::restart},
                            option_change{"parts.0.name", "", "axle", reload::live},
                            option_change{"parts.1", "name = wheel", "", reload::restart}));
    EXPECT_THAT(diff(sections_of(after), sections_of(all)),
                testing::Contains(option_change{"parts.1", "", "name = wheel", reload::restart}));
    EXPECT_TRUE(diff(sections_of(all), sections_of(all)).empty());
}

} // namespace
} // namespace gv::server
