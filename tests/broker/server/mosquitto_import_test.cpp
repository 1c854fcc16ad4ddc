// SPDX-License-Identifier: Apache-2.0
// What becomes of what a mosquitto.db holds.
#include "base/hash.hpp"
#include "broker/server/mosquitto_import.hpp"
#include "tests/support/mosquitto_file.hpp"
#include "tests/support/prompt_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {

namespace {

using storage::mosquitto_file;
using storage::stored_session;
using storage::table;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;
using way = storage::mosquitto_delivery::direction;

constexpr std::uint32_t forever = 0xffff'ffff;
constexpr std::int64_t now_s = 1'750'000'000;

/// What a start reads.
class loaded final : public storage::store_reader {
  public:
    void on_sessions(std::vector<stored_session> found) override {
        for (stored_session& each : found) {
            sessions.emplace(each.client_id, std::move(each));
        }
    }
    void on_retained(std::string_view topic, std::string_view message) override {
        publication what;
        ASSERT_TRUE(decode(message, store_import::clock, what));
        retained.emplace(topic, what.payload);
    }
    void on_bucket(const storage::bucket& found) override { buckets.push_back(found); }
    void on_due_will(std::string_view, storage::will_record) override {}
    void on_stray(table, std::string_view) override { ++strays; }
    void on_spool(const storage::spool_left&) override {}

    std::map<std::string, stored_session> sessions;
    std::map<std::string, std::string> retained;
    std::vector<storage::bucket> buckets;
    int strays = 0;
};

struct imported {
    explicit imported(const mosquitto_file& file, storage::rows before = {}) : store(before) {
        const storage::row_source source(before);
        store_import to(store, source);
        const auto read =
            import_mosquitto_db(file.bytes(),
                                {.name = "m.db",
                                 .now = wall_time(std::chrono::seconds(now_s)),
                                 .written = wall_time(std::chrono::seconds(now_s - 100)),
                                 .node = node_id{42},
                                 .boot = boot_id{1},
                                 .shards = 2},
                                to);
        EXPECT_TRUE(read);
        summary = to.finish().value();
        const auto report = storage::load_from(storage::row_source(store.all()), seen);
        EXPECT_EQ(report.rows_broken, 0U);
        EXPECT_EQ(seen.strays, 0);
    }

    /// "sequence topic payload q1 id" of each row, "dup" if it counts as sent.
    [[nodiscard]] std::vector<std::string> queue(const std::string& client) const {
        const stored_session& owner = seen.sessions.at(client);
        const auto answer =
            read_rows(storage::row_source(store.all()), {.partition = owner.partition,
                                                         .session = owner.record.id,
                                                         .end = 1000,
                                                         .rows_max = 1000,
                                                         .bytes_max = 1 << 20});
        EXPECT_FALSE(answer.is_broken);
        std::vector<std::string> lines;
        for (const auto& each : answer.rows) {
            storage::queue_row_view row;
            publication what;
            EXPECT_TRUE(decode(each.value, row));
            EXPECT_TRUE(decode(row.body ? each.body : row.message, store_import::clock, what));
            lines.push_back(std::to_string(each.sequence) + " " + std::string(what.topic) + " "
                            + std::string(what.payload) + " q"
                            + std::to_string(static_cast<int>(row.row.quality)) + " "
                            + std::to_string(row.row.id.value)
                            + (each.sequence < owner.queue.sent_until ? " dup" : ""));
            for (const std::uint32_t id : row.subscription_ids) {
                lines.back() += " s" + std::to_string(id);
            }
        }
        return lines;
    }

