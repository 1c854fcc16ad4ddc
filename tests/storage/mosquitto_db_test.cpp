// SPDX-License-Identifier: Apache-2.0
// What is read of a mosquitto.db, and that nothing is read of one that is cut or does not fit.
#include "storage/mosquitto_db.hpp"
#include "tests/support/mosquitto_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace gv::storage {

namespace {

using machine = mosquitto_file::machine;
using way = mosquitto_delivery::direction;
using state = mosquitto_delivery::state;
using testing::ElementsAre;
using testing::HasSubstr;

/// Writes down what it is given, a line each.
class transcript final : public mosquitto_reader {
  public:
    void on_header(const mosquitto_header& what) override {
        line() << "version " << what.version << (what.is_final ? " final" : "");
    }
    void on_message(const mosquitto_message& what) override {
        line() << "message " << what.id << " until " << what.expires << " q" << int{what.quality}
               << (what.retain ? " retain " : " ") << what.publisher << " " << what.topic << " "
               << what.payload << " " << what.properties.size();
    }
    void on_client(const mosquitto_client& what) override {
        line() << "client " << what.client_id << " user=" << what.username << " "
               << what.expiry_seconds << " until " << what.expires;
    }
    void on_delivery(const mosquitto_delivery& what) override {
        line() << (what.way == way::to_client ? "to " : "from ") << what.client_id << " message "
               << what.message << " id " << what.packet_id << " q" << int{what.quality} << " state "
               << static_cast<int>(what.progress) << (what.retain ? " retain " : " ")
               << what.properties.size();
    }
    void on_subscription(const mosquitto_subscription& what) override {
        line() << "subscription " << what.client_id << " " << what.filter << " q"
               << int{what.quality} << " id " << what.identifier
               << (what.no_local ? " no_local" : "")
               << (what.retain_as_published ? " as_published" : "");
    }
    void on_retained(std::uint64_t message) override { line() << "retained " << message; }
    void on_unknown(std::uint32_t kind) override { line() << "unknown " << kind; }

    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> all;
        for (const auto& each : lines_) {
            all.push_back(each.str());
        }
        return all;
    }

  private:
    std::ostringstream& line() { return lines_.emplace_back(); }
    std::vector<std::ostringstream> lines_;
};

