// SPDX-License-Identifier: Apache-2.0
// The conformance tests' own parts: codec, matching, and that every case is one.
#include "tests/conformance/cases.hpp"
#include "tests/conformance/match.hpp"
#include "tests/conformance/scram_client.hpp"
#include "tests/conformance/script.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gv::conformance {
namespace {

using testing::Test;

std::string bytes(std::string_view hex) { return bytes_of_hex(hex); }

json decoded(std::string_view hex, protocol_level level) {
    auto all = bytes(hex);
    const auto raw = take_frame(all);
    return decode(raw.value(), level);
}

TEST(ConformanceWire, ConnectHasItsBytes) {
    EXPECT_EQ(encode({{"packet", "connect"},
                      {"client_id", "ab"},
                      {"keep_alive", 10},
                      {"properties", {{"receive_maximum", 2}}}},
                     5),
              bytes("10 12"               // CONNECT, 18 bytes
                    "0004 4d515454 05 02" // "MQTT", 5, clean start
                    "000a"                // keep alive
                    "03 21 0002"          // receive maximum
                    "0002 6162"));        // "ab"
}

TEST(ConformanceWire, MqisdpHasItsOwnName) {
    EXPECT_EQ(encode({{"packet", "connect"}, {"client_id", "a"}}, 3),
              bytes("10 0f 0006 4d5149736470 03 02 0000 0001 61"));
}

TEST(ConformanceWire, PublishRoundTrips) {
    const auto packet = decoded("3b 10 0001 61 0007 05 23 0003 0101 68656c6c6f", 5);
    EXPECT_EQ(packet,
              (json{{"packet", "publish"},
                    {"topic", "a"},
                    {"payload", "hello"},
                    {"qos", 1},
                    {"dup", true},
                    {"retain", true},
                    {"id", 7},
                    {"properties", {{"topic_alias", 3}, {"payload_format_indicator", 1}}}}));
    EXPECT_EQ(encode({{"packet", "publish"},
                      {"topic", "a"},
                      {"payload", "hello"},
                      {"qos", 1},
                      {"dup", true},
                      {"retain", true},
                      {"id", 7},
                      {"properties", json::array({json::array({"topic_alias", 3}),
                                                  json::array({"payload_format_indicator", 1})})}},
                     5),
              bytes("3b 10 0001 61 0007 05 23 0003 0101 68656c6c6f"));
}

TEST(ConformanceWire, RefusesWhatAServerMayNotSend) {
    for (const auto* hex : {"20 02 02 00", "36 03 0001 61", "38 03 0001 61", "30 03 0001 23",
                            "30 03 0001 ff", "32 05 0001 61 0000", "c0 00", "d0 01 00",
                            "60 02 0001", "30 83 00 0001 61", "90 03 0001 03", "e0 00"}) {
        EXPECT_THROW(static_cast<void>(decoded(hex, 4)), wire_error) << hex;
    }
    for (const auto* hex : {"20 06 00 00 03 21 0000", "20 09 00 00 06 21 0001 21 0001",
                            "20 05 00 00 02 01 00", "40 03 0001 01", "20 03 01 80 00"}) {
        EXPECT_THROW(static_cast<void>(decoded(hex, 5)), wire_error) << hex;
    }
}

TEST(ConformanceWire, TakesOnlyWholePackets) {
    auto stream = bytes("d0 00 30 05 0001 61 78");
    EXPECT_EQ(take_frame(stream).value().size, 2U);
    EXPECT_FALSE(take_frame(stream).has_value());
    stream += "y";
    EXPECT_EQ(take_frame(stream).value().body.size(), 5U);
    EXPECT_TRUE(stream.empty());
}

TEST(ConformanceWire, KnowsWellFormedText) {
    EXPECT_TRUE(is_mqtt_text("añ€\xf0\x9f\x98\x80\xef\xbb\xbf"));
    for (const auto* hex : {"00", "c0af", "eda080", "f4908080", "80", "c3", "ff"}) {
        EXPECT_FALSE(is_mqtt_text(bytes(hex))) << hex;
    }
}

TEST(ConformanceMatch, NamesAreBoundOnceAndHold) {
    bindings names;
    const json pattern{{"id", "@m"}};
    EXPECT_EQ(mismatch(pattern, {{"id", 7}}, names), "");
    EXPECT_EQ(mismatch(pattern, {{"id", 8}}, names), "id is 8");
    EXPECT_EQ(with_names(pattern, names), (json{{"id", 7}}));
    EXPECT_THROW(static_cast<void>(with_names({{"id", "@other"}}, names)), wire_error);
}

TEST(ConformanceMatch, PropertiesMayBeRequiredForbiddenOrComplete) {
    bindings names;
    const json packet{{"properties", {{"subscription_identifier", {2, 1}}, {"topic_alias", 3}}}};
    const auto check = [&](const json& expected) { return mismatch(expected, packet, names); };
    EXPECT_EQ(check({{"properties", {{"subscription_identifier", {1, 2}}}}}), "");
    EXPECT_EQ(check({{"properties", {{"topic_alias", {{"between", {1, 3}}}}}}}), "");
    EXPECT_NE(check({{"properties", {{"topic_alias", {{"between", {4, 9}}}}}}}), "");
    EXPECT_NE(check({{"properties", {{"content_type", {{"any", true}}}}}}), "");
    EXPECT_NE(check({{"absent", {"topic_alias"}}}), "");
    EXPECT_NE(check({{"properties", {{"topic_alias", 3}}}, {"only", true}}), "");
}

/// The exchange of RFC 7677, section 3.
TEST(ConformanceScram, AnswersTheExampleOfItsStandard) {
    scram_client client("user", "pencil");
    EXPECT_EQ(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    const std::string nonces = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    EXPECT_EQ(client.final(nonces + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
              "c=biws," + nonces + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_EQ(client.expected_end(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_THROW(static_cast<void>(client.final("r=other,s=AAAA,i=4096")), wire_error);
}

TEST(ConformanceCases, EachIsRunnableAndCoversKnownStatements) {
    const auto known = load_statements(GRAPEVINE_CONFORMANCE_FOLDER);
    const std::set<std::string> statements(known.begin(), known.end());
    EXPECT_EQ(statements.size(), known.size()) << "a statement is listed twice";
    std::set<std::string> names;
    for (const auto& one : load_cases(GRAPEVINE_CONFORMANCE_FOLDER "/cases")) {
        EXPECT_EQ(check_steps(one.steps), "") << one.file << ": " << one.name;
        EXPECT_FALSE(one.versions.empty()) << one.name;
        for (const auto& statement : one.statements) {
            EXPECT_TRUE(statements.contains(statement)) << one.name << ": " << statement;
        }
        for (const auto level : one.versions) {
            EXPECT_TRUE(names.insert(one.test_name(level)).second) << "twice: " << one.name;
        }
    }
}

} // namespace
} // namespace gv::conformance
