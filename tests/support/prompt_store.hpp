// SPDX-License-Identifier: Apache-2.0
// A store in memory that has everything on disk at once, and shows its rows.
#pragma once

#include "storage/memory_store.hpp"

namespace gv::storage {

/// Rows to read.
class row_source final : public table_source {
  public:
    explicit row_source(const rows& all) : rows_(&all) {}

    [[nodiscard]] bool scan(table which, const visitor& visit) const override {
        for (const auto& [key, value] : of(which)) {
            visit(key, value);
        }
        return true;
    }
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override {
        const auto& all = of(which);
        for (auto at = all.lower_bound(begin); at != all.end() && at->first < end; ++at) {
            if (!visit(at->first, at->second)) {
                break;
            }
        }
        return true;
    }
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override {
        const auto found = of(which).lower_bound(from);
        if (found == of(which).end()) {
            return false;
        }
        key = found->first;
        return true;
    }
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override {
        const auto found = of(which).find(key);
        if (found == of(which).end()) {
            return false;
        }
        value = found->second;
        return true;
    }

  private:
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& of(table which) const {
        return (*rows_)[static_cast<std::size_t>(which)];
    }
    const rows* rows_;
};

class prompt_store final : public store {
  public:
    explicit prompt_store(rows before = {}) : inner_(std::move(before)) {}

    [[nodiscard]] const node_record& node() const noexcept override { return inner_.node(); }
    [[nodiscard]] hybrid_time last_stamp() const noexcept override { return {}; }
    [[nodiscard]] result<void, problem> load(store_reader& to) override { return inner_.load(to); }
    void listen(shard_id shard, std::function<void(progress)> to,
                std::function<void(read_answer)> rows_to) override {
        inner_.listen(shard, std::move(to), std::move(rows_to));
    }
    void commit(shard_id from, hand_over what) override {
        inner_.commit(from, std::move(what));
        inner_.run();
    }
    void read(shard_id from, read_request what) override { inner_.read(from, what); }
    [[nodiscard]] store_counts counts() const override { return inner_.counts(); }
    void close() override { inner_.close(); }

    [[nodiscard]] const rows& all() const noexcept { return inner_.durable(); }

  private:
    memory_store inner_;
};

} // namespace gv::storage
