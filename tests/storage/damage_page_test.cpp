// SPDX-License-Identifier: Apache-2.0
// Every kind of file, damaged in every way at many places: what the broker does, and the page that
// tells it. With GRAPEVINE_WRITE_PAGES the page is written, else it must say what was found; the
// numbers in it are those of one run.
#include "storage/database_files.hpp"
#include "tests/storage/damaged_store.hpp"

#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <regex>
#include <sstream>
#include <vector>

namespace gv::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* page_name = "docs/damage.md";

constexpr const char* head = R"(# What damage does

<!-- Generated: GRAPEVINE_WRITE_PAGES=1 storage_damage_test --gtest_filter='*Page*'; do not edit. -->

The broker starts on a damaged store, takes over what can be read, keeps the damaged files as they
were in `quarantine-TIME` beside it, and counts what is missing
([operations.md](operations.md#a-damaged-store)). Each line of the tables is a kind of file and a kind
of damage, tried once at each of several places spread over the file: {flips} bits flipped, one in each
run; the file cut short at {cuts} places from its beginning on; all of it zeros; the file gone.

The store holds {sessions} sessions, each with a subscription, {rows_each} queued messages, of which one
shares its body with that of another session (*shared*: bodies that could be read), and two handshakes of
QoS 2, and {retained} retained messages in tables, and {logged} more that were acknowledged since and are in the
write-ahead log alone; the broker was killed. *Starts*: the store opens, is used, and opens again with
nothing to complain of. *Told*: the runs in which the damage was met at the start, logged and counted.
*Kept*: the damaged file is in `quarantine-TIME`, byte for byte. The other columns give what was there
after the worst and after the best run. Where anything is missing the test demands that it was counted, and where nothing
was told that nothing is missing.

| file | damage | runs | starts | told | kept | sessions | subscriptions | queued | shared | handshakes | retained | of the log |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
)";

constexpr const char* foot = R"(
* A bit in a table costs the block it is in, 4 KiB of rows before compression; the rest of the file is
  read around it. A bit in its index or its properties, which are at its end, costs the table: in the
  small tables of this test that is one place in four, in one of 64 MiB one in hundreds.
* A table that is cut short has lost its index, which is at its end, so all of it is lost.
* The log loses the record that is damaged and what was in it; records behind it are taken over. What
  was never acknowledged is no loss and is not told: the mark (`wal.mark`) says up to where the log was
  synced.
* A missing or damaged `CURRENT` or `MANIFEST` costs nothing: the tables and logs tell what is in them.
* `OPTIONS` and `IDENTITY` are RocksDB's own and nothing in them is needed; they are written anew.
* `wal.mark` holds two slots, of which one is enough. Without both nothing is lost, but damage at the
  end of the log would look like a tail that was never synced; this is told, and there is nothing in
  it to be kept.
* A queued message whose shared body is lost stays in the queue and is left out when it is read. A lost
  handshake of QoS 2 means that a message may come twice.
* A session that is lost takes its subscriptions and queue with it: these columns are of those that
  are left.
)";

struct kind {
    std::string name;
    std::string title;
    std::string pattern; ///< of the name, or
    std::string table;   ///< of what is in the file
    bool is_needed = true;
};

const std::vector<kind>& kinds() {
    static const std::vector<kind> all{
        {"Current", "`CURRENT`", "CURRENT", ""},
        {"Manifest", "`MANIFEST-*`", "MANIFEST-", ""},
        {"Log", "`*.log`", ".log", ""},
        {"NodeTable", "`*.sst`, node", "", "default"},
        {"SessionTable", "`*.sst`, sessions", "", "sessions"},
        {"QueueHeadTable", "`*.sst`, queue heads", "", "queue_meta"},
        {"SubscriptionTable", "`*.sst`, subscriptions", "", "subscriptions"},
        {"QueueTable", "`*.sst`, queues", "", "queue"},
        {"SmallTable", "`*.sst`, handshakes", "", "small"},
        {"BodyTable", "`*.sst`, shared bodies", "", "bodies"},
        {"RetainedTable", "`*.sst`, retained", "", "retained"},
        {"Mark", "`wal.mark`", "wal.mark", "", false},
        {"Options", "`OPTIONS-*`", "OPTIONS-", "", false},
        {"Identity", "`IDENTITY`", "IDENTITY", "", false},
    };
    return all;
}

std::ostream& operator<<(std::ostream& out, const kind& of) { return out << of.name; }

/// The file of the database that holds a table.
[[nodiscard]] fs::path file_of(const fs::path& folder, const std::string& table) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".sst") {
            continue;
        }
        rocksdb::SstFileReader reader{rocksdb::Options()};
        if (reader.Open(entry.path()).ok()
            && reader.GetTableProperties()->column_family_name == table) {
            return entry.path();
        }
    }
    return {};
}

/// From the worst run to the best.
struct range {
    int least = std::numeric_limits<int>::max();
    int most = 0;
    void add(int each) {
        least = std::min(least, each);
        most = std::max(most, each);
    }
    [[nodiscard]] std::string text() const {
        return least == most ? std::to_string(least)
                             : std::to_string(least) + " to " + std::to_string(most);
    }
};

struct line {
    int runs = 0;
    int starts = 0;
    int told = 0;
    int kept = 0;
    range sessions, subscriptions, queued, shared, handshakes, retained, logged;
};