    storage::prompt_store store;
    import_summary summary;
    loaded seen;
};

mosquitto_file& add_client(mosquitto_file& file, std::string_view client_id) {
    return file.client({.client_id = client_id, .expiry_seconds = forever});
}

TEST(MosquittoImport, KeepsSessionsWithTheirExpiryAndUser) {
    mosquitto_file file;
    file.client({.client_id = "a", .username = "al", .expiry_seconds = 600, .expires = now_s + 500})
        .client({.client_id = "b", .expiry_seconds = forever})
        .client({.client_id = "late", .expiry_seconds = 60, .expires = now_s - 1})
        .client({.client_id = "brief", .expiry_seconds = 0})
        .client({.client_id = "bad\xff", .expiry_seconds = forever});
    const imported got(file);
    ASSERT_EQ(got.seen.sessions.size(), 2U);
    const storage::session_record& a = got.seen.sessions.at("a").record;
    EXPECT_EQ(a.left_at, static_cast<std::uint64_t>(now_s - 100) * 1000);
    EXPECT_EQ(a.expiry_seconds, 600U);
    EXPECT_EQ(a.username, "al");
    EXPECT_FALSE(a.is_attached);
    const storage::session_record& b = got.seen.sessions.at("b").record;
    EXPECT_EQ(b.left_at, static_cast<std::uint64_t>(now_s) * 1000);
    EXPECT_EQ(b.username, std::nullopt);
    EXPECT_NE(a.id, b.id);
    EXPECT_THAT(got.summary.left_out,
                UnorderedElementsAre(Pair("sessions that have expired", 1),
                                     Pair("sessions that end with their connection", 1),
                                     Pair("clients without a usable client id", 1)));
}

TEST(MosquittoImport, KeepsSubscriptions) {
    mosquitto_file file;
    add_client(file, "a")
        .subscription({.client_id = "a",
                       .filter = "x/+",
                       .identifier = 9,
                       .quality = 2,
                       .no_local = true,
                       .retain_as_published = true})
        .subscription({.client_id = "a", .filter = "$share/g/y"})
        .subscription({.client_id = "a", .filter = "x#"})
        .subscription({.client_id = "a", .filter = "w", .identifier = 0xffff'ffff})
        .subscription({.client_id = "nobody", .filter = "z"});
    const imported got(file);
    const auto& found = got.seen.sessions.at("a").subscriptions;
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].first, "$share/g/y");
    EXPECT_EQ(found[1].first, "w");
    EXPECT_EQ(found[1].second.subscription_id, 0U);
    EXPECT_EQ(found[2].first, "x/+");
    EXPECT_EQ(found[2].second.quality, qos::exactly_once);
    EXPECT_TRUE(found[2].second.no_local && found[2].second.retain_as_published);
    EXPECT_EQ(found[2].second.subscription_id, 9U);
    EXPECT_THAT(got.summary.left_out,
                UnorderedElementsAre(Pair("subscription identifiers that are none", 1),
                                     Pair("subscriptions with a filter that is none", 1),
                                     Pair("subscriptions of sessions that are not imported", 1)));
}

TEST(MosquittoImport, KeepsTheQueueInOrderWithWhatWasInFlight) {
    mosquitto_file file;
    for (std::uint64_t id = 1; id <= 6; ++id) {
        const std::string payload = "p" + std::to_string(id);
        file.message({.id = id, .quality = 2, .topic = "t", .payload = payload});
    }
    add_client(file, "a")
        .delivery({.client_id = "a", .message = 1, .packet_id = 70, .quality = 2, .raw_state = 9})
        .delivery({.client_id = "a", .message = 2, .packet_id = 71, .quality = 1, .raw_state = 3})
        .delivery({.client_id = "a", .message = 3, .packet_id = 72, .quality = 2, .raw_state = 5})
        .delivery({.client_id = "a", .message = 4, .packet_id = 4, .quality = 2, .raw_state = 11})
        .delivery({.client_id = "a", .message = 5, .quality = 0, .raw_state = 11})
        .delivery({.client_id = "a", .message = 99, .quality = 1, .raw_state = 11})
        .delivery({.client_id = "a",
                   .message = 6,
                   .quality = 1,
                   .raw_state = 11,
                   .properties = std::string_view("\x0b\x05", 2)});
    const imported got(file);
    EXPECT_THAT(got.queue("a"), ElementsAre("1 t p2 q1 71 dup", "2 t p3 q2 72 dup", "3 t p4 q2 0",
                                            "6 t p6 q1 0 s5"));
    EXPECT_THAT(got.seen.sessions.at("a").releases, ElementsAre(Pair(0, packet_id{70})));
    EXPECT_THAT(got.summary.left_out,
                UnorderedElementsAre(Pair("messages queued at QoS 0", 1),
                                     Pair("queued messages whose content is not in the file", 1)));
}

TEST(MosquittoImport, GivesANewIdentifierToTheSecondOfTwoWithTheSame) {
    mosquitto_file file;
    file.message({.id = 1, .topic = "t"});
    add_client(file, "a")
        .delivery({.client_id = "a", .message = 1, .packet_id = 7, .quality = 2, .raw_state = 6})
        .delivery({.client_id = "a", .message = 1, .packet_id = 7, .quality = 1, .raw_state = 3})
        .delivery({.client_id = "a", .message = 1, .packet_id = 7, .quality = 2, .raw_state = 6});
    const imported got(file);
    EXPECT_THAT(got.queue("a"), ElementsAre("1 t  q1 0 dup"));
    EXPECT_EQ(got.seen.sessions.at("a").releases.size(), 1U);
    EXPECT_EQ(got.summary.changed.size(), 1U);
    EXPECT_EQ(got.summary.left_out.size(), 1U);
}

TEST(MosquittoImport, StoresASharedMessageOnceForEachShard) {
    const std::string large(100, 'x');
    mosquitto_file file;
    file.message({.id = 1, .quality = 1, .topic = "t", .payload = large});
    file.message({.id = 2, .quality = 1, .topic = "t", .payload = "small"});
    std::set<shard_id> shards;
    for (int number = 0; number < 20; ++number) {
        const std::string client = "c" + std::to_string(number);
        shards.insert(home_shard(partition_of(client), 2));
        add_client(file, client)
            .delivery({.client_id = client, .message = 1, .quality = 1, .raw_state = 11})
            .delivery({.client_id = client, .message = 2, .quality = 1, .raw_state = 11});
    }
    const imported got(file);
    ASSERT_EQ(shards.size(), 2U);
    EXPECT_EQ(got.store.all()[static_cast<std::size_t>(table::bodies)].size(), 2U);
    EXPECT_EQ(got.seen.buckets.size(), 2U);
    EXPECT_THAT(got.queue("c7"), ElementsAre("0 t " + large + " q1 0", "1 t small q1 0"));
    for (const auto& [name, session] : got.seen.sessions) {
        EXPECT_EQ(session.rows.front().bucket.shard, home_shard(session.partition, 2));
    }
}

TEST(MosquittoImport, KeepsRetainedMessagesWithPropertiesAndExpiry) {
    mosquitto_file file;
    file.message({.id = 1,
                  .expires = now_s + 60,
                  .quality = 1,
                  .retain = true,
                  .publisher = "p",
                  .topic = "r",
                  .payload = "kept",
                  .properties = std::string_view("\x01\x01\x03\x00\x01x", 6)})
        .message({.id = 2, .expires = now_s, .topic = "late", .payload = "x"})
        .message({.id = 3, .topic = "wild/#", .payload = "x"})
        .message({.id = 4, .topic = "odd", .payload = "x", .properties = "\xff\xff"})
        .retained(1)
        .retained(2)
        .retained(3)
        .retained(4);
    const imported got(file);
    EXPECT_THAT(got.seen.retained, ElementsAre(Pair("odd", "x"), Pair("r", "kept")));
    publication what;
    const auto& value = got.store.all()[static_cast<std::size_t>(table::retained)].at("r");
    ASSERT_TRUE(decode(value, store_import::clock, what));
    EXPECT_EQ(what.properties, std::string_view("\x01\x01\x03\x00\x01x", 6));
    EXPECT_EQ(what.header.expires, time_point(std::chrono::seconds(now_s + 60)));
    EXPECT_EQ(what.header.publisher, hash64("p"));
    EXPECT_TRUE(what.header.retain);
    EXPECT_THAT(got.summary.left_out,
                UnorderedElementsAre(Pair("retained messages that have expired", 1),
                                     Pair("retained messages with a topic that is none", 1),
                                     Pair("properties of messages that cannot be read", 1)));
}

TEST(MosquittoImport, GivesOutWhatMosquittoHeldBackForAPubrel) {
    mosquitto_file file;
    file.message({.id = 1,
                  .quality = 2,
                  .retain = true,
                  .publisher = "a",
                  .topic = "t/1",
                  .payload = "held"})
        .message({.id = 2, .quality = 1, .retain = true, .topic = "t/1", .payload = "before"})
        .message({.id = 3, .quality = 1, .topic = "t/1", .payload = "queued"})
        .retained(2);
    add_client(file, "a")
        .delivery({.client_id = "a",
                   .message = 1,
                   .packet_id = 12,
                   .quality = 2,
                   .raw_state = 7,
                   .way = way::from_client})
        .subscription({.client_id = "a", .filter = "t/1", .quality = 1, .no_local = true});
    add_client(file, "b")
        .delivery({.client_id = "b", .message = 3, .quality = 1, .raw_state = 11})
        .subscription({.client_id = "b", .filter = "t/#", .identifier = 5, .quality = 1})
        .subscription({.client_id = "b", .filter = "t/+", .quality = 2});
    add_client(file, "c").subscription({.client_id = "c", .filter = "#", .quality = 0});
    add_client(file, "d").subscription({.client_id = "d", .filter = "$share/g/t/1", .quality = 2});
    add_client(file, "e").subscription({.client_id = "e", .filter = "$share/g/t/1", .quality = 2});
    const imported got(file);
    EXPECT_THAT(got.seen.sessions.at("a").inbound, ElementsAre(packet_id{12}));
    EXPECT_THAT(got.queue("a"), IsEmpty());
    EXPECT_THAT(got.queue("b"), ElementsAre("0 t/1 queued q1 0", "1 t/1 held q2 0 s5"));
    EXPECT_THAT(got.queue("c"), IsEmpty());
    EXPECT_EQ(got.queue("d").size() + got.queue("e").size(), 1U);
    EXPECT_THAT(got.seen.retained, ElementsAre(Pair("t/1", "held")));
}

TEST(MosquittoImport, LeavesWhatIsThereAlone) {
    mosquitto_file first;
    first.message({.id = 1, .topic = "r", .payload = "first"}).retained(1);
    add_client(first, "a").subscription({.client_id = "a", .filter = "one"});
    const imported before(first);

    mosquitto_file second;
    second.message({.id = 1, .topic = "r", .payload = "second"})
        .message({.id = 2, .topic = "new", .payload = "second"})
        .retained(1)
        .retained(2);
    add_client(second, "a").subscription({.client_id = "a", .filter = "two"});
    add_client(second, "b");
    const imported got(second, before.store.all());
    EXPECT_THAT(got.seen.retained, ElementsAre(Pair("new", "second"), Pair("r", "first")));
    EXPECT_EQ(got.seen.sessions.size(), 2U);
    EXPECT_EQ(got.seen.sessions.at("a").subscriptions.front().first, "one");
    EXPECT_EQ(got.seen.sessions.at("a").subscriptions.size(), 1U);
    EXPECT_THAT(got.summary.left_out,
                UnorderedElementsAre(Pair("sessions that are there already", 1),
                                     Pair("retained messages of topics that have a newer one", 1)));
}

TEST(MosquittoImport, AddsNothingOfAFileThatIsCut) {
    mosquitto_file file;
    file.message({.id = 1, .topic = "r", .payload = "x"}).retained(1);
    storage::prompt_store store;
    const storage::row_source nothing(store.all());
    store_import to(store, nothing);
    std::string cut = file.bytes();
    cut.pop_back();
    EXPECT_FALSE(import_mosquitto_db(cut, {.name = "m.db"}, to));
    EXPECT_TRUE(to.finish());
    EXPECT_THAT(store.all()[static_cast<std::size_t>(table::retained)], IsEmpty());
}

} // namespace

} // namespace gv::server
