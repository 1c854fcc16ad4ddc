// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/websocket_handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::transport {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string request(std::string_view headers) {
    return "GET /any/path?x=y HTTP/1.1\r\nHost: example.org\r\nUpgrade: WebSocket\r\n"
           "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Version: 13\r\n"
           + std::string(headers) + "\r\n";
}

upgrade accepted(const std::string& bytes, const websocket_options& options = {}) {
    upgrade_reader reader(options);
    auto verdict = reader.put(bytes);
    if (!verdict || !*verdict) {
        ADD_FAILURE() << (verdict ? verdict->error().reason : "no verdict");
        return {};
    }
    return std::move(**verdict);
}

refusal refused(const std::string& bytes, const websocket_options& options = {}) {
    upgrade_reader reader(options);
    auto verdict = reader.put(bytes);
    if (!verdict || *verdict) {
        ADD_FAILURE() << "not refused";
        return {};
    }
    return verdict->error();
}

TEST(UpgradeReader, TakesTheFirstSubprotocolOfTheClientThatIsOurs) {
    struct row {
        const char* headers;
        const char* chosen;
    };
    for (const auto& [headers, chosen] : {
             row{"Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
             row{"Sec-WebSocket-Protocol: mqttv3.1\r\n", "mqttv3.1"},
             row{"Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n", "mqttv3.1"},
             row{"Sec-WebSocket-Protocol: chat,  mqtt , mqttv3.1\r\n", "mqtt"},
             row{"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
         }) {
        EXPECT_EQ(accepted(request(headers)).subprotocol, chosen) << headers;
    }
}

TEST(UpgradeReader, RefusesClientsThatOfferNoMqtt) {
    for (const auto* headers :
         {"", "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol: MQTT\r\n"}) {
        const auto why = refused(request(headers));
        EXPECT_THAT(why.response, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
        EXPECT_THAT(why.response, HasSubstr("offers neither subprotocol \"mqtt\""));
        EXPECT_THAT(why.reason, HasSubstr("offers neither subprotocol"));
    }
}

TEST(UpgradeReader, WaitsForTheWholeRequest) {
    const websocket_options options;
    upgrade_reader reader(options);
    const auto bytes = request("Sec-WebSocket-Protocol: mqtt\r\n");
    for (std::size_t at = 0; at + 1 < bytes.size(); ++at) {
        ASSERT_FALSE(reader.put(bytes.substr(at, 1)).has_value()) << at;
    }
    const auto verdict = reader.put("\n");
    ASSERT_TRUE(verdict.has_value());
    EXPECT_TRUE(verdict->has_value());
}

TEST(UpgradeReader, KeepsWhatFollowsTheRequest) {
    EXPECT_EQ(accepted(request("Sec-WebSocket-Protocol: mqtt\r\n") + "frames").leftover, "frames");
}

TEST(UpgradeReader, TellsAPlainRequestWhatThisPortIs) {
    const auto why = refused("GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(why.response, StartsWith("HTTP/1.1 426 Upgrade Required\r\n"));
    EXPECT_THAT(why.response, HasSubstr("Upgrade: websocket\r\n"));
    EXPECT_THAT(why.response, HasSubstr("This port speaks MQTT over WebSocket"));
    EXPECT_EQ(why.reason, "plain HTTP request (GET /index.html) on a WebSocket port");
}

TEST(UpgradeReader, AnswersCarryTheirLength) {
    const auto text = refused("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").response;
    const auto body = text.substr(text.find("\r\n\r\n") + 4);
    EXPECT_THAT(text, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
}

TEST(UpgradeReader, RecognisesOtherProtocolsByTheirFirstByte) {
    EXPECT_EQ(refused(std::string("\x10\x0c\x00\x04MQTT", 8)).reason,
              "plain MQTT on a WebSocket port");
    EXPECT_EQ(refused(std::string("\x16\x03\x01", 3)).reason, "TLS on a plain WebSocket port");
    EXPECT_EQ(refused(std::string("\x00", 1)).reason, "not HTTP");
    EXPECT_EQ(refused(std::string("\x10", 1)).response, "") << "whoever it is expects no HTTP";
}

TEST(UpgradeReader, RefusesMalformedRequests) {
    for (const auto* bytes : {"GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n",
                              "GET / HTTP/1.1\r\nno colon\r\n\r\n"}) {
        const auto why = refused(bytes);
        EXPECT_THAT(why.response, StartsWith("HTTP/1.1 400 ")) << bytes;
        EXPECT_THAT(why.reason, StartsWith("malformed HTTP request: "));
    }
}

TEST(UpgradeReader, LimitsTheHeader) {
    const websocket_options options{.origins = {},
                                    .header_bytes_max = 1024,
                                    .handshake_timeout = {},
                                    .trusts_forwarded = false};
    const auto why = refused(request("Cookie: " + std::string(2'000, 'c') + "\r\n"), options);
    EXPECT_THAT(why.response, StartsWith("HTTP/1.1 431 "));
    EXPECT_EQ(why.reason, "the HTTP header is larger than 1024 bytes");

    upgrade_reader endless(options);
    std::optional<result<upgrade, refusal>> verdict;
    for (int count = 0; count < 10'000 && !verdict; ++count) {
        verdict = endless.put("A");
    }
    EXPECT_TRUE(verdict.has_value()) << "a request line without end";
}

TEST(UpgradeReader, KeepsOriginsOutThatAreNotListed) {
    const std::string mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    websocket_options options;
    EXPECT_EQ(accepted(request(mqtt + "Origin: https://anything\r\n"), options).subprotocol,
              "mqtt");
    options.origins = {"https://good.example"};
    EXPECT_EQ(accepted(request(mqtt), options).subprotocol, "mqtt") << "no browser";
    EXPECT_EQ(accepted(request(mqtt + "Origin: https://GOOD.example\r\n"), options).subprotocol,
              "mqtt");
    const auto why = refused(request(mqtt + "Origin: https://evil.example\r\n"), options);
    EXPECT_THAT(why.response, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
    EXPECT_THAT(why.reason, HasSubstr("https://evil.example"));
}

TEST(UpgradeReader, BelievesAProxyOnlyWhereToldTo) {
    const std::string mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    websocket_options options;
    EXPECT_EQ(accepted(request(mqtt + "X-Real-IP: 192.0.2.9\r\n"), options).real_peer,
              std::nullopt);
    options.trusts_forwarded = true;
    EXPECT_EQ(accepted(request(mqtt + "X-Real-IP: 192.0.2.9\r\n"), options).real_peer->host(),
              "192.0.2.9");
    EXPECT_EQ(accepted(request(mqtt + "X-Forwarded-For: 10.6.6.6, 2001:db8::5\r\n"), options)
                  .real_peer->host(),
              "2001:db8::5")
        << "the last one: the others are the client's own words";
    EXPECT_EQ(accepted(request(mqtt + "X-Forwarded-For: unknown\r\n"), options).real_peer,
              std::nullopt);
}

} // namespace
} // namespace gv::transport