class DamagePage : public DamagedStore, public testing::WithParamInterface<kind> {
  protected:
    static constexpr int flips = 12;
    static constexpr int cuts = 6;

    void try_one(const kind& file, damage how, double place, line& sum) const {
        SCOPED_TRACE(file.title + " damage " + std::to_string(static_cast<int>(how)) + " at "
                     + std::to_string(place));
        renew();
        const fs::path path = file.table.empty() ? file_like(database(), file.pattern)
                                                 : file_of(database(), file.table);
        ASSERT_FALSE(path.empty());
        const auto mark = read_mark(database() / mark_name);
        damage_file(path, how, place);
        const std::string left = how == damage::remove ? "" : bytes_of(path);
        const outcome after = start();
        ++sum.runs;
        sum.starts += after.is_open ? 1 : 0;
        expect_honest(after);
        EXPECT_EQ(after.node.node, mark->node);
        EXPECT_GT(after.node.boot, mark->boot);
        const bool is_told = after.counts.damaged_files > 0;
        sum.told += is_told ? 1 : 0;
        EXPECT_EQ(is_told && file.is_needed, after.kept == 1);
        if (after.kept == 1 && how != damage::remove) {
            EXPECT_EQ(bytes_of(quarantine() / path.filename()), left);
            ++sum.kept;
        }
        sum.sessions.add(static_cast<int>(after.state.sessions.size()));
        sum.subscriptions.add(after.subscriptions());
        sum.queued.add(after.rows());
        sum.shared.add(after.shared);
        sum.handshakes.add(after.handshakes());
        sum.retained.add(after.retained("tables/"));
        sum.logged.add(after.retained("log/"));
        expect_healed(after);
    }

    static void expect_honest(const outcome& after) {
        const int lost = in_log - after.retained("log/");
        EXPECT_GE(after.counts.lost_operations, static_cast<std::uint64_t>(operations_each * lost));
        EXPECT_TRUE(after.missing() == 0 || after.counts.rows_lost > 0);
        if (after.counts.damaged_files == 0) {
            EXPECT_EQ(after.missing() + lost, 0);
        }
    }

    [[nodiscard]] fs::path quarantine() const {
        for (const auto& entry : fs::directory_iterator(store())) {
            if (entry.path().filename().string().starts_with("quarantine-")) {
                return entry.path();
            }
        }
        return {};
    }

    [[nodiscard]] static std::string beginning() {
        std::string page = head;
        const auto fill_in = [&page](const std::string& name, int value) {
            page.replace(page.find(name), name.size(), std::to_string(value));
        };
        fill_in("{flips}", flips);
        fill_in("{cuts}", cuts);
        fill_in("{sessions}", sessions);
        fill_in("{rows_each}", rows_each);
        fill_in("{retained}", in_tables);
        fill_in("{logged}", in_log);
        return page;
    }

    [[nodiscard]] static std::string text(const kind& file, const char* how, const line& of) {
        std::ostringstream out;
        out << "| " << file.title << " | " << how;
        for (const int each : {of.runs, of.starts, of.told, of.kept}) {
            out << " | " << each;
        }
        for (const range& each : {of.sessions, of.subscriptions, of.queued, of.shared,
                                  of.handshakes, of.retained, of.logged}) {
            out << " | " << each.text();
        }
        out << " |\n";
        return out.str();
    }

    [[nodiscard]] std::string rows_of(const kind& file) const {
        const auto spread = [&](damage how, int count, double first) {
            line sum;
            for (int i = 0; i < count; ++i) {
                try_one(file, how, (i + first) / count, sum);
            }
            EXPECT_EQ(sum.starts, sum.runs);
            return sum;
        };
        return text(file, "bit flipped", spread(damage::flip, flips, 0.5))
               + text(file, "cut short", spread(damage::truncate, cuts, 0))
               + text(file, "zeroed", spread(damage::zero, 1, 0))
               + text(file, "gone", spread(damage::remove, 1, 0));
    }
};

[[nodiscard]] bool is_written() { return std::getenv("GRAPEVINE_WRITE_PAGES") != nullptr; }

[[nodiscard]] std::string without_numbers(const std::string& text) {
    return std::regex_replace(text, std::regex("[0-9]+( to [0-9]+)?"), "#");
}

constexpr const char* is_stale = "docs/damage.md is stale: run this with GRAPEVINE_WRITE_PAGES=1";

TEST_P(DamagePage, SaysWhatHappens) {
    static std::string all; // of those before, while the page is written
    const std::string rows = rows_of(GetParam());
    all += rows;
    if (is_written()) {
        std::ofstream(page_name) << beginning() << all << foot;
    }
    EXPECT_THAT(without_numbers(bytes_of(page_name)), testing::HasSubstr(without_numbers(rows)))
        << is_stale;
}
INSTANTIATE_TEST_SUITE_P(OfFiles, DamagePage, testing::ValuesIn(kinds()),
                         testing::PrintToStringParamName());

class DamagePageText : public DamagePage {};

TEST_P(DamagePageText, IsThatOfThisTest) {
    const std::string page = bytes_of(page_name);
    EXPECT_TRUE(page.starts_with(beginning())) << is_stale;
    EXPECT_TRUE(page.ends_with(foot)) << is_stale;
}
INSTANTIATE_TEST_SUITE_P(OfFiles, DamagePageText, testing::Values(kinds().front()),
                         testing::PrintToStringParamName());

} // namespace
} // namespace gv::storage
