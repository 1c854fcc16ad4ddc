// SPDX-License-Identifier: Apache-2.0
#include "broker/server/observer.hpp"

#include "base/log.hpp"
#include "broker/server/metric_table.hpp"

#include <boost/asio/post.hpp>

namespace gv::server {

namespace {

/// Losses are told at most so often.
constexpr unsigned loss_period_seconds = 10;

} // namespace

observer::observer(boost::asio::io_context& control, metric_board& board,
                   shard::event_loop& publisher)
    : control_(control), board_(board), publisher_(publisher), second_(control), sys_(control),
      topics_(std::chrono::steady_clock::now()) {}

void observer::start(std::chrono::milliseconds sys_interval) {
    sys_interval_ = sys_interval;
    wait_for_second();
    publish_sys();
}

void observer::set_interval(std::chrono::milliseconds sys_interval) {
    if (std::exchange(sys_interval_, sys_interval) == sys_interval) {
        return;
    }
    sys_.cancel();
    if (sys_interval_.count() > 0) {
        gather_sys();
        return;
    }
    std::vector<sys_value> removed;
    for (std::string& topic : topics_.clear()) {
        removed.push_back({.topic = std::move(topic), .text = {}});
    }
    publish(std::move(removed));
}

void observer::stop() {
    is_stopped_ = true;
    second_.cancel();
    sys_.cancel();
}

template <typename Next>
void observer::refresh(Next next) {
    board_.refresh([this, next] { boost::asio::post(control_, next); });
}

void observer::wait_for_second() {
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            on_second();
            wait_for_second();
        }
    });
}

void observer::on_second() {
    log::report_suppressed();
    if (++seconds_ % loss_period_seconds == 0) {
        refresh([this] {
            if (!is_stopped_) {
                losses_.tell(board_.total());
            }
        });
    }
}

void observer::wait_for_sys() {
    sys_.expires_after(sys_interval_);
    sys_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            gather_sys();
        }
    });
}

// One round at a time: a shard that is late delays the next.
void observer::gather_sys() {
    if (is_gathering_) {
        return;
    }
    is_gathering_ = true;
    refresh([this] {
        is_gathering_ = false;
        publish_sys();
    });
}

void observer::publish_sys() {
    if (is_stopped_ || sys_interval_.count() == 0) {
        return;
    }
    publish(topics_.update(board_.total(), heap_bytes(), std::chrono::steady_clock::now()));
    wait_for_sys();
}

// Retained and at QoS 2, as Mosquitto does: subscribers get the QoS they asked for.
void observer::publish(std::vector<sys_value> values) {
    publisher_.post([&core = publisher_.logic(), values = std::move(values)] {
        for (const sys_value& each : values) {
            core.publish({.header = {.quality = qos::exactly_once, .retain = true},
                          .topic = each.topic,
                          .payload = each.text});
        }
    });
}

} // namespace gv::server
