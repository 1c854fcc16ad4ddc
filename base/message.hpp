// SPDX-License-Identifier: Apache-2.0
// The application message, noun of the system, in its two forms. A `publication` is a message on
// its way through one turn: views into a receive buffer, copied straight into the output of those
// who take it now. A `message` is what has to wait or to travel: one immutable block that holds
// header, topic, properties and payload, counted by `message_ref`.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

namespace gv {

enum class qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

[[nodiscard]] constexpr qos lower(qos a, qos b) noexcept { return a < b ? a : b; }

/// What an acknowledgement waits for: that the message is synced to disk; that it is written, and
/// synced soon after; or nothing, as it is written when there is occasion. The stronger is less.
enum class durability : std::uint8_t { fsync, interval, memory };

/// What travels with a message wherever it goes.
struct envelope {
    std::uint64_t publisher = 0;   ///< hash64 of the publisher's client id; 0: the broker itself
    hybrid_time stamp{};           ///< when the broker took it; the newest retained message wins
    time_point expires = never;    ///< when it is no longer worth delivering
    node_id origin{};              ///< node that took it from its publisher
    std::uint16_t mount_point = 0; ///< 0: none
    qos quality = qos::at_most_once;
    durability level = durability::fsync;
    bool retain = false;      ///< RETAIN as the publisher set it, or as a replay must show it
    bool maybe_dup = false;   ///< a copy may have been taken before, by another way
    bool newest_only = false; ///< where it has to wait, it takes the place of older ones
};

class message;
struct publication;

/// Counted handle of a message; empty by default.
class message_ref {
  public:
    message_ref() = default;
    message_ref(const message_ref& other) noexcept;
    message_ref(message_ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    message_ref& operator=(message_ref other) noexcept {
        std::swap(to_, other.to_);
        return *this;
    }
    ~message_ref();

    [[nodiscard]] explicit operator bool() const noexcept { return to_ != nullptr; }
    [[nodiscard]] const message* operator->() const noexcept { return to_; }
    [[nodiscard]] const message& operator*() const noexcept { return *to_; }

  private:
    friend class message;
    explicit message_ref(message* adopted) noexcept : to_(adopted) {}
    [[nodiscard]] message* writable() const noexcept { return to_; }
    message* to_ = nullptr;
};

/// A message on its way. Lifetime: the views are valid until the step that handed it out returns;
/// `hold()` gives what may be kept.
struct publication {
    envelope header{};
    std::string_view topic{};
    std::string_view properties{}; ///< forwardable ones, encoded as in MQTT 5, without their length
    std::string_view payload{};
    mutable message_ref held{}; ///< made by the first hold(), shared by all who keep this message

    /// The message as a block that may wait, shared by all on this shard who ask. Made once.
    [[nodiscard]] const message_ref& hold() const;
    /// Bytes that this message counts for in every limit.
    [[nodiscard]] std::size_t weight() const noexcept;
};

/// Immutable once made. Counted without a lock prefix while it is local to a shard; a shared one
/// is counted atomically and may be held by any thread.
class message {
  public:
    enum class reach : std::uint8_t { local, shared };

    message(const message&) = delete;
    message& operator=(const message&) = delete;

    /// One allocation; copies the bytes of `from`.
    static message_ref copy_of(const publication& from, reach how);

    /// A shared message whose payload of `payload_size` bytes the caller fills through
    /// `writable_payload` before anybody else sees it: how a large payload is received in place.
    static message_ref with_room(const publication& head, std::size_t payload_size);
    [[nodiscard]] char* writable_payload() noexcept {
        return bytes() + topic_size_ + properties_size_;
    }

    [[nodiscard]] const envelope& header() const noexcept { return header_; }
    [[nodiscard]] std::string_view topic() const noexcept { return {bytes(), topic_size_}; }
    [[nodiscard]] std::string_view properties() const noexcept {
        return {bytes() + topic_size_, properties_size_};
    }
    [[nodiscard]] std::string_view payload() const noexcept {
        return {bytes() + topic_size_ + properties_size_, payload_size_};
    }
    [[nodiscard]] bool is_shared() const noexcept { return reach_ == reach::shared; }
    /// Lifetime: valid while this message lives; hold() then makes a copy: prefer view_of().
    [[nodiscard]] publication view() const noexcept {
        return {
            .header = header_, .topic = topic(), .properties = properties(), .payload = payload()};
    }
    /// As view(), and hold() gives `self` again.
    [[nodiscard]] static publication view_of(const message_ref& self) noexcept {
        publication seen = self->view();
        seen.held = self;
        return seen;
    }
    /// Bytes that this message counts for in every limit.
    [[nodiscard]] std::size_t weight() const noexcept {
        return sizeof(message) + topic_size_ + properties_size_ + payload_size_;
    }

  private:
    friend class message_ref;
    message(const publication& from, std::size_t payload_size, reach how) noexcept;
    static message_ref allocate(const publication& from, std::size_t payload_size, reach how);

    [[nodiscard]] const char* bytes() const noexcept {
        return reinterpret_cast<const char*>(this + 1);
    }
    [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }

    void retain() const noexcept {
        if (reach_ == reach::shared) {
            count_.fetch_add(1, std::memory_order_relaxed);
        } else {
            count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] bool release() const noexcept {
        if (reach_ == reach::shared) {
            return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
        }
        const auto left = count_.load(std::memory_order_relaxed) - 1;
        count_.store(left, std::memory_order_relaxed);
        return left == 0;
    }
    static void destroy(const message* gone) noexcept;

    envelope header_;
    mutable std::atomic<std::uint32_t> count_{1};
    std::uint32_t payload_size_;
    std::uint32_t properties_size_;
    std::uint16_t topic_size_;
    reach reach_;
};

inline message_ref::message_ref(const message_ref& other) noexcept : to_(other.to_) {
    if (to_ != nullptr) {
        to_->retain();
    }
}

inline message_ref::~message_ref() {
    if (to_ != nullptr && to_->release()) {
        message::destroy(to_);
    }
}

inline const message_ref& publication::hold() const {
    if (!held) {
        held = message::copy_of(*this, message::reach::local);
    }
    return held;
}

inline std::size_t publication::weight() const noexcept {
    return sizeof(message) + topic.size() + properties.size() + payload.size();
}

} // namespace gv
