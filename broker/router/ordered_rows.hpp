// SPDX-License-Identifier: Apache-2.0
// Row indices in tree order of their topics: a B+ tree of two levels, a sorted directory of sorted
// blocks. Inserting moves at most one block's 512 bytes and, once in 64 times, the directory; a
// walk reads memory in order. (A balanced tree visits two cache lines a level, here it is one.)
#pragma once

#include "broker/router/topic_order.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace gv::router {

/// `TopicOf` is called with a row's index and gives its topic, which must not change meanwhile.
template <typename TopicOf>
class ordered_rows {
  public:
    using row = std::uint32_t;

    explicit ordered_rows(TopicOf topic_of) : topic_of_(std::move(topic_of)) {}

    /// Requires: no row with that topic is there.
    void insert(std::string_view topic, row added);
    /// Requires: a row with that topic is there.
    void erase(std::string_view topic);

    /// A place in the order. Lifetime: until rows are inserted or erased.
    struct position {
        std::size_t block = 0;
        std::size_t at = 0;
    };
    [[nodiscard]] bool is_end(position where) const noexcept {
        return where.block == directory_.size();
    }
    /// Requires: not the end.
    [[nodiscard]] row operator[](position where) const noexcept {
        return directory_[where.block].rows->at[where.at];
    }
    /// Requires: not the end.
    [[nodiscard]] position next(position where) const noexcept {
        return settled({where.block, where.at + 1});
    }
    /// The first row whose topic is not before `topic`.
    [[nodiscard]] position seek(std::string_view topic) const {
        return find<before>(block_for(topic), topic);
    }
    /// The first row whose topic comes after `topic`.
    [[nodiscard]] position seek_after(std::string_view topic) const {
        return find<not_after>(block_for(topic), topic);
    }
    /// As seek(topic), knowing that it is after `from`: near ones are found faster.
    [[nodiscard]] position seek_from(position from, std::string_view topic) const {
        const block& here = *directory_[from.block].rows;
        const bool is_near = compare_topics(topic_of_(here.at[here.count - 1]), topic) >= 0;
        return is_near ? find<before>(from.block, topic) : seek(topic);
    }

  private:
    static constexpr std::uint32_t block_rows = 126;

    struct block {
        std::uint32_t count = 0;
        std::array<row, block_rows> at;
    };
    /// The first row stands here too: a search of the directory does not touch the blocks.
    struct entry {
        row first;
        std::unique_ptr<block> rows;
    };

    static bool before(std::strong_ordering order) noexcept { return order < 0; }
    static bool not_after(std::strong_ordering order) noexcept { return order <= 0; }

    /// The block where `topic` is or would be.
    [[nodiscard]] std::size_t block_for(std::string_view topic) const {
        const auto after =
            std::partition_point(directory_.begin(), directory_.end(), [&](const entry& each) {
                return compare_topics(topic_of_(each.first), topic) <= 0;
            });
        return after == directory_.begin()
                   ? 0
                   : static_cast<std::size_t>(after - directory_.begin()) - 1;
    }
    template <bool (*Precedes)(std::strong_ordering)>
    [[nodiscard]] position find(std::size_t in, std::string_view topic) const {
        if (in == directory_.size()) {
            return {in, 0};
        }
        const block& here = *directory_[in].rows;
        const row* end = here.at.data() + here.count;
        const row* found = std::partition_point(here.at.data(), end, [&](row each) {
            return Precedes(compare_topics(topic_of_(each), topic));
        });
        return settled({in, static_cast<std::size_t>(found - here.at.data())});
    }
    /// Past the end of a block means at the start of the next.
    [[nodiscard]] position settled(position where) const noexcept {
        return where.at < directory_[where.block].rows->count ? where
                                                              : position{where.block + 1, 0};
    }
    void insert_at(std::size_t in, std::uint32_t at, row added);
    void split(std::size_t in, std::uint32_t at);
    void merge_with_next(std::size_t in);

    TopicOf topic_of_;
    std::vector<entry> directory_; ///< no block is empty
};

template <typename TopicOf>
void ordered_rows<TopicOf>::insert(std::string_view topic, row added) {
    if (directory_.empty()) {
        directory_.push_back({added, std::make_unique<block>()});
        insert_at(0, 0, added);
        return;
    }
    std::size_t in = block_for(topic);
    const block& here = *directory_[in].rows;
    const row* found =
        std::partition_point(here.at.data(), here.at.data() + here.count,
                             [&](row each) { return compare_topics(topic_of_(each), topic) < 0; });
    auto at = static_cast<std::uint32_t>(found - here.at.data());
    if (here.count == block_rows) {
        // Rows that come in ascending order leave full blocks behind them.
        const bool appends = at == block_rows && in + 1 == directory_.size();
        const std::uint32_t keep = appends ? block_rows : block_rows / 2;
        split(in, keep);
        if (at > keep || appends) {
            at -= keep;
            ++in;
        }
    }
    insert_at(in, at, added);
}

template <typename TopicOf>
void ordered_rows<TopicOf>::insert_at(std::size_t in, std::uint32_t at, row added) {
    block& here = *directory_[in].rows;
    row* place = here.at.data() + at;
    std::copy_backward(place, here.at.data() + here.count, here.at.data() + here.count + 1);
    *place = added;
    ++here.count;
    directory_[in].first = here.at[0];
}

/// Moves the rows from `at` on to a new block after it.
template <typename TopicOf>
void ordered_rows<TopicOf>::split(std::size_t in, std::uint32_t at) {
    block& here = *directory_[in].rows;
    auto made = std::make_unique<block>();
    made->count = here.count - at;
    std::copy_n(here.at.data() + at, made->count, made->at.data());
    here.count = at;
    directory_.insert(directory_.begin() + static_cast<std::ptrdiff_t>(in) + 1,
                      entry{made->at[0], std::move(made)});
}

template <typename TopicOf>
void ordered_rows<TopicOf>::erase(std::string_view topic) {
    const position where = seek(topic);
    block& here = *directory_[where.block].rows;
    row* place = here.at.data() + where.at;
    std::copy(place + 1, here.at.data() + here.count, place);
    --here.count;
    directory_[where.block].first = here.at[0];
    if (here.count == 0) {
        directory_.erase(directory_.begin() + static_cast<std::ptrdiff_t>(where.block));
    } else if (here.count < block_rows / 4) {
        merge_with_next(where.block);
    }
}

/// Unless both would leave little room in one block.
template <typename TopicOf>
void ordered_rows<TopicOf>::merge_with_next(std::size_t in) {
    if (in + 1 == directory_.size()) {
        return;
    }
    block& here = *directory_[in].rows;
    const block& next = *directory_[in + 1].rows;
    if (here.count + next.count <= block_rows * 3 / 4) {
        std::copy_n(next.at.data(), next.count, here.at.data() + here.count);
        here.count += next.count;
        directory_.erase(directory_.begin() + static_cast<std::ptrdiff_t>(in) + 1);
    }
}

} // namespace gv::router
