// SPDX-License-Identifier: Apache-2.0
// Three pure nodes that keep what they have on disks of their own.
#pragma once

#include "base/hash.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/session_script.hpp"

#include <array>

namespace gv::shard {

inline constexpr std::size_t nodes = 3;

class stores {
  protected:
    std::array<std::unique_ptr<storage::memory_store>, nodes> stores_{
        std::make_unique<storage::memory_store>(), std::make_unique<storage::memory_store>(),
        std::make_unique<storage::memory_store>()};

    [[nodiscard]] support::node_options options(std::size_t shards, std::uint64_t seed,
                                                bool has_queues) const {
        return {.shards = shards,
                .nodes = nodes,
                .core = {.has_group_queues = has_queues},
                .seed = seed,
                .stores = {stores_[0].get(), stores_[1].get(), stores_[2].get()}};
    }
};

/// Three nodes that keep what they have. What is to be on disk gets there with write() alone, until
/// let_disks_work().
class world : stores, public support::script {
  public:
    explicit world(std::size_t shards = 1, std::uint64_t seed = 1, bool has_queues = false)
        : script(options(shards, seed, has_queues)), shards_(shards) {
        let_disks_work();
        node.run();
    }
    ~world() { node.disk = nullptr; }

    void let_disks_work() {
        node.disk = [this] {
            bool was_busy = false;
            for (const auto& each : stores_) {
                was_busy = each->run() > 0 || was_busy;
            }
            return was_busy;
        };
    }
    void stop_disks() { node.disk = nullptr; }
    void stop_disk(std::size_t which) {
        node.disk = [this, which] {
            bool was_busy = false;
            for (std::size_t on = 0; on < nodes; ++on) {
                was_busy = (on != which && stores_[on]->run() > 0) || was_busy;
            }
            return was_busy;
        };
    }
    /// One hand-over of that node, and what is to be read.
    void write(std::size_t on) {
        stores_[on]->run(1);
        node.run();
    }
    support::connect_request kept(std::size_t on) const {
        return {.clean_start = false, .session_expiry = 3'600, .shard = on * shards_};
    }
    support::connect_request at(std::size_t on) const { return {.shard = on * shards_}; }
    /// A client whose session lives on that node.
    support::script_client& client_of(std::size_t home) {
        std::string id;
        do {
            id = "c" + std::to_string(++ids_);
        } while (node.home_node_of(id) != home);
        return client(id);
    }
    void hand_over(const support::script_client& whose, std::size_t to) {
        node.hand_over(partition_of(whose.wire.id()), to);
        node.advance(20ms); // rows are not sent faster than they may be
    }
    [[nodiscard]] std::size_t home_of(const support::script_client& whose) {
        return node.home_node_of(partition_of(whose.wire.id()));
    }
    /// Sessions that are kept.
    [[nodiscard]] std::size_t sessions(std::size_t on) {
        std::size_t all = 0;
        for (std::size_t s = 0; s < shards_; ++s) {
            all += core(on * shards_ + s).stored_sessions();
        }
        return all;
    }
    [[nodiscard]] std::size_t departing() {
        std::size_t all = 0;
        for (std::size_t s = 0; s < node.shards(); ++s) {
            all += core(s).departing();
        }
        return all;
    }
    [[nodiscard]] std::size_t rows(std::size_t on, storage::table which) const {
        return stores_[on]->durable()[static_cast<std::size_t>(which)].size();
    }
    /// Rows of sessions, whatever they are.
    [[nodiscard]] std::size_t rows_of_sessions(std::size_t on) const {
        std::size_t all = 0;
        for (const storage::table each : {storage::table::sessions, storage::table::subscriptions,
                                          storage::table::queue_meta, storage::table::queue}) {
            all += rows(on, each);
        }
        for (const auto& [key, value] :
             stores_[on]->durable()[static_cast<std::size_t>(storage::table::small)]) {
            all += key.starts_with('A') || key.starts_with('I') || key.starts_with('R') ? 1U : 0U;
        }
        return all;
    }
    /// The process of that node dies, and another begins with what was on its disk.
    void kill(std::size_t which) {
        for (support::script_client& each : clients()) {
            if (each.wire.has_peer() && each.wire.peer().shard() / shards_ == which) {
                ledger.went_away(each.wire.id());
                static_cast<void>(each.wire.let_go());
            }
        }
        ledger.broker_died();
        auto after = std::make_unique<storage::memory_store>(stores_[which]->durable());
        after->set_last_stamp(stores_[which]->last_stamp());
        node.set_store(which, *after);
        std::vector<std::size_t> told;
        for (std::size_t s = 0; s < node.shards(); ++s) {
            if (s / shards_ != which) {
                told.push_back(s);
            }
        }
        node.reboot(which, told);
        stores_[which] = std::move(after);
    }
    using script::clients;

  private:
    std::size_t shards_;
    int ids_ = 0;
};

} // namespace gv::shard
