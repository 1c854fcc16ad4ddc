// SPDX-License-Identifier: Apache-2.0
// What makes a whole broker one of a later release, beside future_wire.cpp: the wire versions that
// it speaks, by the variable FUTURE_WIRE ("1-2", which is also what it is without), and that it
// knows the fields which a later release tells of its nodes. The log tells of whom it has heard
// them (future_row), and if its own came back otherwise than it told them (future_row_changed).
#include "base/log.hpp"
#include "cluster/wire_membership.hpp"
#include "tests/future/future_wire.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

namespace gv::cluster::future {

namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] bool is_as_told(const member_row& row) {
    return row.unknown == unknown_of_row(row.profile.name)
           && row.profile.unknown == unknown_of_profile(row.profile.name)
           && (row.profile.features & feature) != 0;
}

/// Calls of gRPC's threads and of the broker's.
class rows_of_others {
  public:
    void see(const member_row& row) {
        if (row.profile.unknown.empty() && row.unknown.empty()) {
            return; // of this release
        }
        const std::lock_guard lock(mutex_);
        if (seen_.insert({row.node, row.boot}).second || !is_as_told(row)) {
            log::info("future_row", {{"node", row.profile.name}, {"as_told", is_as_told(row)}});
        }
    }

  private:
    std::mutex mutex_;
    std::set<std::pair<node_id, boot_id>> seen_;
};

rows_of_others others;

/// A release that knows the fields has them in its structs; here they are in its head.
void learn(std::vector<member_row>& rows) {
    for (member_row& row : rows) {
        if (row.node != self()) {
            others.see(row);
            continue;
        }
        // An earlier life may have been one of today's release.
        if (row.boot == self_boot() && !is_as_told(row)) {
            log::error("future_row_changed", {{"node", row.profile.name}});
        }
        row.unknown.clear();
        row.profile.unknown.clear();
        row.profile.features &= ~feature;
    }
}

} // namespace

wire_range spoken() asm("__wrap__ZN2gv7cluster11spoken_wireEv");
wire_range spoken() {
    unsigned min = 1;
    unsigned max = 2;
    if (const char* const wanted = std::getenv("FUTURE_WIRE")) {
        if (std::sscanf(wanted, "%u-%u", &min, &max) != 2) {
            log::error("future_wire", {{"remedy", "FUTURE_WIRE=1-2"}});
            std::abort();
        }
    }
    return {.min = static_cast<std::uint16_t>(min), .max = static_cast<std::uint16_t>(max)};
}

// clang-format off
result<envelope, decode_fault> real(const wire::Envelope&, const message_limits&)
    asm("__real__ZN2gv7cluster6decodeERKN9grapevine7cluster2v18EnvelopeERKNS0_14message_limitsE");
result<envelope, decode_fault> step_in(const wire::Envelope&, const message_limits&)
    asm("__wrap__ZN2gv7cluster6decodeERKN9grapevine7cluster2v18EnvelopeERKNS0_14message_limitsE");
// clang-format on

result<envelope, decode_fault> step_in(const wire::Envelope& in, const message_limits& limits) {
    auto read = real(in, limits);
    if (!read) {
        return read;
    }
    learn(read->gossip);
    if (auto* const question = std::get_if<push_pull>(&read->body)) {
        learn(question->rows);
    } else if (auto* const answer = std::get_if<push_pull_answer>(&read->body)) {
        learn(answer->rows);
    }
    return read;
}

} // namespace gv::cluster::future
