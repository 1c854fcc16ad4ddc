// SPDX-License-Identifier: Apache-2.0
// The metrics of all shards at one place: asks each shard to write its numbers up, and reads what
// is written. Thread-safe: shards write their own blocks, readers stop nobody.
#pragma once

#include "broker/admin/admin_source.hpp"
#include "broker/server/cluster_service.hpp"
#include "broker/server/metric_table.hpp"
#include "broker/server/metrics.hpp"
#include "broker/server/space_watch.hpp"
#include "broker/shard/event_loop.hpp"
#include "storage/store.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace gv::server {

class metric_board final : public admin::admin_source {
  public:
    /// Lifetime: `loops` outlive it, their threads do not.
    explicit metric_board(std::span<const std::unique_ptr<shard::event_loop>> loops);

    /// The sums of what was written last.
    [[nodiscard]] shard_metrics total() const;
    /// What the process keeps its messages in; null: nothing. Before the first refresh(). Lifetime:
    /// outlives it.
    void watch(const storage::store* kept_in) noexcept { store_ = kept_in; }
    /// How much room its disk has; null: unknown. Lifetime: outlives it.
    void watch_disk(const space_watch* disk) noexcept { disk_ = disk; }
    /// The cluster that this node is in; null: none. Lifetime: outlives it.
    void watch_cluster(const cluster_service* cluster) noexcept { cluster_ = cluster; }
    /// What state() says from now on.
    void set_readiness(admin::readiness now) noexcept { readiness_.store(now); }

    // admin::admin_source
    void refresh(std::function<void()> done) override;
    [[nodiscard]] std::vector<metric_family> metrics() override;
    [[nodiscard]] admin::readiness state() const noexcept override;

  private:
    [[nodiscard]] std::vector<const shard_metrics*> blocks() const;

    std::span<const std::unique_ptr<shard::event_loop>> loops_;
    std::vector<std::unique_ptr<shard_metrics>> blocks_;
    std::vector<std::unique_ptr<lane_metrics>> lanes_; ///< of each shard
    const cluster_service* cluster_ = nullptr;
    process_metrics process_; ///< the scraper's
    std::atomic<const storage::store*> store_{nullptr};
    std::atomic<const space_watch*> disk_{nullptr};
    std::atomic<admin::readiness> readiness_{admin::readiness::starting};
};

} // namespace gv::server
