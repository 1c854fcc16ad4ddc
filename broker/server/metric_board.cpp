// SPDX-License-Identifier: Apache-2.0
#include "broker/server/metric_board.hpp"

#include "broker/server/publish_metrics.hpp"

namespace gv::server {

metric_board::metric_board(std::span<const std::unique_ptr<shard::event_loop>> loops)
    : loops_(loops) {
    for (std::size_t shard = 0; shard < loops.size(); ++shard) {
        blocks_.push_back(std::make_unique<shard_metrics>());
        lanes_.push_back(std::make_unique<lane_metrics>());
    }
}

void metric_board::refresh(std::function<void()> done) {
    struct count_down {
        std::atomic<std::size_t> left;
        std::function<void()> done;
    };
    auto round = std::make_shared<count_down>(loops_.size(), std::move(done));
    for (std::size_t shard = 0; shard < loops_.size(); ++shard) {
        shard::event_loop& loop = *loops_[shard];
        loop.post([&loop, &into = *blocks_[shard], &lanes = *lanes_[shard], round] {
            publish_metrics(loop, into);
            publish_metrics(loop.logic(), lanes);
            if (--round->left == 0) {
                round->done();
            }
        });
    }
}

std::vector<const shard_metrics*> metric_board::blocks() const {
    std::vector<const shard_metrics*> all;
    for (const auto& each : blocks_) {
        all.push_back(each.get());
    }
    return all;
}

admin::readiness metric_board::state() const noexcept {
    const storage::store* store = store_.load();
    const admin::readiness now = readiness_.load();
    return now == admin::readiness::serving && store != nullptr && !store->counts().is_writable
               ? admin::readiness::not_storing
               : now;
}

shard_metrics metric_board::total() const { return sum_of(blocks()); }

std::vector<metric_family> metric_board::metrics() {
    read_process_metrics(process_, loops_.size());
    const storage::store* const store = store_.load();
    const storage::store_counts counts =
        store != nullptr ? store->counts() : storage::store_counts{};
    if (store != nullptr) {
        publish_metrics(counts, process_);
    }
    if (const space_watch* disk = disk_.load()) {
        const shard::store_room room = counts.is_stalled ? shard::store_room::none : disk->room();
        process_.store_free.set(static_cast<std::int64_t>(disk->free_bytes()));
        process_.store_refusing.set(static_cast<std::int64_t>(room));
    }
    static const cluster::membership_metrics no_members;
    static const exchange_metrics no_exchange;
    cluster_blocks cluster{.lanes = {},
                           .members = cluster_ != nullptr ? &cluster_->members() : &no_members,
                           .exchange = cluster_ != nullptr ? &cluster_->exchange() : &no_exchange};
    for (const auto& each : lanes_) {
        cluster.lanes.push_back(each.get());
    }
    std::vector<metric_family> all = collect(blocks(), process_, cluster);
    if (store == nullptr) {
        // A 0 would be an alarm.
        std::erase_if(all, [](const metric_family& each) {
            return each.row.name == decltype(process_.store_writable)::row.name;
        });
    }
    return all;
}

} // namespace gv::server
