// SPDX-License-Identifier: Apache-2.0
// What a session may use, and what a front counts: plain structs that the server fills from its
// options, so that this layer knows nothing of files and flags.
#pragma once

#include "broker/mqtt/packet.hpp"
#include "broker/session/outbound.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace gv::session {

/// Immutable; replaced as a whole by a reload.
struct session_limits {
    outbound_limits outbound;           ///< of sessions that outlive their connection
    outbound_limits outbound_in_memory; ///< of the others
    std::size_t output_bytes_max = std::size_t{1} << 20; ///< buffered per connection: full beyond
    std::uint32_t packet_size_max = std::uint32_t{16} << 20;
    std::uint32_t connect_size_max = std::uint32_t{256} << 10; ///< before a client is known
    std::uint32_t session_expiry_max = 365 * 86'400;           ///< seconds
    std::uint32_t session_expiry_v3 = 30 * 86'400; ///< of a v3 client without clean session
    std::uint32_t filters_per_subscribe_max = 0;   ///< 0: no cap
    std::uint32_t subscriptions_max = 100'000;
    std::uint16_t receive_maximum = 1000; ///< announced to v5 clients
    std::uint16_t in_flight_max_v3 = 100;
    std::uint16_t topic_alias_max_in = 256;
    std::uint16_t topic_alias_max_out = 16;
    std::uint16_t topic_levels_max = 128;
    std::uint16_t filter_length_max = 65'535;
    std::uint16_t client_id_length_max = 65'535;
    std::size_t retained_payload_max = 0; ///< larger ones are delivered, not kept; 0: no limit
    std::uint16_t keep_alive_max = 0;     ///< seconds; 0: as asked
    std::chrono::milliseconds connect_timeout{10'000};
    qos quality_max = qos::exactly_once;
    bool retain_available = true;
    bool wildcards_available = true;
    bool subscription_ids_available = true;
    bool shared_available = true;
    bool traces_packets = false;       ///< each packet is a line of the log
    bool drops_qos0_when_full = false; ///< else publishers are held for it as for QoS 1 and 2
    bool allows_v3_1 = true;
    bool allows_v3_1_1 = true;
    bool allows_v5 = true;
    std::string response_information;
    std::string server_reference;
};

/// Counted on the hot path without any synchronisation; the shard publishes it once in a while.
struct traffic {
    std::array<std::uint64_t, 16> packets_received{}; ///< by packet type
    std::array<std::uint64_t, 16> packets_sent{};
    std::array<std::uint64_t, 3> messages_received{}; ///< by QoS
    std::array<std::uint64_t, 3> messages_sent{};
    std::uint64_t payload_bytes_received = 0;
    std::uint64_t payload_bytes_sent = 0;
    std::uint64_t publishes_denied = 0;
    std::uint64_t retransmitted = 0;             ///< with DUP
    std::array<std::uint64_t, 6> dropped{};      ///< by drop_reason
    std::array<std::uint64_t, 256> violations{}; ///< by reason code
};

} // namespace gv::session
