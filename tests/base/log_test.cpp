// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "base/log_line.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace gv::log {
namespace {

using testing::ElementsAre;

wall_time noon(std::chrono::milliseconds later = {}) {
    return wall_time(std::chrono::seconds(1'767'268'800)) + later; // 2026-01-01T12:00:00Z
}

std::string text_line(const prefix& who, fields content) {
    return make_line(format::text, {.at = noon(7ms), .event = "something"}, who, content);
}

std::string json_line(fields content) {
    return make_line(format::json, {.has_time = false, .event = "e"}, {}, content);
}

TEST(LogLine, HoldsTimeLevelEventAndFieldsInOrder) {
    EXPECT_EQ(text_line({}, {{"a", 1}, {"b", "two"}}),
              "2026-01-01T12:00:00.007Z info something a=1 b=two");
}

TEST(LogLine, PutsNodeConnectionAndClientBeforeTheFields) {
    const line_head head{.has_time = false, .event = "e", .node = "n1"};
    EXPECT_EQ(make_line(format::text, head, {.conn = 7, .client = "c"}, {{"a", 1}}),
              "info e node=n1 conn=7 client=c a=1");
}

TEST(LogLine, WritesEachKindOfValue) {
    EXPECT_EQ(json_line({{"text", std::string("t")},
                         {"minus", -5},
                         {"natural", std::uint64_t{18'446'744'073'709'551'615U}},
                         {"real", 0.5},
                         {"nan", std::nan("")},
                         {"yes", true}}),
              R"({"level":"info","event":"e","text":"t","minus":-5,"natural":18446744073709551615,)"
              R"("real":0.5,"nan":null,"yes":true})");
}

TEST(LogLine, QuotesTextThatWouldNotStandAlone) {
    EXPECT_EQ(text_line({}, {{"a", "james bond"}, {"b", ""}, {"c", "x=y"}, {"d", "\"\\"}}),
              R"(2026-01-01T12:00:00.007Z info something a="james bond" b="" c="x=y" d="\"\\")");
}

TEST(LogLine, KeepsUtf8AndEscapesEverythingThatCouldForgeALine) {
    EXPECT_EQ(text_line({}, {{"a", "käse"}, {"b", "x\nerror forged\r\t\x1b[2J\x7f"}}),
              "2026-01-01T12:00:00.007Z info something a=\"käse\" "
              R"(b="x\nerror forged\u000d\t\u001b[2J\u007f")");
    EXPECT_EQ(json_line({{"c1", "\xc2\x9b"}, {"separator", "\xe2\x80\xa8"}}),
              R"({"level":"info","event":"e","c1":"\u009b","separator":"\u2028"})");
}

TEST(LogLine, ShowsBytesThatAreNotUtf8) {
    // A stray continuation, an overlong slash, a surrogate, and a character cut short.
    const std::string bad = "\x80|\xc0\xaf|\xed\xa0\x80|\xe2\x82";
    EXPECT_EQ(text_line({}, {{"a", bad}}), "2026-01-01T12:00:00.007Z info something "
                                           R"(a="\x80|\xc0\xaf|\xed\xa0\x80|\xe2\x82")");
    EXPECT_EQ(json_line({{"a", "\xff"}}), R"({"level":"info","event":"e","a":"\ufffd"})");
}

TEST(LogLine, CutsTextThatIsTooLong) {
    const std::string line = text_line({}, {{"a", std::string(60'000, 'x')}, {"b", 1}});
    EXPECT_LT(line.size(), text_max + 100);
    EXPECT_TRUE(line.ends_with("xxx…\" b=1")) << line;
}

TEST(LogLine, NamesEachLevel) {
    std::vector<std::string_view> names;
    for (const level each : {level::error, level::warn, level::info, level::debug, level::trace}) {
        names.push_back(level_name(each));
    }
    EXPECT_THAT(names, ElementsAre("error", "warn", "info", "debug", "trace"));
}

TEST(LogLine, WritesTimesBefore1970) {
    EXPECT_EQ(to_iso8601(wall_time(std::chrono::milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

/// A log that writes into a list, at a time that is set by hand.
class LogTest : public testing::Test {
  protected:
    LogTest() { configure(); }
    ~LogTest() override { shutdown(); }

    void configure() {
        wanted.sink = [this](std::string_view line) { lines.emplace_back(line); };
        wanted.now = [this] { return noon(later); };
        EXPECT_EQ(log::configure(wanted), "");
    }

    settings wanted;
    std::vector<std::string> lines;
    std::chrono::milliseconds later{};
};

TEST_F(LogTest, WritesWhatIsAtOrAboveTheLevel) {
    error("one");
    warn("two");
    info("three");
    debug("four");
    EXPECT_THAT(lines, ElementsAre("2026-01-01T12:00:00.000Z error one",
                                   "2026-01-01T12:00:00.000Z warn two",
                                   "2026-01-01T12:00:00.000Z info three"));
    EXPECT_FALSE(enabled(level::debug));
    wanted.threshold = level::trace;
    configure();
    trace({.conn = 3}, "five", {{"a", 1}});
    EXPECT_EQ(lines.back(), "2026-01-01T12:00:00.000Z trace five conn=3 a=1");
}

TEST_F(LogTest, NamesTheNodeOnEveryLine) {
    wanted.node = "greenhouse";
    wanted.shape = format::json;
    configure();
    info({.client = "c"}, "e");
    EXPECT_THAT(lines, ElementsAre(R"({"time":"2026-01-01T12:00:00.000Z","level":"info",)"
                                   R"("event":"e","node":"greenhouse","client":"c"})"));
}

TEST_F(LogTest, CountsWhatIsTooMuchInASecondAndReportsItWithTheNextLine) {
    wanted.lines_per_second = 2;
    configure();
    for (int i = 0; i < 5; ++i) {
        warn("noisy", {{"i", i}});
    }
    warn("other");
    later = 1s;
    warn("noisy", {{"i", 5}});
    EXPECT_THAT(lines, ElementsAre("2026-01-01T12:00:00.000Z warn noisy i=0",
                                   "2026-01-01T12:00:00.000Z warn noisy i=1",
                                   "2026-01-01T12:00:00.000Z warn other",
                                   "2026-01-01T12:00:01.000Z warn noisy suppressed=3",
                                   "2026-01-01T12:00:01.000Z warn noisy i=5"));
}

TEST_F(LogTest, ReportsWhatWasSuppressedOnceTheNoiseHasStopped) {
    wanted.lines_per_second = 1;
    configure();
    error("noisy");
    error("noisy");
    report_suppressed(); // the second is not over
    later = 1s;
    report_suppressed();
    report_suppressed();
    EXPECT_THAT(lines, ElementsAre("2026-01-01T12:00:00.000Z error noisy",
                                   "2026-01-01T12:00:01.000Z error noisy suppressed=1"));
}

TEST_F(LogTest, HasNoLimitWhenItIsZero) {
    wanted.lines_per_second = 0;
    configure();
    for (int i = 0; i < 500; ++i) {
        info("many");
    }
    EXPECT_EQ(lines.size(), 500U);
}

class LogFile : public testing::Test {
  protected:
    LogFile() { std::filesystem::create_directories(folder); }
    ~LogFile() override {
        shutdown();
        std::filesystem::remove_all(folder);
    }

    static std::vector<std::string> read(const std::filesystem::path& path) {
        std::ifstream file(path);
        std::vector<std::string> lines;
        for (std::string line; std::getline(file, line);) {
            lines.push_back(line);
        }
        return lines;
    }

    std::filesystem::path folder = std::filesystem::temp_directory_path()
                                   / ("grapevine_log_test_" + std::to_string(::getpid()));
};

TEST_F(LogFile, HoldsEveryLineOfEveryThreadAfterShutdown) {
    const auto path = folder / "log";
    ASSERT_EQ(configure({.destination = path.string(), .lines_per_second = 0}), "");
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 4; ++writer) {
        writers.emplace_back([writer] {
            for (int i = 0; i < 500; ++i) {
                info("line", {{"writer", writer}, {"i", i}});
            }
        });
    }
    for (std::thread& each : writers) {
        each.join();
    }
    shutdown();
    const auto lines = read(path);
    EXPECT_EQ(lines.size(), 2'000U);
    EXPECT_THAT(lines,
                testing::Each(testing::ContainsRegex("^20.*Z info line writer=. i=[0-9]+$")));
}

TEST_F(LogFile, IsOpenedAgainByConfigureAfterItWasRotated) {
    const settings wanted{.destination = (folder / "log").string()};
    ASSERT_EQ(configure(wanted), "");
    info("before");
    ASSERT_EQ(configure(wanted), "");
    std::filesystem::rename(folder / "log", folder / "log.1");
    ASSERT_EQ(configure(wanted), "");
    info("after");
    shutdown();
    EXPECT_THAT(read(folder / "log.1"), ElementsAre(testing::EndsWith("info before")));
    EXPECT_THAT(read(folder / "log"), ElementsAre(testing::EndsWith("info after")));
}

TEST_F(LogFile, ThatCannotBeOpenedChangesNothing) {
    ASSERT_EQ(configure({.destination = (folder / "log").string()}), "");
    EXPECT_THAT(configure({.threshold = level::trace, .destination = folder.string()}),
                testing::HasSubstr(folder.string()));
    EXPECT_FALSE(enabled(level::trace));
    info("still_here");
    shutdown();
    EXPECT_THAT(read(folder / "log"), ElementsAre(testing::EndsWith("info still_here")));
}

/// A destination that takes nothing until somebody reads it.
class stuck_pipe {
  public:
    explicit stuck_pipe(std::string path) : path_(std::move(path)) {
        EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
        // Opened without waiting for a writer, read with waiting.
        reader_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
        EXPECT_EQ(::fcntl(reader_, F_SETFL, 0), 0);
    }
    stuck_pipe(const stuck_pipe&) = delete;
    stuck_pipe& operator=(const stuck_pipe&) = delete;
    ~stuck_pipe() { ::close(reader_); }

    const std::string& path() const { return path_; }

    /// Everything until the writer closes it.
    std::string read_all() const {
        std::string text;
        std::array<char, 4096> chunk{};
        for (ssize_t got = 1; got > 0;) {
            got = ::read(reader_, chunk.data(), chunk.size());
            text.append(chunk.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        }
        return text;
    }

  private:
    std::string path_;
    int reader_ = -1;
};

TEST_F(LogFile, ThatIsStuckStopsNobodyAndWhatWasLostIsCounted) {
    constexpr std::size_t written = 20'000;
    const stuck_pipe pipe((folder / "pipe").string());
    ASSERT_EQ(configure({.destination = pipe.path(), .lines_per_second = 0}), "");
    for (std::size_t i = 0; i < written; ++i) {
        info("line", {{"i", i}}); // were this to wait, the test would time out
    }
    std::string text;
    std::thread reader([&] { text = pipe.read_all(); });
    report_suppressed();
    shutdown();
    reader.join();
    std::smatch lost;
    ASSERT_TRUE(std::regex_search(text, lost, std::regex("warn log_lines_lost lines=([0-9]+)\n")));
    const auto arrived = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) - 1;
    EXPECT_LE(arrived + std::stoul(lost[1]), written);
    EXPECT_GE(arrived + std::stoul(lost[1]), written - 1); // the report may have cost one more
}

} // namespace
} // namespace gv::log
