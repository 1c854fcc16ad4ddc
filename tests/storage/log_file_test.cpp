// SPDX-License-Identifier: Apache-2.0
// Logs as RocksDB writes them, read without it.
#include "storage/log_file.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <fstream>

namespace gv::storage {
namespace {

class LogFile : public testing::Test {
  protected:
    static constexpr std::uint64_t records = 50;
    static constexpr std::size_t value_size = 3'000; ///< some records lie in two blocks

    void SetUp() override {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.avoid_flush_during_shutdown = true;
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open(options, folder / "db", &opened).ok());
        const std::unique_ptr<rocksdb::DB> database(opened);
        for (std::uint64_t i = 0; i < records; ++i) {
            rocksdb::WriteBatch batch;
            ASSERT_TRUE(batch.Put("a", std::string(value_size, 'x')).ok());
            ASSERT_TRUE(batch.Delete("b").ok());
            ASSERT_TRUE(database->Write({}, &batch).ok());
        }
        for (const auto& entry : std::filesystem::directory_iterator(folder / "db")) {
            if (entry.path().extension() == ".log") {
                log = entry.path();
            }
        }
    }

    log_state read() {
        sequences.clear();
        return read_log(log, [this](const log_record& record) {
            EXPECT_EQ(record.operations, 2U);
            EXPECT_GT(record.batch.size(), value_size);
            sequences.push_back(record.first);
        });
    }

    void overwrite(std::size_t place, const std::string& bytes) {
        std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(place));
        file << bytes;
    }

    scratch_folder folder;
    std::string log;
    std::vector<std::uint64_t> sequences;
};

TEST_F(LogFile, GivesEveryRecord) {
    const log_state state = read();
    EXPECT_TRUE(state.is_readable);
    EXPECT_EQ(state.bytes_skipped, 0U);
    ASSERT_EQ(sequences.size(), records);
    for (std::uint64_t i = 0; i < records; ++i) {
        EXPECT_EQ(sequences[i], 1 + 2 * i);
    }
}

TEST_F(LogFile, GoesOnBehindADamagedBlock) {
    overwrite(40'000, "damage");
    EXPECT_GT(read().bytes_skipped, 0U);
    EXPECT_LT(sequences.size(), records);
    EXPECT_GE(sequences.size(), records - 12) << "at most those of a block";
    EXPECT_EQ(sequences.front(), 1U);
    EXPECT_EQ(sequences.back(), 1 + 2 * (records - 1));
}

TEST_F(LogFile, EndsWhereTheFileDoes) {
    for (const std::size_t cut : {1UL, 100UL, 2'000UL, 3'050UL}) {
        std::filesystem::resize_file(log, std::filesystem::file_size(log) - cut);
        read();
        EXPECT_EQ(sequences.back(), 1 + 2 * (sequences.size() - 1)) << "none in between is missing";
    }
    EXPECT_LT(sequences.size(), records);
    EXPECT_GT(sequences.size(), records - 5);
}

TEST_F(LogFile, ZerosAreNoRecords) {
    const auto size = std::filesystem::file_size(log);
    std::filesystem::resize_file(log, size + 100'000);
    EXPECT_EQ(read().bytes_skipped, 0U);
    EXPECT_EQ(sequences.size(), records);
    overwrite(0, std::string(size, '\0'));
    EXPECT_EQ(read().records, 0U);
}

TEST_F(LogFile, AFolderIsNotReadable) {
    EXPECT_FALSE(read_log(folder / "db", [](const log_record&) {}).is_readable);
    EXPECT_FALSE(read_log(folder / "nothing", [](const log_record&) {}).is_readable);
}

} // namespace
} // namespace gv::storage
