// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per packet of the codec's hot path, the best of several rounds. Run it on an idle
// core: `taskset -c 0 mqtt_codec_bench`.
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/encode.hpp"
#include "broker/mqtt/frame.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

namespace {

using namespace gv;
using namespace gv::mqtt;

constexpr int packets_per_pass = 1'000;
constexpr int passes = 2'000;
constexpr int rounds = 7;

/// Keeps the compiler from seeing through a value.
template <typename Value>
void keep(const Value& value) {
    asm volatile("" : : "r"(&value) : "memory");
}

template <typename Work>
void measure(const char* name, Work work) {
    double best = 1e9;
    for (int round = 0; round < rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (int pass = 0; pass < passes; ++pass) {
            work();
        }
        const std::chrono::duration<double, std::nano> spent =
            std::chrono::steady_clock::now() - start;
        best = std::min(best, spent.count() / packets_per_pass / passes);
    }
    std::printf("%-44s %6.2f ns\n", name, best);
}

/// A stream of equal packets, as a publisher sends them.
std::string stream_of(const packet_view& packet, protocol_version version) {
    std::string stream;
    for (int i = 0; i < packets_per_pass; ++i) {
        encode(packet, version, stream);
    }
    return stream;
}

void measure_publish(const char* name, const publish_view& packet, protocol_version version) {
    const std::string stream = stream_of(packet, version);
    measure(name, [&] {
        std::string_view rest = stream;
        publish_view out;
        while (!rest.empty()) {
            const frame found = next_frame(rest);
            const auto fault =
                decode_publish(found.first_byte, found.body, version, peer::client, out);
            keep(out);
            keep(fault);
            rest.remove_prefix(found.size);
        }
    });
}

void measure_acks() {
    const std::string stream = stream_of(ack_view{.id = packet_id{7}}, protocol_version::v3_1_1);
    measure("frame and decode PUBACK", [&] {
        std::string_view rest = stream;
        ack_view out;
        while (!rest.empty()) {
            const frame found = next_frame(rest);
            const auto fault = decode_ack(found.first_byte, found.body, protocol_version::v3_1_1,
                                          peer::client, out);
            keep(out);
            keep(fault);
            rest.remove_prefix(found.size);
        }
    });
}

void measure_write(const char* name, protocol_version version) {
    std::string topic = "bench/pair/17";
    std::string payload(64, 'p');
    char buffer[256];
    measure(name, [&] {
        for (int i = 0; i < packets_per_pass; ++i) {
            keep(topic);
            const publish_parts parts{.topic = topic, .quality = qos::at_most_once};
            keep(*write_publish(buffer, parts, payload, version));
            keep(buffer);
        }
    });
}

} // namespace

int main() {
    const std::string payload(64, 'p');
    property_writer properties;
    properties.add_pair("key", "value");
    publish_view packet{.topic = "bench/pair/17", .payload = payload};
    measure_publish("frame and decode PUBLISH, 3.1.1, QoS 0", packet, protocol_version::v3_1_1);
    measure_publish("frame and decode PUBLISH, 5.0, QoS 0", packet, protocol_version::v5);
    packet.topic = "t/17";
    measure_publish("  the same, topic of 4 bytes", packet, protocol_version::v3_1_1);
    packet.topic = "building/7/floor/3/room/12/sensor/temperature/celsius";
    measure_publish("  the same, topic of 53 bytes", packet, protocol_version::v3_1_1);
    packet.topic = "gel\xc3\xa4nde/haus/k\xc3\xbc\x63he";
    measure_publish("  the same, topic beyond ASCII", packet, protocol_version::v3_1_1);
    packet.topic = "bench/pair/17";
    packet.properties = properties.view();
    measure_publish("  the same, 5.0 with a user property", packet, protocol_version::v5);
    measure_acks();
    measure_write("write PUBLISH, 3.1.1", protocol_version::v3_1_1);
    measure_write("write PUBLISH, 5.0", protocol_version::v5);
}
