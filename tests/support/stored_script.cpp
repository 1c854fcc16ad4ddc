// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stored_script.hpp"

#include <gtest/gtest.h>

namespace gv::support {

using storage::table;

stored_script::stored_script(const stored_options& options)
    : script(with_store(options.node)), options_(options) {
    attach_disk();
    node.run();
}

stored_script::~stored_script() {
    node.disk = nullptr;
    node.quick_disk = nullptr;
}

node_options stored_script::with_store(node_options options) const {
    options.store = store_.get();
    return options;
}

void stored_script::attach_disk() {
    auto& disk = options_.speed == disk_speed::quick ? node.quick_disk : node.disk;
    disk = [this] { return work(); };
}

bool stored_script::work() {
    if (is_stopped_) {
        return false;
    }
    if (store_->waiting() == 0) {
        return store_->run() > 0; // pages to be read
    }
    if (done_ == crash_after_) {
        is_stopped_ = true;
        throw crash_here{};
    }
    ++done_;
    store_->run(1);
    return true;
}

std::size_t stored_script::held() {
    std::size_t held = 0;
    for (std::size_t shard = 0; shard < node.shards(); ++shard) {
        held += node.core(shard).held_publishers();
    }
    return held;
}

std::size_t stored_script::let_through(std::size_t count) {
    const std::size_t done = store_->run(count);
    node.run();
    return done;
}

void stored_script::crash() {
    lose_connections();
    node.disk = nullptr;
    node.quick_disk = nullptr;
    auto after = std::make_unique<storage::memory_store>(store_->durable());
    after->set_last_stamp(store_->last_stamp());
    node_options next = options_.node;
    next.shards = options_.shards_after == 0 ? next.shards : options_.shards_after;
    next.store = after.get();
    node.restart(next);
    store_ = std::move(after);
    is_stopped_ = false;
    crash_after_ = nowhere;
    attach_disk();
    node.run();
}

std::vector<std::string> stored_script::keys(table which) const {
    std::vector<std::string> all;
    for (const auto& [key, value] : store_->durable()[static_cast<std::size_t>(which)]) {
        all.push_back(key);
    }
    return all;
}

void stored_script::settle_for_good(place at) {
    settle(at);
    node.run();
    expect_settled_on_disk(at);
    crash();
    for (script_client& each : clients()) {
        each.wire.is_automatic = true;
    }
    come_back_all();
    settle(at);
    expect_settled_on_disk(at);
}

void stored_script::expect_settled_on_disk(place at) const {
    for (const table each : {table::queue, table::small}) {
        if (const std::size_t left = rows(each); left != 0) {
            ADD_FAILURE_AT(at.file_name(), static_cast<int>(at.line()))
                << left << " rows of what is settled are left in table " << static_cast<int>(each);
        }
    }
}

void replay_with_crashes(const stored_options& options,
                         const std::function<void(stored_script&)>& steps, place at) {
    std::size_t all = 0;
    {
        stored_script whole(options);
        steps(whole);
        all = whole.done_ + whole.store().waiting();
        whole.start_disk();
        whole.settle_for_good(at);
    }
    for (const bool is_read : {false, true}) {
        for (std::size_t after = 0; after <= all && !testing::Test::HasFailure(); ++after) {
            SCOPED_TRACE("crash after " + std::to_string(after) + " hand-overs, what was sent is "
                         + (is_read ? "read" : "lost"));
            stored_script again(options);
            again.crash_after_ = after;
            try {
                steps(again);
                again.stop_disk();
            } catch (const stored_script::crash_here&) {
            }
            if (is_read) {
                for (script_client& each : again.clients()) {
                    each.wire.listen();
                }
            }
            again.crash();
            again.come_back_all();
            again.settle_for_good(at);
        }
    }
}

} // namespace gv::support
