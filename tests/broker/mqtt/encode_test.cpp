// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/describe.hpp"
#include "broker/mqtt/encode.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gv::mqtt {
namespace {

template <typename Packet>
std::string encoded(const Packet& packet, protocol_version version) {
    std::string out;
    encode(packet, version, out);
    return out;
}

TEST(EncodeConnack, RefusesInTheWordsOfTheVersion) {
    const connack_view packet{.reason = reason_code::banned};
    EXPECT_EQ(encoded(packet, v3_1_1), wire(0x20, 2, // CONNACK
                                            0,       // no session
                                            5));     // not authorized
    EXPECT_EQ(encoded(packet, v5), wire(0x20, 3,     // CONNACK
                                        0,           // no session
                                        0x8a,        // banned
                                        0));         // property length
}

TEST(EncodeConnack, SessionPresentIsUnknownTo31) {
    const connack_view packet{.session_present = true};
    EXPECT_EQ(encoded(packet, v3_1), wire(0x20, 2, 0, 0));
    EXPECT_EQ(encoded(packet, v3_1_1), wire(0x20, 2, 1, 0));
}

TEST(EncodeSuback, FailureIs80Before5) {
    const suback_view packet{.type = packet_type::suback,
                             .id = packet_id{0x0102},
                             .reasons = {reason_code::granted_qos_2, reason_code::not_authorized}};
    EXPECT_EQ(encoded(packet, v3_1_1), wire(0x90, 4, 1, 2, 2, 0x80));
    EXPECT_EQ(encoded(packet, v5), wire(0x90, 5, 1, 2, 0, 2, 0x87));
}

TEST(EncodeUnsuback, HasNoReasonsBefore5) {
    const suback_view packet{.type = packet_type::unsuback,
                             .id = packet_id{7},
                             .reasons = {reason_code::no_subscription_existed}};
    EXPECT_EQ(encoded(packet, v3_1_1), wire(0xb0, 2, 0, 7));
    EXPECT_EQ(encoded(packet, v5), wire(0xb0, 4, 0, 7, 0, 0x11));
}

TEST(EncodeDisconnect, SaysNothingThatGoesWithoutSaying) {
    EXPECT_EQ(encoded(disconnect_view{}, v5), wire(0xe0, 0));
    EXPECT_EQ(encoded(disconnect_view{.reason = reason_code::server_shutting_down}, v5),
              wire(0xe0, 2, 0x8b, 0));
    EXPECT_EQ(encoded(disconnect_view{.reason = reason_code::server_shutting_down}, v3_1_1),
              wire(0xe0, 0));
}

TEST(EncodeAck, TakesTheShortestForm) {
    property_writer properties;
    properties.add(property::reason_string, "no");
    const ack_view plain{.type = packet_type::pubrel, .id = packet_id{1}};
    const ack_view failed{
        .type = packet_type::pubrec, .id = packet_id{1}, .reason = reason_code::not_authorized};
    const ack_view wordy{
        .type = packet_type::puback, .id = packet_id{1}, .properties = properties.view()};
    EXPECT_EQ(encoded(plain, v5), wire(0x62, 2, 0, 1));
    EXPECT_EQ(encoded(failed, v5), wire(0x50, 3, 0, 1, 0x87));
    EXPECT_EQ(encoded(failed, v3_1_1), wire(0x50, 2, 0, 1));
    EXPECT_EQ(encoded(wordy, v5), wire(0x40, 9, 0, 1, 0, 5, 0x1f, 0, 2, "no"));
}

TEST(WriteAck, IsWhatEncodeMakes) {
    for (const auto type :
         {packet_type::puback, packet_type::pubrec, packet_type::pubrel, packet_type::pubcomp}) {
        for (const auto reason : {reason_code::success, reason_code::packet_identifier_not_found}) {
            for (const auto version : versions) {
                char written[ack_size_max];
                char* const end = write_ack(written, type, packet_id{300}, reason, version);
                EXPECT_EQ(std::string(written, end),
                          encoded(ack_view{.type = type, .id = packet_id{300}, .reason = reason},
                                  version));
            }
        }
    }
}

TEST(WritePublish, JoinsForwardedAndAddedProperties) {
    property_writer forwarded;
    forwarded.add(property::payload_format_indicator, 1);
    property_writer added;
    added.add(property::subscription_identifier, 5).add(property::subscription_identifier, 6);
    const publish_parts parts{.topic = "a/b",
                              .forwarded = forwarded.view().raw(),
                              .added = added.view().raw(),
                              .id = packet_id{9},
                              .quality = qos::exactly_once,
                              .dup = true,
                              .retain = true};
    const std::string expected_v5 = wire(0x3d, 16,         // PUBLISH, DUP, QoS 2, retain
                                         0, 3, "a/b",      // topic
                                         0, 9,             // packet id
                                         6,                // property length
                                         0x01, 1,          //   forwarded
                                         0x0b, 5, 0x0b, 6, //   added
                                         "hi");            // payload
    char buffer[64];
    EXPECT_EQ(std::string(buffer, write_publish(buffer, parts, "hi", v5)), expected_v5);
    EXPECT_EQ(publish_size(parts, 2, v5), expected_v5.size());
    const std::string expected_v3 = wire(0x3d, 9, 0, 3, "a/b", 0, 9, "hi");
    EXPECT_EQ(std::string(buffer, write_publish(buffer, parts, "hi", v3_1_1)), expected_v3);
    EXPECT_EQ(publish_size(parts, 2, v3_1_1), expected_v3.size());
}

TEST(WritePublish, HeaderAloneCountsThePayload) {
    const publish_parts parts{.topic = "t"};
    char buffer[64];
    char* const end = write_publish_header(buffer, parts, 70'000, v5);
    EXPECT_EQ(std::string(buffer, end), wire(0x30, 0xf4, 0xa2, 0x04, // PUBLISH of 70,004 bytes
                                             0, 1, "t",              // topic
                                             0));                    // property length
    EXPECT_EQ(publish_header_size(parts, 70'000, v5), static_cast<std::size_t>(end - buffer));
    EXPECT_EQ(publish_size(parts, 70'000, v5), 70'008U);
}

TEST(WritePublish, SizeFitsAtEveryStepOfTheLength) {
    for (const std::size_t size :
         {0UZ, 1UZ, 123UZ, 124UZ, 125UZ, 126UZ, 16'379UZ, 16'380UZ, 2'097'147UZ, 2'097'149UZ}) {
        for (const auto version : versions) {
            const std::string payload(size, 'p');
            std::string out;
            encode(publish_view{.topic = "t", .payload = payload}, version, out);
            const frame found = next_frame(out);
            ASSERT_EQ(found.state, frame_state::complete);
            EXPECT_EQ(found.size, out.size());
            publish_view back;
            ASSERT_FALSE(decode_publish(found.first_byte, found.body, version, peer::server, back));
            EXPECT_EQ(back.payload, payload);
        }
    }
}

TEST(Encode, AppendsAfterWhatIsThere) {
    std::string out = "before";
    encode(pingreq_view{}, v5, out);
    encode(pingresp_view{}, v5, out);
    EXPECT_EQ(out, "before" + wire(0xc0, 0, 0xd0, 0));
}

TEST(EncodeDeath, AssertsThatStringsFit) {
    std::string out;
    const std::string long_text(65'536, 'a');
    EXPECT_DEATH(encode(publish_view{.topic = long_text}, v5, out), "too long for a topic");
    EXPECT_DEATH(encode(unsubscribe_view{.filters = {long_text}}, v5, out), "too long for a field");
}

struct trip {
    peer from;
    packet_view packet;
};

/// Packets with every field in use; the properties are left out before 5.0.
class RoundTrip : public testing::TestWithParam<protocol_version> {
  protected:
    static std::string some_properties() {
        return property_writer().add(property::reason_string, "because").add_pair("k", "v").take();
    }
    property_view reply_properties() const { return only_v5(reply_bytes_); }
    property_view user_properties() const { return only_v5(user_bytes_); }
    property_view only_v5(std::string_view bytes) const {
        return GetParam() == v5 ? property_view(bytes) : property_view();
    }
    /// A reason where the version can say it, else success.
    static reason_code since_5(reason_code reason) {
        return GetParam() == v5 ? reason : reason_code::success;
    }

    std::vector<trip> packets() const {
        std::vector<trip> all = {connect(),
                                 publish(),
                                 {peer::client, pingreq_view{}},
                                 {peer::server, pingresp_view{}},
                                 subscribe(),
                                 suback(),
                                 unsubscribe(),
                                 unsuback(),
                                 connack()};
        for (const auto type : {packet_type::puback, packet_type::pubrec, packet_type::pubrel,
                                packet_type::pubcomp}) {
            const bool is_first = type == packet_type::puback || type == packet_type::pubrec;
            all.push_back(
                {peer::client,
                 ack_view{.type = type,
                          .id = packet_id{77},
                          .reason = since_5(is_first ? reason_code::quota_exceeded
                                                     : reason_code::packet_identifier_not_found),
                          .properties = reply_properties()}});
        }
        all.push_back({peer::client,
                       disconnect_view{.reason = since_5(reason_code::disconnect_with_will_message),
                                       .properties = reply_properties()}});
        if (GetParam() == v5) {
            all.push_back({peer::server, auth_view{.reason = reason_code::continue_authentication,
                                                   .properties = property_view(auth_bytes_)}});
        }
        return all;
    }

    const std::string reply_bytes_ = some_properties();
    const std::string user_bytes_ = property_writer().add_pair("k", "v").take();
    const std::string auth_bytes_ =
        property_writer().add(property::authentication_method, "m").take();
    const std::string connack_bytes_ = property_writer()
                                           .add(property::assigned_client_identifier, "id")
                                           .add(property::maximum_packet_size, 1'000)
                                           .add(property::maximum_qos, 1)
                                           .take();
    const std::string will_bytes_ = property_writer().add(property::will_delay_interval, 5).take();

  private:
    trip connect() const {
        return {peer::client, connect_view{.version = GetParam(),
                                           .is_bridge = GetParam() != v5,
                                           .clean_start = false,
                                           .keep_alive = 1'000,
                                           .client_id = "client",
                                           .will = will_view{.topic = "w",
                                                             .payload = "bye",
                                                             .quality = qos::exactly_once,
                                                             .retain = true,
                                                             .properties = only_v5(will_bytes_)},
                                           .username = "user",
                                           .password = "secret",
                                           .properties = user_properties()}};
    }
    trip connack() const {
        return {peer::server, connack_view{.session_present = GetParam() != v3_1,
                                           .properties = only_v5(connack_bytes_)}};
    }
    trip publish() const {
        return {peer::client, publish_view{.topic = "a/b",
                                           .payload = "payload",
                                           .properties = user_properties(),
                                           .id = packet_id{5},
                                           .quality = qos::at_least_once,
                                           .dup = true,
                                           .retain = true}};
    }
    trip subscribe() const {
        const bool is_v5 = GetParam() == v5;
        return {peer::client,
                subscribe_view{.id = packet_id{6},
                               .properties = user_properties(),
                               .filters = {{.filter = "a/+", .quality = qos::exactly_once},
                                           {.filter = "#",
                                            .quality = qos::at_least_once,
                                            .no_local = is_v5,
                                            .retain_as_published = is_v5,
                                            .handling = is_v5 ? retain_handling::never
                                                              : retain_handling::always}}}};
    }
    trip suback() const {
        return {peer::server, suback_view{.type = packet_type::suback,
                                          .id = packet_id{6},
                                          .properties = reply_properties(),
                                          .reasons = {reason_code::granted_qos_2,
                                                      reason_code::unspecified_error}}};
    }
    trip unsubscribe() const {
        return {peer::client, unsubscribe_view{.id = packet_id{8},
                                               .properties = user_properties(),
                                               .filters = {"a/+", "#"}}};
    }
    trip unsuback() const {
        suback_view packet{
            .type = packet_type::unsuback, .id = packet_id{8}, .properties = reply_properties()};
        if (GetParam() == v5) {
            packet.reasons = {reason_code::success, reason_code::no_subscription_existed};
        }
        return {peer::server, packet};
    }
};

TEST_P(RoundTrip, DecodedPacketIsTheEncodedOne) {
    for (const auto& [from, packet] : packets()) {
        const std::string bytes = encoded(packet, GetParam());
        const auto decoded = decode_whole(bytes, GetParam(), from);
        ASSERT_TRUE(decoded) << describe(packet) << ": " << describe(decoded.error());
        EXPECT_TRUE(*decoded == packet) << describe(packet) << " became " << describe(*decoded);
    }
}

TEST_P(RoundTrip, PacketCutAnywhereInItsBodyIsRefusedOrShorter) {
    for (const auto& [from, packet] : packets()) {
        const std::string bytes = encoded(packet, GetParam());
        const std::string_view body = next_frame(bytes).body;
        for (std::size_t size = 0; size < body.size(); ++size) {
            // On the heap and exactly that long, so that a sanitizer sees a read beyond it.
            const std::vector<char> cut(body.begin(), body.begin() + static_cast<long>(size));
            const auto decoded = decode(static_cast<std::uint8_t>(bytes[0]),
                                        {cut.data(), cut.size()}, GetParam(), from);
            EXPECT_FALSE(decoded && *decoded == packet) << describe(packet) << " cut at " << size;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Versions, RoundTrip, testing::ValuesIn(versions), [](const auto& version) {
    return "Level" + std::to_string(static_cast<unsigned>(version.param));
});

} // namespace
} // namespace gv::mqtt
