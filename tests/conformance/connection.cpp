// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/connection.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace gv::conformance {

using std::chrono::milliseconds;

void demand(bool holds, const std::string& complaint) {
    if (!holds) {
        throw step_failure(complaint);
    }
}

milliseconds patience() {
    static const char* const given = std::getenv("CONFORMANCE_PATIENCE_MS");
    return milliseconds(given != nullptr ? std::atoi(given) : 3000);
}

void connection::open() {
    peer_ = given_.where.open(given_.name);
    unread_.clear();
    inbox_.clear();
    is_closed_ = false;
    watch_ = watch();
    note(" opens a connection");
}

void connection::cut() {
    demand(peer_.has_value(), given_.name + " has no connection");
    note(" breaks its connection");
    given_.where.cut(*peer_);
    peer_.reset();
    is_closed_ = true;
}

void connection::send(const json& packet) {
    watch_.on_sent(packet, level_);
    write(encode(packet, level_), printable(packet));
}

void connection::send_together(const json& packets) {
    std::string bytes;
    for (const auto& packet : packets) {
        watch_.on_sent(packet, level_);
        bytes += encode(packet, level_);
    }
    write(bytes, printable(packets));
}

void connection::write(const std::string& bytes, const std::string& what) {
    demand(peer_.has_value(), given_.name + " has no connection");
    note(" → " + what);
    given_.where.write(*peer_, bytes);
}

bool connection::fill(milliseconds time) {
    demand(peer_.has_value() || is_closed_, given_.name + " has no connection");
    const auto until = std::chrono::steady_clock::now() + time;
    while (inbox_.empty() && !is_closed_) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        const auto arrived = given_.where.read(*peer_, std::max(left, milliseconds(0)));
        unread_ += arrived.bytes;
        while (auto raw = take_frame(unread_)) {
            take_in(*raw);
        }
        is_closed_ = arrived.is_closed;
        if (is_closed_) {
            note(" is closed by the broker");
        }
        if (arrived.bytes.empty() && !is_closed_) {
            break;
        }
    }
    return !inbox_.empty();
}

void connection::take_in(const frame& raw) {
    auto packet = decode(raw, level_);
    note(" ← " + printable(packet));
    watch_.on_received(packet, raw.size);
    inbox_.push_back(std::move(packet));
}

json connection::next() {
    if (!fill(patience())) {
        throw step_failure(
            given_.name
            + (is_closed_ ? " was closed instead of receiving a packet" : " received nothing"));
    }
    auto packet = std::move(inbox_.front());
    inbox_.pop_front();
    return packet;
}

json connection::next_of(const std::string& type, std::uint32_t id) {
    std::deque<json> passed;
    while (fill(patience())) {
        auto packet = std::move(inbox_.front());
        inbox_.pop_front();
        if (packet.at("packet") == type && (id == 0 || packet.at("id") == id)) {
            std::ranges::move(inbox_, std::back_inserter(passed));
            inbox_ = std::move(passed);
            return packet;
        }
        passed.push_back(std::move(packet));
    }
    inbox_ = std::move(passed);
    throw step_failure(given_.name + " received no " + type
                       + (is_closed_ ? " but was closed" : ""));
}

} // namespace gv::conformance
