// SPDX-License-Identifier: Apache-2.0
#include "broker/server/observer.hpp"

#include "base/log.hpp"
#include "broker/server/metric_table.hpp"

#include <boost/asio/post.hpp>

namespace gv::server {

namespace {

/// Losses are told at most so often.
constexpr unsigned loss_period_seconds = 10;
/// Other nodes hear of this one so often.
constexpr unsigned figures_period_seconds = 2;
constexpr unsigned heap_period_seconds = 10;
constexpr std::string_view node_root = "$SYS/broker/node/";

} // namespace

observer::observer(boost::asio::io_context& control, metric_board& board,
                   shard::event_loop& publisher)
    : control_(control), board_(board), publisher_(publisher), second_(control), sys_(control),
      own_(std::chrono::steady_clock::now()) {}

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
    remove(topics_);
    for (auto& [node, each] : nodes_) {
        remove(each.topics);
    }
    nodes_.clear();
}

void observer::remove(sys_topics& topics) {
    std::vector<sys_value> removed;
    for (std::string& topic : topics.clear()) {
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
    if (cluster_ != nullptr && seconds_ % figures_period_seconds == 0) {
        refresh([this] {
            if (!is_stopped_) {
                cluster_->tell_figures(read_figures());
            }
        });
    }
    if (seconds_ % heap_period_seconds == 0) {
        look_at_heap();
    }
}

void observer::look_at_heap() {
    if (heap_.is_look_due(heap_bytes()) && heap_.is_trim_due(present_heap_use())) {
        trim_heap();
        heap_.trimmed(present_heap_use());
    }
}

cluster::node_figures observer::read_figures() {
    return own_.make(board_.total(), heap_bytes(), std::chrono::steady_clock::now());
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
    const time_point now = std::chrono::steady_clock::now();
    const cluster::node_figures own = read_figures();
    if (cluster_ == nullptr) {
        publish(topics_.update(own, own.counters, now));
    } else {
        publish_of_all(own, now);
    }
    wait_for_sys();
}

void observer::publish_of_all(const cluster::node_figures& own, time_point now) {
    std::vector<peer_figures> nodes = cluster_->figures();
    const figure_sums::summed all = sums_.add(own, nodes);
    publish(topics_.update(all.shown, all.progress, now));
    std::erase_if(nodes, [](const peer_figures& each) { return !each.is_there; });
    nodes.push_back({.node = cluster_->self(),
                     .boot = boot_id{1},
                     .name = cluster_->name(),
                     .is_there = true,
                     .figures = own});
    publish_of_nodes(nodes, now);
}

void observer::publish_of_nodes(std::span<const peer_figures> nodes, time_point now) {
    std::vector<std::pair<node_id, std::string>> called;
    for (const peer_figures& each : nodes) {
        called.emplace_back(each.node, each.name);
    }
    const std::map<node_id, std::string> names = topic_names(called);
    remove_all_but(names);
    for (const peer_figures& each : nodes) {
        publish(
            topics_of(each, names.at(each.node)).update(each.figures, each.figures.counters, now));
    }
}

// Who is not there any more, or is called otherwise, has no topics.
void observer::remove_all_but(const std::map<node_id, std::string>& names) {
    for (auto each = nodes_.begin(); each != nodes_.end();) {
        const auto name = names.find(each->first);
        if (name != names.end() && name->second == each->second.name) {
            ++each;
        } else {
            remove(each->second.topics);
            each = nodes_.erase(each);
        }
    }
}

// A new life begins its loads anew, under the same topics.
sys_topics& observer::topics_of(const peer_figures& node, const std::string& name) {
    const auto known = nodes_.find(node.node);
    if (known != nodes_.end() && known->second.boot == node.boot) {
        return known->second.topics;
    }
    node_topics fresh{
        .name = name, .boot = node.boot, .topics = sys_topics(std::string(node_root) + name + "/")};
    return nodes_.insert_or_assign(node.node, std::move(fresh)).first->second.topics;
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
