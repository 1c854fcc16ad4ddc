// SPDX-License-Identifier: Apache-2.0
// That the script notices what a broker does wrong: run against a world that answers each write
// with bytes laid out beforehand.
#include "tests/conformance/script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace gv::conformance {
namespace {

using testing::HasSubstr;

const std::string accepted = "20 02 00 00";
const std::string pong = "d0 00";

/// Virtual time, one connection; answers in hexadecimal, "!" closes.
class canned_world : public world {
  public:
    explicit canned_world(std::deque<std::string> answers) : answers_(std::move(answers)) {}

    peer open(std::string_view) override { return peer{0}; }
    void write(peer, std::string_view) override {
        if (!answers_.empty()) {
            const auto answer = answers_.front();
            answers_.pop_front();
            pending_.is_closed = answer.ends_with('!');
            pending_.bytes += bytes_of_hex(answer.substr(0, answer.find('!')));
        }
    }
    arrival read(peer, std::chrono::milliseconds) override {
        arrival taken = pending_;
        pending_.bytes.clear();
        return taken;
    }
    void cut(peer) override {}
    void advance(std::chrono::milliseconds time) override { elapsed += time; }
    bool settle() override { return true; }

    std::chrono::milliseconds elapsed{};

  private:
    std::deque<std::string> answers_;
    arrival pending_;
};

std::string outcome(std::deque<std::string> answers, const std::string& steps,
                    protocol_level level = 4) {
    test_case what;
    what.name = "case";
    what.steps = json::parse(steps);
    canned_world where(std::move(answers));
    return run_case(what, level, where);
}

TEST(ConformanceScript, RightAnswersPass) {
    EXPECT_EQ(outcome({accepted, "90 03 0001 01", pong},
                      R"([["a", "connects"], ["a", "subscribes", {"filter": "t", "qos": 1}],
                          ["a", "pings"], ["a", "gets_nothing"]])"),
              "");
    EXPECT_EQ(outcome({accepted, "!"}, R"([["a", "connects"], ["a", "disconnects"]])"), "");
    EXPECT_EQ(outcome({"20 02 00 02 !"}, R"([["a", "tries"], ["a", "is_refused",
                      {"reason": "0x85", "return_code": 2}]])"),
              "");
}

TEST(ConformanceScript, WrongAnswersAreNamedWithTheirStep) {
    const auto lower = outcome({accepted, "90 03 0001 00"},
                               R"([["a", "connects"], ["a", "subscribes",
                                  {"filter": "t", "qos": 1}]])");
    EXPECT_THAT(lower, HasSubstr("step 2"));
    EXPECT_THAT(lower, HasSubstr("reasons is [0]"));
    EXPECT_THAT(outcome({"20 02 01 00"}, R"([["a", "connects", {}, {"session_present": false}]])"),
                HasSubstr("session_present is true"));
    EXPECT_THAT(outcome({accepted}, R"([["a", "connects"], ["a", "is_closed"]])"),
                HasSubstr("was to be closed and was not"));
    EXPECT_THAT(
        outcome({accepted + "30 04 0001 61 78"}, R"([["a", "connects"], ["a", "gets_nothing"]])"),
        HasSubstr("was to receive nothing"));
    EXPECT_THAT(outcome({accepted, "90 03 0001 02"},
                        R"([["a", "connects"], ["a", "fails_to_subscribe", "#x"]])"),
                HasSubstr("granted what is not allowed"));
}

TEST(ConformanceScript, ReasonOfAnEndIsDemandedInVersion5Only) {
    const auto* steps = R"([["a", "connects"], ["a", "sends", {"packet": "pingresp"}],
                            ["a", "is_closed", {"reason": "0x82"}]])";
    EXPECT_EQ(outcome({accepted, "!"}, steps, 4), "");
    EXPECT_EQ(outcome({"20 03 00 00 00", "e0 02 82 00 !"}, steps, 5), "");
    EXPECT_THAT(outcome({"20 03 00 00 00", "e0 02 81 00 !"}, steps, 5), HasSubstr("reason is 129"));
    EXPECT_THAT(outcome({"20 03 00 00 00", "e0 02 82 00"}, steps, 5), HasSubstr("not closed"));
}

TEST(ConformanceScript, RulesOfEveryConnectionAreWatched) {
    const auto* connects = R"([["a", "connects"], ["a", "pings"]])";
    EXPECT_THAT(outcome({accepted + accepted, pong}, connects), HasSubstr("second CONNACK"));
    EXPECT_THAT(outcome({pong + accepted}, connects), HasSubstr("MQTT-3.2.0-1"));
    EXPECT_THAT(outcome({accepted + "32 06 0001 61 0001 78 32 06 0001 61 0001 79", pong}, connects),
                HasSubstr("MQTT-2.2.1-4"));
    EXPECT_THAT(outcome({"20 03 00 00 00 30 08 0001 61 03 23 0001 78", pong}, connects, 5),
                HasSubstr("MQTT-3.1.2-26"));
    const auto* small = R"([["a", "connects", {"properties": {"maximum_packet_size": 7}}],
                            ["a", "pings"]])";
    EXPECT_THAT(outcome({"20 03 00 00 00 30 06 0001 61 00 7878", pong}, small, 5),
                HasSubstr("MQTT-3.1.2-24"));
}

TEST(ConformanceScript, TimeIsTheWorlds) {
    test_case what;
    what.steps = json::parse(R"([["time", "passes", 1.5], ["time", "passes", 2]])");
    canned_world where({});
    EXPECT_EQ(run_case(what, 4, where), "");
    EXPECT_EQ(where.elapsed, std::chrono::milliseconds(3500));
}

} // namespace
} // namespace gv::conformance
