// SPDX-License-Identifier: Apache-2.0
#include "storage/wal_mark.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace gv::storage {
namespace {

constexpr wal_mark some_mark{.node = node_id{0x0102030405060708},
                             .boot = boot_id{9},
                             .sequence = 0x1112131415161718,
                             .manifest = {.number = 0x21, .size = 0x31, .hash = 0x41}};
constexpr std::chrono::steady_clock::time_point begin{std::chrono::seconds(100)};

TEST(WalMark, IsWrittenByteByByteAsDocumented) {
    const auto slot = encode(some_mark);
    const std::string_view bytes(slot.data(), slot.size());
    EXPECT_EQ(bytes.substr(0, 48), std::string_view("GVM1\0\0\0\x09\x01\x02\x03\x04\x05\x06\x07\x08"
                                                    "\x11\x12\x13\x14\x15\x16\x17\x18"
                                                    "\0\0\0\0\0\0\0\x21\0\0\0\0\0\0\0\x31"
                                                    "\0\0\0\0\0\0\0\x41",
                                                    48));
    wal_mark back;
    EXPECT_TRUE(decode(bytes, back));
    EXPECT_EQ(back, some_mark);
}

TEST(WalMark, ASlotWithAnyOtherBitIsNone) {
    auto slot = encode(some_mark);
    wal_mark back;
    for (std::size_t bit = 0; bit < 8 * slot.size(); ++bit) {
        const char mask = static_cast<char>(1 << bit % 8);
        slot[bit / 8] = static_cast<char>(slot[bit / 8] ^ mask);
        EXPECT_FALSE(decode({slot.data(), slot.size()}, back)) << bit;
        slot[bit / 8] = static_cast<char>(slot[bit / 8] ^ mask);
    }
    EXPECT_FALSE(decode({slot.data(), slot.size() - 1}, back));
    EXPECT_FALSE(decode(std::string(wal_mark::size, '\0'), back));
}

class MarkFile : public testing::Test {
  protected:
    [[nodiscard]] static wal_mark at(std::uint64_t sequence) {
        return {.node = node_id{1}, .boot = boot_id{1}, .sequence = sequence};
    }
    void write(std::initializer_list<std::uint64_t> sequences) {
        mark_file file(path);
        for (const std::uint64_t each : sequences) {
            EXPECT_TRUE(file.note(at(each), begin));
        }
    }
    void overwrite(std::streamoff place, const std::string& bytes) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(place);
        file << bytes;
    }
    scratch_folder folder;
    std::string path = folder / "wal.mark";
};

TEST_F(MarkFile, TheNewerSlotStands) {
    EXPECT_EQ(read_mark(path), std::nullopt);
    write({5});
    EXPECT_EQ(read_mark(path), at(5));
    write({7, 9, 11});
    EXPECT_EQ(read_mark(path), at(11));
    EXPECT_EQ(std::filesystem::file_size(path), 112U);
}

TEST_F(MarkFile, ATornSlotLeavesTheOneBefore) {
    write({5, 6});
    overwrite(wal_mark::size + 20, "torn");
    EXPECT_EQ(read_mark(path), at(5));
    overwrite(0, "torn");
    EXPECT_EQ(read_mark(path), std::nullopt);
    std::filesystem::resize_file(path, 10);
    EXPECT_EQ(read_mark(path), std::nullopt);
}

TEST_F(MarkFile, OfTwoWithOneSequenceTheLongerManifestIsNewer) {
    wal_mark newer = at(5);
    newer.manifest = {.number = 4, .size = 100, .hash = 1};
    wal_mark older = at(5);
    older.manifest = {.number = 4, .size = 99, .hash = 2};
    {
        mark_file file(path);
        EXPECT_TRUE(file.note_at_once(newer));
        EXPECT_TRUE(file.note_at_once(older));
    }
    EXPECT_EQ(read_mark(path), newer);
}

TEST_F(MarkFile, SaysIfItCannotBeWritten) {
    mark_file file(folder / "no/such/folder");
    EXPECT_FALSE(file.note(some_mark, begin));
}

} // namespace
} // namespace gv::storage
