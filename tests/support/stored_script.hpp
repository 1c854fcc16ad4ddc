// SPDX-License-Identifier: Apache-2.0
// Scripts on a node that keeps its state in a store in memory, and whose process can die. A script
// that is run by replay_with_crashes() is run once as it stands, and then again for every hand-over
// to the store: when so many are durable the process dies, in one run with what it had sent still
// on the way, in another with all of it read by the clients. Then another process begins with what
// was durable, those with a persistent session come back, and the rules of settle() must hold.
#pragma once

#include "storage/memory_store.hpp"
#include "tests/support/session_script.hpp"

namespace gv::support {

/// When the store works: after everything else that there is to do, or before.
enum class disk_speed : std::uint8_t { slow, quick };

struct stored_options {
    node_options node{};
    std::size_t shards_after = 0; ///< of the process after a crash; 0: as before
    disk_speed speed = disk_speed::slow;
};

class store_holder {
  protected:
    store_holder() : store_(std::make_unique<storage::memory_store>()) {}
    std::unique_ptr<storage::memory_store> store_;
};

class stored_script final : private store_holder, public script {
  public:
    explicit stored_script(const stored_options& options = {});
    ~stored_script();

    [[nodiscard]] storage::memory_store& store() noexcept { return *store_; }
    /// From now on nothing becomes durable but by let_through().
    void stop_disk() { is_stopped_ = true; }
    void start_disk() {
        is_stopped_ = false;
        node.run();
    }
    /// Publishers that are held back, on all shards.
    [[nodiscard]] std::size_t held();
    /// Makes the oldest hand-overs durable, and lets the node work on it.
    std::size_t let_through(std::size_t count = static_cast<std::size_t>(-1));

    /// The process dies and another begins, with what was durable. The disk works again.
    void crash();
    using script::come_back_all;
    /// settle(), and then: nothing of what was settled is left in the store, which another life
    /// confirms.
    void settle_for_good(place at = place::current());

    /// Keys of a table that are durable.
    [[nodiscard]] std::vector<std::string> keys(storage::table which) const;
    [[nodiscard]] std::size_t rows(storage::table which) const { return keys(which).size(); }

  private:
    friend void replay_with_crashes(const stored_options&,
                                    const std::function<void(stored_script&)>&, place);
    struct crash_here {};
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    [[nodiscard]] node_options with_store(node_options options) const;
    void attach_disk();
    bool work();
    void expect_settled_on_disk(place at) const;

    stored_options options_;
    bool is_stopped_ = false;
    std::size_t done_ = 0; ///< hand-overs made durable
    std::size_t crash_after_ = nowhere;
};

/// Runs the script, and again with a crash after every hand-over.
void replay_with_crashes(const stored_options& options,
                         const std::function<void(stored_script&)>& steps,
                         place at = place::current());

} // namespace gv::support
