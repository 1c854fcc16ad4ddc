// SPDX-License-Identifier: Apache-2.0
#include "broker/server/dns.hpp"
#include "broker/server/seed_place.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gv::server {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;

TEST(SeedPlace, IsAHostAndAPortOrANameForSrv) {
    EXPECT_EQ(parse_seed("node2.home:7883"), (seed_place{.host = "node2.home", .port = 7883}));
    EXPECT_EQ(parse_seed("[fd00::2]:1"), (seed_place{.host = "fd00::2", .port = 1}));
    EXPECT_EQ(parse_seed("_cluster._tcp.grapevine.default.svc.cluster.local"),
              (seed_place{.host = "_cluster._tcp.grapevine.default.svc.cluster.local"}));
    EXPECT_EQ(parse_seed("srv:nodes.home"), (seed_place{.host = "nodes.home"}));
    EXPECT_TRUE(parse_seed("srv:nodes.home")->is_srv());
}

TEST(SeedPlace, WhatIsNeitherIsRefused) {
    for (const char* text : {"", "a", ":1", "a:", "a:0", "a:65536", "a:b", "a b:1", "fd00::2:1",
                             "[]:1", "[a:1", "a/b:1"}) {
        EXPECT_EQ(parse_seed(text), failure("is not host:port"s)) << text;
    }
    EXPECT_EQ(parse_seed("_a._tcp.b:1"), failure("has a port, which DNS is asked for"s));
    EXPECT_EQ(parse_seed("srv:"), failure("is not a name for SRV"s));
    EXPECT_EQ(parse_seed(std::string(256, '_')), failure("is longer than 255 bytes"s));
}

/// An answer to one question about SRV of _c._tcp.h with these rows, each with its owner first.
[[nodiscard]] std::vector<unsigned char> answer(const std::vector<std::string>& rows) {
    std::string bytes = "\x12\x34\x81\x80\x00\x01\x00"s;
    bytes += static_cast<char>(rows.size());
    bytes += "\x00\x00\x00\x00"s;                        // no authority, nothing else
    bytes += "\x02_c\x04_tcp\x01h\x00\x00\x21\x00\x01"s; // the question
    for (const std::string& row : rows) {
        bytes += row;
    }
    return {bytes.begin(), bytes.end()};
}

/// Of the name in the question: type, class IN, 30 s to live.
[[nodiscard]] std::string row(char type, const std::string& data) {
    return "\xc0\x0c\x00"s + type + "\x00\x01\x00\x00\x00\x1e\x00"s + static_cast<char>(data.size())
           + data;
}

[[nodiscard]] std::string srv(const std::string& port, const std::string& target) {
    return row('\x21', "\x00\x0a\x00\x05"s + port + target);
}

TEST(SrvAnswer, HasHostsAndPortsWhateverTheirPriority) {
    // The second target ends in the name of the question, from its third label on.
    const auto found = parse_srv_answer(
        answer({srv("\x1e\xcb"s, "\x01\x61\x00"s), srv("\x00\x01"s, "\x01\x62\xc0\x14"s)}));
    ASSERT_TRUE(found) << found.error();
    EXPECT_THAT(*found, ElementsAre(srv_target{.host = "a", .port = 7883},
                                    srv_target{.host = "b.h", .port = 1}));
}

TEST(SrvAnswer, OtherRowsAreSkipped) {
    const auto found =
        parse_srv_answer(answer({row('\x05', "\x01\x78\x00"s), srv("\x1e\xcb"s, "\x01\x61\x00"s)}));
    ASSERT_TRUE(found) << found.error();
    EXPECT_THAT(*found, ElementsAre(srv_target{.host = "a", .port = 7883}));
}

TEST(SrvAnswer, OnlySoManyTargetsAreTaken) {
    std::vector<std::string> rows(srv_targets_max + 10, srv("\x1e\xcb"s, "\x01\x61\x00"s));
    rows.front() = row('\x05', "\x01\x78\x00"s); // what is no target does not count
    const auto found = parse_srv_answer(answer(rows));
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->size(), srv_targets_max);
}

TEST(SrvAnswer, ADotOrNothingIsNoService) {
    const auto none = failure("DNS knows no service of that name"s);
    EXPECT_EQ(parse_srv_answer(answer({})), none);
    EXPECT_EQ(parse_srv_answer(answer({srv("\x00\x00"s, "\x00"s)})), none);
    EXPECT_EQ(parse_srv_answer(answer({srv("\x1e\xcb"s, "\x00"s)})), none);
    EXPECT_EQ(parse_srv_answer(answer({row('\x21', "\x00\x0a"s)})), none) << "too short";
}

TEST(SrvAnswer, GarbageIsRefusedWhereverItIsCut) {
    const auto whole = answer({srv("\x1e\xcb"s, "\x01\x61\x00"s)});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(parse_srv_answer({whole.data(), size})) << size;
    }
    EXPECT_TRUE(parse_srv_answer(whole));
    // A name that points to itself has no end.
    EXPECT_FALSE(parse_srv_answer(answer({srv("\x1e\xcb"s, "\xc0\x2c"s)})));
}

TEST(HostLookup, NumbersNeedNoDns) {
    const auto found = look_up_host("127.0.0.1", 5);
    ASSERT_TRUE(found) << found.error();
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->front().address().to_string(), "127.0.0.1");
    EXPECT_EQ(found->front().port(), 5);
}

} // namespace
} // namespace gv::server
