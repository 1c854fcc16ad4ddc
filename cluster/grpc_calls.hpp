// SPDX-License-Identifier: Apache-2.0
// What all parts of the transport share: its options, who listens, what is counted, and which calls
// of this node gRPC still has in hand. (Those of others are in the server's hand, which waits for
// them.) Nothing of gRPC is included here.
#pragma once

#include "cluster/grpc_transport.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace gv::cluster {

/// A call, or a timer, that lives until gRPC is done with it: then it goes by running_calls::end().
class running_call {
  public:
    /// Hastens its end. It must not wait, nor call a listener.
    virtual void cancel() = 0;

  protected:
    ~running_call() = default;
};

/// Thread-safe.
class running_calls {
  public:
    /// False after close(): it must not be started.
    [[nodiscard]] bool enter(running_call& call) {
        return enter(call, [] {});
    }
    /// The same, and starts it by `begin` where cancel() cannot come before. It may be gone when
    /// this returns.
    template <typename Begin>
    [[nodiscard]] bool enter(running_call& call, Begin&& begin) {
        const std::lock_guard lock(mutex_);
        if (is_closed_) {
            return false;
        }
        running_.insert(&call);
        begin();
        return true;
    }
    /// Deletes it; the last that it does. close() waits for that, too: a call holds its channel,
    /// and whoever drops the last of gRPC's objects joins gRPC's threads, which ends in memory
    /// freed twice when it is one of them.
    template <typename Call>
    void end(Call* call) {
        retire(*call);
        delete call;
        forget_retired();
    }
    /// Cancels all and waits until they are gone. No other begins.
    void close() {
        std::unique_lock lock(mutex_);
        is_closed_ = true;
        // None of them is deleted meanwhile: it would have to retire before.
        for (running_call* each : running_) {
            each->cancel();
        }
        none_.wait(lock, [this] { return running_.empty() && retired_ == 0; });
    }

  private:
    void retire(running_call& call) {
        const std::lock_guard lock(mutex_);
        running_.erase(&call);
        ++retired_;
    }
    void forget_retired() {
        const std::lock_guard lock(mutex_);
        --retired_;
        none_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable none_;
    std::unordered_set<running_call*> running_;
    std::size_t retired_ = 0; ///< not cancelled any more, not yet deleted
    bool is_closed_ = false;
};

struct shared_counts {
    using count = std::atomic<std::uint64_t>;
    count questions_sent, questions_unanswered, questions_dropped, malformed, control_sent,
        control_dropped_closed, control_dropped_full, control_lost, hellos_refused, lanes_relayed,
        relay_streams, relay_frames, relay_bytes, relays_refused, distrusted;
};

inline void add_one(shared_counts::count& count) noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
}

/// Outlives everything that gRPC still may call: see running_calls.
struct grpc_core {
    grpc_core(grpc_transport_options with, peer_listener& to)
        : options(std::move(with)), listener(to) {}

    [[nodiscard]] link_hello hello_to(node_id to, node_id via = {}) const {
        return {.cluster = options.cluster,
                .wire = options.wire,
                .from = options.self,
                .to = to,
                .via = via};
    }

    grpc_transport_options options; ///< not changed once it listens
    peer_listener& listener;
    running_calls calls;
    std::atomic<std::size_t> questions_open = 0;   ///< of this node
    std::atomic<std::size_t> incoming_streams = 0; ///< of others
    shared_counts counts;
};

/// Calls a listener as long as it is there. Thread-safe; calls come one at a time.
template <typename Listener>
class listener_gate {
  public:
    /// False after finish(): there is nothing more to tell.
    [[nodiscard]] bool open(Listener& listener) {
        const std::lock_guard lock(mutex_);
        listener_ = is_finished_ ? nullptr : &listener;
        return !is_finished_;
    }
    /// Waits for a call that is under way; none follows.
    void close() {
        const std::lock_guard lock(mutex_);
        listener_ = nullptr;
    }
    template <typename Call>
    void call(Call&& what) {
        const std::lock_guard lock(mutex_);
        if (listener_ != nullptr) {
            what(*listener_);
        }
    }
    /// The last call.
    template <typename Call>
    void finish(Call&& what) {
        const std::lock_guard lock(mutex_);
        is_finished_ = true;
        if (Listener* const listener = std::exchange(listener_, nullptr)) {
            what(*listener);
        }
    }

  private:
    std::mutex mutex_;
    Listener* listener_ = nullptr;
    bool is_finished_ = false;
};

} // namespace gv::cluster
