// SPDX-License-Identifier: Apache-2.0
// Reads all tables of an open database again, one after the other, slowly and for ever, so that a
// block that rots is met while there may be a copy of it elsewhere, and not years later. A table
// never changes once it is written; one that a compaction removes meanwhile is passed over.
//
// It begins at any of them, so nothing has to be remembered: a broker that is restarted daily reads
// as many of them in a week as one that is not, if not always the same ones.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rocksdb {
class Env;
class FileSystem;
} // namespace rocksdb

namespace gv::storage {

struct scrub_options {
    std::string folder; ///< of the database
    /// Of a pass over all tables. Larger: less is read. Smaller: damage is met sooner.
    std::chrono::milliseconds interval{};
    /// Of reading a table. Larger: shorter bursts. Smaller: others wait less for the disk.
    std::uint64_t bytes_per_second = std::uint64_t{4} << 20;
    std::shared_ptr<rocksdb::FileSystem> file_system; ///< null: the machine's
};

/// What the scrub asks and tells. Called on its thread.
struct scrub_observer {
    /// The tables that the database consists of now, by name.
    std::function<std::set<std::string>()> live_tables;
    /// A table is damaged, or is not there. Once for each.
    std::function<void(const std::string& name, const std::string& problem)> on_damage;
    /// The disk does not give what is in a table.
    std::function<void(const std::string& name, const std::string& problem)> on_unreadable;
};

/// Waits, until it is told to stop.
class scrub_pace {
  public:
    explicit scrub_pace(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}
    /// Returns when so many more bytes may be read. False: stop.
    bool spend(std::uint64_t bytes);
    /// False: stop.
    bool wait(std::chrono::nanoseconds span);
    /// Thread-safe.
    void stop();

  private:
    using clock = std::chrono::steady_clock;
    bool wait_until(clock::time_point due);

    std::uint64_t bytes_per_second_;
    clock::time_point paid_until_{}; ///< of the thread that reads
    std::mutex mutex_;
    std::condition_variable stopping_;
    bool is_stopping_ = false;
};

class scrub {
  public:
    scrub(scrub_options options, scrub_observer observer);
    scrub(const scrub&) = delete;
    scrub& operator=(const scrub&) = delete;
    ~scrub();
    /// Ends at once, in the middle of a table too. Before the database is closed.
    void stop();

    /// Readings of tables that were whole. Thread-safe.
    [[nodiscard]] std::uint64_t verified() const noexcept { return verified_; }
    /// Tables that are not. Thread-safe.
    [[nodiscard]] std::uint64_t damaged() const noexcept { return damaged_; }

  private:
    enum class verdict : std::uint8_t { whole, damaged, unreadable };

    void loop();
    /// The table after the last, in the order of their names.
    [[nodiscard]] std::string next_of(const std::set<std::string>& tables) const;
    void look_at(const std::string& name);
    [[nodiscard]] verdict read(const std::string& path, std::string& problem);

    scrub_options options_;
    scrub_observer observer_;
    scrub_pace pace_;
    std::unique_ptr<rocksdb::Env> env_;
    std::string last_; ///< that was read
    std::set<std::string> known_damaged_;
    bool goes_past_cache_ = true; ///< the file system can
    std::atomic<std::uint64_t> verified_{0};
    std::atomic<std::uint64_t> damaged_{0};
    std::thread thread_;
};

} // namespace gv::storage
