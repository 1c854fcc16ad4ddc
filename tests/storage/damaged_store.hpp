// SPDX-License-Identifier: Apache-2.0
// A store for tests that damage its files: ended in order, started again, and killed. What it holds
// is known.
#pragma once

#include "storage/rocksdb_store.hpp"
#include "tests/storage/held_state.hpp"
#include "tests/storage/trial_database.hpp"

#include <filesystem>
#include <string>

namespace gv::storage {

enum class damage : std::uint8_t { flip, truncate, zero, remove };

[[nodiscard]] std::string bytes_of(const std::filesystem::path& path);

/// `place`: of the flipped bit, or of the end, as a part of the file's size.
void damage_file(const std::filesystem::path& path, damage how, double place = 0.5);

/// The largest file of the database whose name begins or ends so.
[[nodiscard]] std::filesystem::path file_like(const std::filesystem::path& folder,
                                              const std::string& pattern);

class DamagedStore : public testing::Test {
  protected:
    static constexpr int sessions = 400; ///< each with a subscription
    static constexpr int rows_each = 3;  ///< of which the last has its content in a body
    static constexpr int rows_in_queues = sessions * rows_each;
    static constexpr int sharing = 2;         ///< rows that have one body
    static constexpr int handshakes_each = 2; ///< of QoS 2, one in each direction
    static constexpr int in_tables = 1'500;   ///< retained messages
    static constexpr int in_log = 60;         ///< retained messages since
    /// A commit of one message is two operations: the message and the clock.
    static constexpr int operations_each = 2;

    /// Made once.
    static void SetUpTestSuite();
    static void TearDownTestSuite();
    void SetUp() override { renew(); }
    /// Has the store as it was, undamaged.
    void renew() const;

    [[nodiscard]] static rocksdb_options options_in(const std::string& folder);
    [[nodiscard]] static std::string payload(int number);
    [[nodiscard]] std::string store() const { return folder / "store"; }
    [[nodiscard]] std::filesystem::path database() const { return store() + "/db"; }

    /// What the folder gives when a broker starts on it.
    struct outcome {
        bool is_open = false;
        held_state state;
        store_counts counts;
        node_record node;
        std::size_t kept = 0; ///< quarantine folders
        int shared = 0;       ///< rows of which the body could be read
        [[nodiscard]] int handshakes() const;
        [[nodiscard]] int retained(const std::string& prefix) const;
        [[nodiscard]] int subscriptions() const;
        [[nodiscard]] int rows() const;
        /// Of what is in tables.
        [[nodiscard]] int missing() const;
    };

    /// Starts on it, uses it and ends in order. Every payload must be the one that was stored.
    [[nodiscard]] outcome start() const;
    [[nodiscard]] std::size_t quarantines() const;
    /// Starts again: all is well, and what was there is there.
    void expect_healed(const outcome& before) const;

    scratch_folder folder;

  private:
    static scratch_folder* original;
};

} // namespace gv::storage
