// SPDX-License-Identifier: Apache-2.0
// Fetching from one peer all in which it differs: hashes of groups, hashes of their buckets, then
// the rows of each bucket that differs, several at a time. Over when everything that the peer had
// at its beginning is here.
#pragma once

#include "base/time.hpp"
#include "cluster/retained_effects.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace gv::cluster {

/// Bytes a second: a debt, paid off with time. Who owes little may spend any amount.
class byte_budget {
  public:
    /// What may be owed, so that not every question waits for a timer.
    static constexpr duration credit = 50ms;
    void set_rate(std::size_t bytes_per_second) noexcept { rate_ = bytes_per_second; }
    void spend(std::size_t bytes, time_point now) noexcept;
    /// When something may be spent again.
    [[nodiscard]] time_point free_at() const noexcept { return free_at_ - credit; }

  private:
    std::size_t rate_ = 0; ///< 0: no limit
    time_point free_at_{};
};

class retained_pass {
  public:
    struct limits {
        duration ask_again;
        std::size_t asks_max;
        std::size_t questions_max;
        std::size_t page_bytes_max;
    };
    /// What this asks of the exchange.
    class actions {
      public:
        virtual void ask(const retained_message& question) = 0;
        [[nodiscard]] virtual retained_ticket read(const retained_range& of) = 0;
        [[nodiscard]] virtual retained_ticket apply(retained_bucket bucket,
                                                    retained_page&& page) = 0;

      protected:
        ~actions() = default;
    };

    /// Its questions are numbered from after `first_number`.
    retained_pass(node_id with, const retained_root& told, const limits& bounds,
                  std::uint64_t first_number);

    [[nodiscard]] node_id with() const noexcept { return with_; }
    /// The peer's state at the beginning.
    [[nodiscard]] const retained_root& told() const noexcept { return told_; }

    /// Asks what is to be asked now, or again.
    void go_on(const retained_claim& claim, time_point now, time_point may_ask_at, actions& out);
    void on_hashes(const retained_hashes& told, const retained_digest& digest);
    /// False if it was not asked for. Errors: it is not an answer to what was asked.
    [[nodiscard]] result<bool, retained_fault> on_page(retained_page&& page, actions& out);
    void on_entries(retained_ticket ticket, retained_entries&& found);
    void on_applied(retained_ticket ticket, const retained_applied& done);

    /// Nothing is missing any more, rows that were refused aside.
    [[nodiscard]] bool is_done() const noexcept;
    [[nodiscard]] bool has_all() const noexcept { return is_done() && !was_refused_; }
    /// The peer does not answer.
    [[nodiscard]] bool is_hopeless() const noexcept { return is_hopeless_; }
    [[nodiscard]] std::size_t differing() const noexcept { return differing_; }
    /// Whether a question waits until it may be asked.
    [[nodiscard]] bool waits_to_ask() const noexcept;
    [[nodiscard]] time_point next_deadline() const noexcept;
    /// The last number used.
    [[nodiscard]] std::uint64_t numbers() const noexcept { return numbers_; }

  private:
    enum class phase : std::uint8_t { groups, buckets, rows };
    /// One bucket of those that are fetched at present.
    struct fetch {
        enum class step : std::uint8_t { to_read, reading, to_ask, asked, applying };
        retained_range of; ///< of the question; its end moves back when the entries are too many
        step at = step::to_read;
        retained_ticket ticket;
        std::uint64_t number = 0;
        std::size_t asks = 0;
        time_point again_at = never;
        std::uint64_t answered_until = 0;
        std::vector<retained_entry> known;
    };

    void ask_hashes(time_point now, actions& out);
    void ask_rows(fetch& which, const retained_claim& claim, time_point now, actions& out);
    void find_buckets(const retained_hashes& told, const retained_digest& digest);
    bool go_on_after(fetch& which);

    node_id with_;
    retained_root told_;
    limits bounds_;
    phase phase_ = phase::groups;
    retained_groups groups_ = 0; ///< to be asked for
    std::size_t asks_ = 0;
    time_point again_at_ = never;
    std::deque<retained_bucket> buckets_; ///< not begun yet
    std::vector<fetch> fetches_;
    std::uint64_t numbers_ = 0;
    std::size_t differing_ = 0;
    bool was_refused_ = false;
    bool is_hopeless_ = false;
};

} // namespace gv::cluster
