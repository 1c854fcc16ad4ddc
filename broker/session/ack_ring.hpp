// SPDX-License-Identifier: Apache-2.0
// Acknowledgements that a publisher waits for, released in the order in which its messages arrived
// [MQTT-4.6.0-2, MQTT-4.6.0-3], whatever the order in which they were taken.
#pragma once

#include "base/ids.hpp"
#include "base/ring.hpp"
#include "broker/mqtt/packet.hpp"

#include <map>

namespace gv::session {

/// Names one message of one publisher until it is acknowledged.
using route_token = strong_id<struct route_token_tag, std::uint64_t>;

class ack_ring {
  public:
    /// Whether the session remembers the identifier until PUBREL comes.
    enum class identifier : std::uint8_t { forgotten, held };
    struct entry {
        packet_id id;
        mqtt::packet_type type = mqtt::packet_type::puback; ///< PUBACK or PUBREC
        identifier kept = identifier::forgotten;
        mqtt::reason_code reason = mqtt::reason_code::success;
        bool is_taken = false;
    };

    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    /// How many of them the session does not hold as well.
    [[nodiscard]] std::size_t not_held() const noexcept { return waiting_.size() - held_; }

    [[nodiscard]] std::size_t not_taken() const noexcept {
        std::size_t count = 0;
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            count += waiting_[i].is_taken ? 0U : 1U;
        }
        return count;
    }

    /// By the names of their messages.
    [[nodiscard]] std::map<route_token, packet_id> pubrecs_not_taken() const {
        std::map<route_token, packet_id> found;
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            const entry& each = waiting_[i];
            if (!each.is_taken && each.type == mqtt::packet_type::pubrec) {
                found.emplace(route_token{first_ + i}, each.id);
            }
        }
        return found;
    }

    route_token add(packet_id id, mqtt::packet_type type, identifier kept = identifier::forgotten) {
        waiting_.push_back({.id = id, .type = type, .kept = kept});
        held_ += kept == identifier::held ? 1U : 0U;
        return route_token{first_ + waiting_.size() - 1};
    }

    /// Marks one as taken. The caller then sends what next() gives.
    void take(route_token token, mqtt::reason_code reason) noexcept {
        const std::uint64_t index = token.value - first_;
        if (index < waiting_.size()) {
            waiting_[index].is_taken = true;
            waiting_[index].reason = reason;
        }
    }

    /// Null if it was given out by next().
    [[nodiscard]] const entry* find(route_token token) const noexcept {
        const std::uint64_t index = token.value - first_;
        return index < waiting_.size() ? &waiting_[index] : nullptr;
    }

    /// Whether the oldest may be sent now.
    [[nodiscard]] bool is_ready() noexcept {
        return !waiting_.empty() && waiting_.front().is_taken;
    }
    /// Requires: is_ready().
    entry next() {
        ++first_;
        held_ -= waiting_.front().kept == identifier::held ? 1U : 0U;
        return waiting_.pop_front();
    }
    /// Whether `id` waits here: a resend of it is then not routed again.
    [[nodiscard]] bool holds(packet_id id) const noexcept {
        for (std::size_t i = 0; i < waiting_.size(); ++i) {
            if (waiting_[i].id == id) {
                return true;
            }
        }
        return false;
    }

  private:
    ring<entry> waiting_;
    std::uint64_t first_ = 0;
    std::size_t held_ = 0;
};

} // namespace gv::session
