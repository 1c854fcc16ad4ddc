// SPDX-License-Identifier: Apache-2.0
// The store in memory: what the seam means, without threads or files. Hand-overs wait until run()
// is called, so that a script decides when a disk would be done; a copy of what is durable is what
// a machine has after a power cut.
#pragma once

#include "storage/gathering.hpp"
#include "storage/loading.hpp"

#include <array>
#include <map>
#include <memory>

namespace gv::storage {

/// All rows, by table and key.
using rows = std::array<std::map<std::string, std::string, std::less<>>, table_count>;

class memory_store final : public store, private table_source {
  public:
    explicit memory_store(rows before = {});

    [[nodiscard]] const node_record& node() const noexcept override { return node_; }
    [[nodiscard]] hybrid_time last_stamp() const noexcept override { return last_stamp_; }
    /// What the next process is told.
    void set_last_stamp(hybrid_time last) noexcept { last_stamp_ = last; }
    [[nodiscard]] result<void, problem> load(store_reader& to) override;
    void listen(shard_id shard, std::function<void(progress)> to,
                std::function<void(read_answer)> rows_to) override;
    void commit(shard_id from, hand_over what) override;
    void read(shard_id from, read_request what) override;
    [[nodiscard]] store_counts counts() const override { return {}; }
    void close() override { run(); }

    /// Makes the oldest `count` hand-overs durable and says so, and answers what was to be read.
    /// Returns how many there were of both.
    std::size_t run(std::size_t count = static_cast<std::size_t>(-1));
    [[nodiscard]] std::size_t waiting() const noexcept { return line_.size(); }
    /// What those that wait ask for.
    [[nodiscard]] durability strictest_waiting() const noexcept;
    /// Says that nothing more can be stored, now and never.
    void lose();
    /// Says that the disk is full, or has room again. run() does not know of it.
    void set_full(bool is_full);
    /// What a crash leaves: everything durable, nothing else.
    [[nodiscard]] const rows& durable() const noexcept { return rows_; }

  private:
    // table_source
    [[nodiscard]] bool scan(table which, const visitor& visit) const override;
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override;
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override;
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override;

    void apply(const batch& operations);

    rows rows_;
    node_record node_;
    hybrid_time last_stamp_{};
    std::vector<line_entry> line_;
    transactions joining_;
    std::vector<std::pair<shard_id, read_request>> reads_;
    std::map<shard_id, std::function<void(progress)>> listeners_;
    std::map<shard_id, std::function<void(read_answer)>> readers_;
};

} // namespace gv::storage
