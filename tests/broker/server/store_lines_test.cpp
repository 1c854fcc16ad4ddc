// SPDX-License-Identifier: Apache-2.0
// A store goes out as lines and comes in again as the same store; lines that make no sense are
// refused with what is wrong in them.
#include "base/hash.hpp"
#include "broker/server/store_export.hpp"
#include "broker/server/store_lines.hpp"
#include "storage/row_check.hpp"
#include "tests/support/prompt_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {

namespace {

using storage::rows;
using storage::table;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr storage::moment clock_now{};
constexpr std::uint64_t some_date = 1'750'000'000'123;

std::map<std::string, std::string, std::less<>>& of(rows& all, table which) {
    return all[static_cast<std::size_t>(which)];
}

template <typename... Arguments>
std::string encoded(const Arguments&... from) {
    std::string out;
    storage::encode(from..., out);
    return out;
}

publication example_message() {
    publication what;
    what.header.publisher = 0xfedc'ba98'7654'3210;
    what.header.stamp = {(some_date << 16) | 7};
    what.header.origin = node_id{0xffff'ffff'ffff'fff1};
    what.header.quality = qos::exactly_once;
    what.header.retain = true;
    what.header.maybe_dup = true;
    what.header.newest_only = true;
    what.header.expires = clock_now.from_stored(some_date + 1000);
    what.topic = "a/ü";
    // payload format, content type, response topic, correlation data, two user properties
    what.properties = std::string_view("\x01\x01\x03\x00\x01x\x08\x00\x01r\x09\x00\x02\x00\xff"
                                       "&\x00\x01k\x00\x01v&\x00\x01k\x00\x00",
                                       28);
    what.payload = std::string_view("\x00\xff binary", 9);
    return what;
}

/// One of everything, with every field at a value that says something.
rows example() {
    rows all;
    of(all, table::meta)["N"] =
        encoded(storage::node_record{.node = node_id{77}, .boot = boot_id{5}});
    const std::string client = "cli\"ent";
    const partition_id partition = partition_of(client);
    const storage::session_id id{.created = {(some_date << 16) | 3}, .node = node_id{78}};
    const storage::session_key key = key_of(partition, id);
    const publication what = example_message();
    const storage::session_record record{
        .id = id,
        .epoch = attach_epoch{12},
        .is_attached = true,
        .is_v5 = true,
        .expiry_seconds = 3600,
        .left_at = some_date,
        .receive_maximum = 20,
        .username = "bob",
        .will = storage::will_record{
            .delay_seconds = 4, .expiry_seconds = 5, .message = encoded(what, clock_now)}};
    of(all, table::sessions)[storage::client_key_of(partition, client)] = encoded(record);
    of(all, table::queue_meta)[std::string(key.view())] =
        encoded(storage::queue_record{.reserved_until = 4096, .sent_until = 2});
    of(all, table::subscriptions)[storage::subscription_key_of(key, "a/#")] =
        encoded(storage::subscription_record{.quality = qos::exactly_once,
                                             .no_local = true,
                                             .retain_as_published = true,
                                             .newest_only = true,
                                             .retain_handling = 2,
                                             .subscription_id = 268'435'455});
    of(all, table::subscriptions)[storage::subscription_key_of(key, "$share/g/b")] =
        encoded(storage::subscription_record{});
    const std::vector<std::uint32_t> ids{1, 300};
    const storage::queue_row row{.quality = qos::exactly_once,
                                 .retain = true,
                                 .id = packet_id{9},
                                 .subscription_ids = ids,
                                 .topic = 0xffff'0000'0000'0001};
    of(all, table::queue)[std::string(queue_key_of(key, 1).view())] = encoded(row, what, clock_now);
    const storage::body_id body{.in = {.slot = 486'111, .boot = boot_id{3}, .shard = shard_id{1}},
                                .number = 17};
    of(all, table::queue)[std::string(queue_key_of(key, 2).view())] =
        encoded(storage::queue_row{}, body, std::uint32_t{41});
    of(all, table::bodies)[std::string(body_key_of(body).view())] = encoded(what, clock_now);
    of(all, table::small)[std::string(release_key_of(key, 3).view())] = encoded(packet_id{10});
    of(all, table::small)[std::string(inbound_key_of(key, packet_id{11}).view())] = "";
    of(all,
       table::small)[std::string(storage::due_will_key_of(what.header.stamp, shard_id{0}).view())] =
        encoded(*record.will);
    of(all, table::retained)["a/ü"] = encoded(what, clock_now);
    const storage::spool_place place{.of = {.peer = node_id{79}, .lane = shard_id{2}},
                                     .sequence = 5};
    of(all, table::spool)[std::string(spool_key_of(place).view())] = encoded(storage::spooled_row{
        .put_at = 1, .life = boot_id{4}, .message = std::string_view("m\0", 2)});
    of(all, table::routes)[storage::route_key_of({.author = node_id{79}, .filter = "a/#"})] =
        encoded(storage::route_row{.quality = qos::exactly_once, .no_local_only = true});
    of(all, table::routes)[storage::route_key_of(
        {.author = node_id{79}, .filter = "a/#", .group = "g"})] =
        encoded(storage::route_row{.quality = qos::at_least_once, .online = 1, .total = 2});

    const storage::session_id plain{.created = {1 << 16}, .node = node_id{78}};
    const partition_id plain_partition = partition_of("plain");
    of(all, table::sessions)[storage::client_key_of(plain_partition, "plain")] =
        encoded(storage::session_record{.id = plain, .expiry_seconds = 0xffff'ffff});
    of(all, table::queue_meta)[std::string(key_of(plain_partition, plain).view())] =
        encoded(storage::queue_record{});
    return all;
}

std::vector<std::string> exported(const rows& all) {
    std::vector<std::string> lines;
    const export_report made =
        export_lines(storage::row_source(all), [&lines](std::string_view line) {
            EXPECT_TRUE(line.ends_with('\n'));
            lines.emplace_back(line.substr(0, line.size() - 1));
        });
    EXPECT_TRUE(made.is_readable);
    EXPECT_THAT(made.left_out, IsEmpty());
    return lines;
}

import_summary import(const std::vector<std::string>& lines, storage::prompt_store& store,
                      const rows& before = {}) {
    const storage::row_source source(before);
    store_import to(store, source);
    line_importer reader("x.jsonl", &to, store.node().boot);
    for (const std::string& line : lines) {
        const auto read = reader.read(line);
        EXPECT_TRUE(read) << (read ? "" : read.error().what) << "\n" << line;
    }
    reader.finish();
    return to.finish().value();
}

TEST(StoreLines, AnExampleIsSoundSoThatWhatFollowsMeansSomething) {
    const rows all = example();
    const auto found = check_rows(storage::row_source(all));
    EXPECT_TRUE(found.is_sound());
    EXPECT_EQ(found.of(table::queue).rows, 2U);
}

TEST(StoreLines, ComeInAsTheStoreThatWentOut) {
    const rows before = example();
    const auto lines = exported(before);
    ASSERT_EQ(lines.size(), 15U);
    storage::prompt_store store;
    const import_summary added = import(lines, store);
    EXPECT_EQ(added.sessions, 2U);
    EXPECT_EQ(added.queued, 2U);
    EXPECT_THAT(added.left_out, IsEmpty());
    EXPECT_THAT(added.changed, IsEmpty());
    for (std::size_t each = 1; each < storage::table_count; ++each) {
        EXPECT_EQ(store.all()[each], before[each]) << name_of(static_cast<table>(each));
    }
    auto again = exported(store.all());
    EXPECT_THAT(again.front(), HasSubstr("\"boot\":5"));
    again.front() = lines.front();
    EXPECT_EQ(again, lines);
}

// An importing node could not ask the one that was giving the message out.
TEST(StoreLines, LeaveOutAnIdentifierWhoseMessageMayNotHaveBeenGivenOut) {
    rows all = example();
    const std::size_t before = exported(all).size();
    const auto identifier = std::ranges::find_if(
        of(all, table::small), [](const auto& each) { return each.first.starts_with('I'); });
    ASSERT_NE(identifier, of(all, table::small).end());
    identifier->second = encoded(storage::unrouted_record{.node = node_id{79}, .boot = boot_id{2}});
    EXPECT_EQ(exported(all).size(), before - 1);
}

TEST(StoreLines, CanBeReadByAPerson) {
    const auto lines = exported(example());
    EXPECT_THAT(lines, Contains(AllOf(HasSubstr(R"("type":"subscription")"), HasSubstr("a/#"))));
    EXPECT_THAT(lines.back(), AllOf(HasSubstr(R"("type":"route")"), HasSubstr(R"("group":"g")"),
                                    HasSubstr(R"("members":2)")));
    EXPECT_THAT(lines[lines.size() - 3],
                AllOf(HasSubstr(R"("type":"spooled")"), HasSubstr(R"("bQA=")")));
    const std::string& retained = lines[lines.size() - 4];
    EXPECT_THAT(retained, AllOf(HasSubstr(R"("type":"retained")"),
                                HasSubstr(R"("stamp":"2025-06-15T15:06:40.123Z","stamp_count":7)"),
                                HasSubstr(R"(["content_type","x"])"),
                                HasSubstr(R"(["user_property","k","v"])"),
                                HasSubstr(R"(["correlation_data","AP8="])")));
    EXPECT_THAT(retained, testing::Not(HasSubstr("\"text\"")));
}

TEST(StoreLines, BodiesOfAnotherStoreDoNotMeetThoseOfThisOne) {
    const rows before = example();
    storage::prompt_store store(before);
    std::vector<std::string> lines = exported(before);
    for (std::string& line : lines) {
        if (const auto at = line.find("cli\\\"ent"); at != std::string::npos) {
            line.replace(at, 8, "other");
        }
    }
    import(lines, store, before);
    const auto found = check_rows(storage::row_source(store.all()));
    EXPECT_TRUE(found.is_sound());
    EXPECT_EQ(found.buckets, 2U);
    EXPECT_EQ(found.buckets_unused, 0U);
    // The store had 5 lives and this is its sixth; the next life must be new to all of them.
    EXPECT_EQ(found.node->boot, boot_id{10});
}

TEST(StoreLines, LeaveSessionsAndNewerRetainedMessagesAlone) {
    const rows before = example();
    storage::prompt_store store(before);
    const import_summary added = import(exported(before), store, before);
    EXPECT_EQ(added.sessions + added.subscriptions + added.queued + added.retained, 0U);
    EXPECT_THAT(added.left_out, testing::UnorderedElementsAre(
                                    Pair("sessions that are there already", 2),
                                    Pair("retained messages of topics that have a newer one", 1)));
    EXPECT_EQ(store.all()[static_cast<std::size_t>(table::queue)],
              before[static_cast<std::size_t>(table::queue)]);
}

TEST(StoreLines, TakeTextFromAPersonsHand) {
    storage::prompt_store store;
    import({R"({"type":"retained","message":{"topic":"a","qos":1,"text":"hällo"}})", "",
            R"({"type":"session","client_id":"c","created":1750000000000})",
            R"({"type":"message","client_id":"c","sequence":0,"qos":1,)"
            R"("message":{"topic":"t","payload":"aGk="}})"},
           store);
    const auto found = check_rows(storage::row_source(store.all()));
    EXPECT_TRUE(found.is_sound());
    publication what;
    ASSERT_TRUE(
        decode(store.all()[static_cast<std::size_t>(table::retained)].at("a"), clock_now, what));
    EXPECT_EQ(what.payload, "hällo");
}

TEST(StoreLines, AreRefusedWithWhatIsWrongInThem) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{", "this is no JSON: incomplete JSON"},
        {"[1]", "this is no JSON object"},
        {"{}", "type is missing"},
        {R"({"type":"sesion"})", "type \"sesion\" is not known"},
        {R"({"type":"node","schema":9})", "schema is that of a newer version: import it with that"},
        {R"({"type":"session","created":1})", "client_id is missing"},
        {R"({"type":"session","client_id":"c"})", "created is missing"},
        {R"({"type":"session","client_id":"c","created":"yesterday"})",
         "created is not a date like 2026-11-21T07:13:22.123Z"},
        {R"({"type":"session","client_id":"c","created":1,"color":2})",
         "color is not a field of this"},
        {R"({"type":"session","client_id":"c","created":1,"expiry_s":-1})",
         "expiry_s is not a number from 0 to 4294967295"},
        {R"({"type":"session","client_id":"c","created":1,"created_by":"xyz"})",
         "created_by is not a number of 16 hexadecimal digits"},
        {R"({"type":"session","client_id":"c","created":1,"attached":1})",
         "attached is neither true nor false"},
        {R"({"type":"session","client_id":"c","created":1,"will":{"message":{"topic":"#"}}})",
         "will.message.topic is not a topic"},
        {R"({"type":"release","client_id":"x","sequence":1,"packet_id":1})",
         "client_id is of no session in the lines before"},
        {R"({"type":"inbound","client_id":"known","packet_id":65536})",
         "packet_id is not a number from 0 to 65535"},
        {R"({"type":"subscription","client_id":"known","filter":"a#"})",
         "filter is not a topic filter"},
        {R"({"type":"subscription","client_id":"known","filter":"a","qos":3})",
         "qos is not a number from 0 to 2"},
        {R"({"type":"message","client_id":"known","sequence":1,"qos":1})", "message is missing"},
        {R"({"type":"message","client_id":"known","sequence":1,"qos":1,"body":"1-2"})",
         "body is not the name of a body like 463012-1-0-17"},
        {R"({"type":"message","client_id":"known","sequence":1,"qos":1,"body":"1-2-3-4"})",
         "body is in none of the lines before"},
        {R"({"type":"message","client_id":"known","sequence":1,"message":{"topic":"t"}})",
         "qos is not 1 or 2: nothing waits at QoS 0"},
        {R"({"type":"message","client_id":"known","sequence":1,"qos":1,"subscription_ids":[0]})",
         "subscription_ids is not a list of subscription identifiers"},
        {R"({"type":"retained","message":{"topic":"t","payload":"?"}})",
         "message.payload is not base64"},
        {R"({"type":"retained","message":{"topic":"t","properties":[["topic_alias",1]]}})",
         "message.properties are not properties that travel with a message"},
        {R"({"type":"retained","message":{"topic":"t","properties":[["content_type"]]}})",
         "message.properties are not properties that travel with a message"},
        {R"({"type":"body","message":{"topic":"t"}})", "id is missing"},
        {R"({"type":"spooled","lane":0,"sequence":1,"payload":"bQ=="})", "node is missing"},
        {R"({"type":"spooled","node":"1","lane":0,"sequence":1})", "payload is missing"},
        {R"({"type":"route","filter":"a","qos":1})", "node is missing"},
        {R"({"type":"route","node":"1","filter":"a#","qos":1})", "filter is no topic filter"},
        {R"({"type":"route","node":"1","filter":"a","qos":1,"members":1})",
         "members do not go with the group"},
    };
    storage::prompt_store store;
    const rows nothing;
    const storage::row_source source(nothing);
    store_import to(store, source);
    line_importer reader("x.jsonl", &to, boot_id{1});
    ASSERT_TRUE(reader.read(R"({"type":"session","client_id":"known","created":1})"));
    std::size_t number = 1;
    for (const auto& [line, what] : cases) {
        const auto read = reader.read(line);
        ASSERT_FALSE(read) << line;
        EXPECT_EQ(read.error().what, what) << line;
        EXPECT_EQ(read.error().place, "x.jsonl:" + std::to_string(++number));
    }
    ASSERT_TRUE(to.finish());
    EXPECT_EQ(store.all()[static_cast<std::size_t>(table::sessions)].size(), 1U);
    EXPECT_THAT(store.all()[static_cast<std::size_t>(table::retained)], IsEmpty());
}

TEST(StoreExport, SaysWhatItLeavesOut) {
    rows all = example();
    of(all, table::bodies).clear();
    of(all, table::retained)["broken"] = "?";
    std::size_t lines = 0;
    const export_report made =
        export_lines(storage::row_source(all), [&lines](std::string_view) { ++lines; });
    EXPECT_EQ(lines, 13U);
    EXPECT_THAT(made.left_out, ElementsAre(Pair("queued messages that are broken", 1),
                                           Pair("retained messages that are broken", 1)));
}

} // namespace

} // namespace gv::server