/// One of everything.
mosquitto_file example(std::uint32_t version, machine on = machine::little_endian) {
    mosquitto_file file(version, on);
    file.message({.id = 5,
                  .expires = 1'800'000'000,
                  .quality = 2,
                  .retain = true,
                  .publisher = "pub",
                  .topic = "a/b",
                  .payload = "hello",
                  .properties = std::string_view("\x01\x01", 2)})
        .message({.id = 6, .topic = "empty"})
        .client({.client_id = "alice",
                 .username = "al",
                 .expiry_seconds = 60,
                 .expires = 1'700'000'000})
        .delivery({.client_id = "alice",
                   .message = 5,
                   .packet_id = 3,
                   .quality = 2,
                   .raw_state = 9,
                   .retain = true})
        .delivery({.client_id = "alice",
                   .message = 6,
                   .quality = 1,
                   .raw_state = 11,
                   .properties = std::string_view("\x0b\x05", 2)})
        .delivery({.client_id = "alice",
                   .message = 5,
                   .packet_id = 8,
                   .quality = 2,
                   .raw_state = 7,
                   .way = way::from_client})
        .subscription({.client_id = "alice",
                       .filter = "a/#",
                       .identifier = 5,
                       .quality = 1,
                       .no_local = true,
                       .retain_as_published = true})
        .retained(5);
    return file;
}

constexpr const char* alice_6 = "client alice user=al 60 until 1700000000";
constexpr const char* alice_5 = "client alice user= 60 until 1700000000";

auto is_example(const std::string& version, const char* alice,
                const char* message = "message 5 "
                                      "until 1800000000 q2 retain pub a/b hello 2") {
    return ElementsAre("version " + version + " final", message, "message 6 until 0 q0  empty  0",
                       alice, "to alice message 5 id 3 q2 state 2 retain 0",
                       "to alice message 6 id 0 q1 state 3 2",
                       "from alice message 5 id 8 q2 state 0 0",
                       "subscription alice a/# q1 id 5 no_local as_published", "retained 5");
}

TEST(MosquittoDb, ReadsVersion6) {
    transcript seen;
    ASSERT_TRUE(read_mosquitto_db(example(6).bytes(), "m.db", seen));
    EXPECT_THAT(seen.lines(), is_example("6", alice_6));
}

TEST(MosquittoDb, ReadsVersion5WhoseClientsHaveNoUsername) {
    transcript seen;
    ASSERT_TRUE(read_mosquitto_db(example(5).bytes(), "m.db", seen));
    EXPECT_THAT(seen.lines(), is_example("5", alice_5));
}

TEST(MosquittoDb, ReadsThoseOf32BitX86WhichHaveLessPadding) {
    transcript seen;
    ASSERT_TRUE(read_mosquitto_db(example(6, machine::x86_32).bytes(), "m.db", seen));
    EXPECT_THAT(seen.lines(), is_example("6", alice_6));
}

TEST(MosquittoDb, ReadsTheTimesOfTheOtherByteOrder) {
    transcript seen;
    ASSERT_TRUE(read_mosquitto_db(example(6, machine::big_endian).bytes(), "m.db", seen));
    EXPECT_THAT(seen.lines()[1], HasSubstr("until 1800000000"));
    EXPECT_EQ(seen.lines()[3], alice_6);
}

TEST(MosquittoDb, RefusesEveryTruncationWithItsPlace) {
    for (const std::uint32_t version : {5U, 6U}) {
        const mosquitto_file file = example(version);
        std::size_t chunk = 0;
        for (std::size_t size = 0; size < file.bytes().size(); ++size) {
            while (chunk + 1 < file.beginnings().size() && file.beginnings()[chunk + 1] <= size) {
                ++chunk;
            }
            const std::size_t begin = file.beginnings()[chunk];
            const bool is_between = chunk > 0 && size == begin;
            transcript seen;
            const auto read =
                read_mosquitto_db(std::string_view(file.bytes()).substr(0, size), "m.db", seen);
            ASSERT_EQ(read.has_value(), is_between) << size;
            if (!read && size >= begin) {
                EXPECT_EQ(read.error().place, "m.db, byte " + std::to_string(begin));
                EXPECT_EQ(read.error().what, "the file ends in the middle");
            }
            EXPECT_EQ(seen.lines().size(), chunk) << size;
        }
    }
}

TEST(MosquittoDb, RefusesAChunkThatDoesNotFitItsSize) {
    for (std::uint32_t kind = 1; kind <= 6; ++kind) {
        for (const std::string& body : {std::string(3, '\0'), std::string(300, '\xff')}) {
            const auto file = mosquitto_file().chunk(kind, body);
            transcript seen;
            const auto read = read_mosquitto_db(file.bytes(), "m.db", seen);
            ASSERT_FALSE(read) << kind;
            EXPECT_EQ(read.error().place, "m.db, byte " + std::to_string(file.beginnings().back()));
            EXPECT_EQ(seen.lines().size(), 1U);
        }
    }
}

TEST(MosquittoDb, NamesUnknownChunksAndReadsOn) {
    transcript seen;
    ASSERT_TRUE(
        read_mosquitto_db(mosquitto_file().chunk(77, "later").retained(1).bytes(), "m.db", seen));
    EXPECT_THAT(seen.lines(), ElementsAre("version 6 final", "unknown 77", "retained 1"));
}

TEST(MosquittoDb, RefusesOtherVersionsByName) {
    for (const std::uint32_t version : {4U, 7U}) {
        transcript seen;
        const auto read = read_mosquitto_db(mosquitto_file(version).bytes(), "m.db", seen);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().place, "m.db, byte 19");
        EXPECT_EQ(read.error().what,
                  "its format has version " + std::to_string(version) + "; 5 and 6 are known");
        EXPECT_THAT(seen.lines(), ElementsAre());
    }
}

TEST(MosquittoDb, RefusesOtherFiles) {
    transcript seen;
    EXPECT_FALSE(read_mosquitto_db("", "x", seen));
    EXPECT_FALSE(read_mosquitto_db("{\"type\":\"node\"}", "x", seen));
    EXPECT_FALSE(is_mosquitto_db("mosquitto db"));
    EXPECT_TRUE(is_mosquitto_db(mosquitto_file().bytes()));
}

TEST(MosquittoDb, KnowsHowFarAMessageToAClientHasGot) {
    const std::vector<state> expected{
        state::unknown, state::sent,     state::sent,    state::sent,    state::sent,
        state::sent,    state::released, state::unknown, state::unknown, state::released,
        state::unknown, state::queued,   state::unknown};
    for (std::size_t each = 0; each < expected.size(); ++each) {
        transcript seen;
        const auto file = mosquitto_file().delivery(
            {.client_id = "c", .quality = 1, .raw_state = static_cast<std::uint8_t>(each)});
        ASSERT_TRUE(read_mosquitto_db(file.bytes(), "m.db", seen));
        EXPECT_THAT(seen.lines()[1],
                    HasSubstr("state " + std::to_string(static_cast<int>(expected[each]))));
    }
}

} // namespace

} // namespace gv::storage
