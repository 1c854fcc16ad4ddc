// SPDX-License-Identifier: Apache-2.0
// Metrics: numbers that carry their own description as a type, so that a block of them is as dense
// as a struct of integers. A block has a single writer (its shard) and any number of readers:
// changing a value is a plain load, add and store, without a locked instruction; a reader sees each
// number whole, if a moment old. Names follow the rules of Prometheus: `_total` ends a counter, the
// unit stands before it (`_seconds`, `_bytes`).
//
//     struct shard_metrics {
//         counter<"grapevine_turns_total", "Turns of the event loop."> turns;
//     };
//     block.turns.add();
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gv {

/// Text as a template argument.
template <std::size_t Size>
struct fixed_text {
    char chars[Size]{};
    consteval fixed_text(const char (&text)[Size]) { std::copy_n(text, Size, chars); }
    [[nodiscard]] constexpr std::string_view view() const { return {chars, Size - 1}; }
};

enum class metric_kind : std::uint8_t { counter, gauge, histogram };

struct metric_row {
    std::string_view name;
    std::string_view help;
    metric_kind kind = metric_kind::counter;
    std::string_view label; ///< name of the label; empty if there is none
};

/// One number with one writer.
template <typename Value>
class single_writer {
  public:
    [[nodiscard]] Value get() const noexcept { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
    /// Thread: the writer only.
    void set(Value value) noexcept { __atomic_store_n(&value_, value, __ATOMIC_RELAXED); }
    /// Thread: the writer only.
    void add(Value amount = 1) noexcept { set(get() + amount); }

  private:
    Value value_ = 0;
};

/// Counts up, from zero at the start of the process.
template <fixed_text Name, fixed_text Help>
struct counter {
    static constexpr metric_row row{Name.view(), Help.view(), metric_kind::counter, {}};
    static constexpr double scale = 1;

    single_writer<std::uint64_t> value;
    void add(std::uint64_t amount = 1) noexcept { value.add(amount); }
    /// For numbers that somebody else counts, such as the kernel.
    void set(std::uint64_t total) noexcept { value.set(total); }
    [[nodiscard]] std::uint64_t get() const noexcept { return value.get(); }
};

/// A counter of time: counted in nanoseconds, shown in seconds.
template <fixed_text Name, fixed_text Help>
struct seconds_counter : counter<Name, Help> {
    static constexpr double scale = 1e-9;
};

/// Goes up and down. Shards are summed: a shard may go below zero where another counts the rest.
template <fixed_text Name, fixed_text Help>
struct gauge {
    static constexpr metric_row row{Name.view(), Help.view(), metric_kind::gauge, {}};
    static constexpr double scale = 1;

    single_writer<std::int64_t> value;
    void add(std::int64_t amount = 1) noexcept { value.add(amount); }
    void sub(std::int64_t amount = 1) noexcept { value.add(-amount); }
    void set(std::int64_t amount) noexcept { value.set(amount); }
    [[nodiscard]] std::int64_t get() const noexcept { return value.get(); }
};

/// Counters told apart by a label of a closed set. `Labels` has: `using key`, an enum whose values
/// index `values`; `name`, that of the label; `values`, an array of texts. An empty text is a key
/// that does not occur.
template <typename Labels, fixed_text Name, fixed_text Help>
struct labelled_counter {
    using labels = Labels;
    static constexpr metric_row row{Name.view(), Help.view(), metric_kind::counter, Labels::name};

    std::array<single_writer<std::uint64_t>, Labels::values.size()> values;
    /// Requires: `key` is one of the values of the label.
    void add(typename Labels::key key, std::uint64_t amount = 1) noexcept {
        values[static_cast<std::size_t>(key)].add(amount);
    }
    /// For numbers that somebody else counts.
    void set(typename Labels::key key, std::uint64_t total) noexcept {
        values[static_cast<std::size_t>(key)].set(total);
    }
    [[nodiscard]] std::uint64_t get(typename Labels::key key) const noexcept {
        return values[static_cast<std::size_t>(key)].get();
    }
};

/// How often values fell into ranges. `Buckets` has `bounds`, rising upper ends (inclusive) in the
/// unit that is observed, and `scale`, by which they are multiplied when shown.
template <typename Buckets, fixed_text Name, fixed_text Help>
struct histogram {
    using buckets = Buckets;
    static constexpr metric_row row{Name.view(), Help.view(), metric_kind::histogram, {}};

    /// One more than bounds: the last takes what is above them all.
    std::array<single_writer<std::uint64_t>, Buckets::bounds.size() + 1> counts;
    single_writer<std::uint64_t> sum;
    void observe(std::uint64_t amount) noexcept {
        std::size_t bucket = 0;
        while (bucket < Buckets::bounds.size() && amount > Buckets::bounds[bucket]) {
            ++bucket;
        }
        counts[bucket].add();
        sum.add(amount);
    }
};

/// The constant 1 with a label that says something, such as a version.
template <fixed_text Name, fixed_text Help, fixed_text Label>
struct info_metric {
    static constexpr metric_row row{Name.view(), Help.view(), metric_kind::gauge, Label.view()};
    std::string_view text; ///< static storage
};

} // namespace gv
