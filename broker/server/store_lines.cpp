// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_lines.hpp"

#include "base/topic.hpp"
#include "broker/server/store_json.hpp"
#include "broker/server/stored_dates.hpp"

#include <boost/json/parse.hpp>

#include <array>
#include <set>

namespace gv::server {

namespace {

namespace json = boost::json;
using need = json_fields::need;

constexpr std::uint64_t number_max = std::uint64_t{1} << 63;
constexpr std::uint64_t u64_max = ~std::uint64_t{0};
constexpr std::uint64_t u32_max = 0xffff'ffff;

} // namespace

class line_importer::reader {
  public:
    reader(std::string name, store_import* to, boot_id life)
        : name_(std::move(name)), to_(to), lives_before_(life.value == 0 ? 0 : life.value - 1) {
        last_life_.value = lives_before_;
    }

    [[nodiscard]] result<void, problem> read(std::string_view line) {
        ++number_;
        if (line.empty()) {
            return {};
        }
        std::string wrong = read_object(line);
        if (!wrong.empty()) {
            return failure(problem{.place = name_ + ":" + std::to_string(number_),
                                   .what = std::move(wrong),
                                   .remedy = number_ > 1
                                                 ? "mend the line"
                                                 : "mend the line, or import a file of JSON lines "
                                                   "or a mosquitto.db"});
        }
        return {};
    }

    void finish() {
        if (to_ != nullptr) {
            to_->set_boot(last_life_);
        }
    }

  private:
    struct kind {
        std::string_view type;
        void (reader::*read)(json_fields& from);
    };
    static const std::array<kind, 11> kinds;

    /// Returns what is wrong.
    [[nodiscard]] std::string read_object(std::string_view line) {
        json::error_code failed;
        json::parse_options lenient;
        lenient.allow_invalid_utf8 = true; // what is in a store gets out and in again
        const json::value parsed = json::parse(line, failed, {}, lenient);
        if (failed || !parsed.is_object()) {
            return failed ? "this is no JSON: " + failed.message() : "this is no JSON object";
        }
        problem_.clear();
        json_fields fields(parsed.get_object(), problem_);
        const std::string type = fields.text("type", need::required);
        for (const kind& each : kinds) {
            if (each.type == type) {
                (this->*each.read)(fields);
                return problem_;
            }
        }
        return problem_.empty() ? "type \"" + type + "\" is not known" : problem_;
    }

    /// The fields are read: whether the line may be carried out.
    [[nodiscard]] bool is_good(json_fields& from) {
        from.finish();
        return problem_.empty() && to_ != nullptr;
    }

    void read_node(json_fields& from) {
        const auto schema = from.number("schema", u32_max, need::required);
        static_cast<void>(from.hex("node"));
        const auto boot = from.number("boot", u32_max - lives_before_);
        if (schema > storage::schema) {
            from.fail("schema", "is that of a newer version: import it with that");
        }
        from.finish();
        note_life(boot_id{static_cast<std::uint32_t>(boot)});
    }

    /// Bodies of the lives of another node get numbers that no life of this one has had.
    void note_life(boot_id theirs) {
        const std::uint32_t ours = lives_before_ + theirs.value;
        last_life_.value = std::max(last_life_.value, ours);
    }
    [[nodiscard]] storage::body_id own_name(storage::body_id theirs, json_fields& from) {
        if (theirs.in.boot.value > u32_max - lives_before_) {
            from.fail("body", "is of a life beyond all numbers");
            return theirs;
        }
        note_life(theirs.in.boot);
        theirs.in.boot.value += lives_before_;
        return theirs;
    }

    void read_body(json_fields& from) {
        const auto name = from.body("id");
        if (!name) {
            from.fail("id", "is missing");
        }
        const message_value message = read_message(from, "message", problem_);
        const storage::body_id ours = own_name(name.value_or(storage::body_id{}), from);
        if (is_good(from)) {
            bodies_.insert(ours.in);
            to_->add_body(ours, message.view());
        } else if (problem_.empty()) {
            bodies_.insert(ours.in);
        }
    }

    void read_session(json_fields& from) {
        const std::string client_id = from.text("client_id", need::required);
        storage::session_record record;
        record.id.created = from.stamp("created");
        record.id.node.value = from.hex("created_by");
        record.epoch.value = from.number("epoch", number_max);
        record.is_attached = from.flag("attached");
        record.is_v5 = from.flag("v5");
        record.expiry_seconds = from.has("expiry_s")
                                    ? static_cast<std::uint32_t>(from.number("expiry_s", u32_max))
                                    : static_cast<std::uint32_t>(u32_max);
        record.left_at = from.date("left_at");
        record.receive_maximum = static_cast<std::uint16_t>(from.number("receive_maximum", 65'535));
        record.username = from.optional_text("username");
        record.will = read_will(from);
        const storage::queue_record queue{.reserved_until =
                                              from.number("reserved_until", number_max),
                                          .sent_until = from.number("sent_until", number_max)};
        if (client_id.empty()) {
            from.fail("client_id", "is empty");
        }
        if (record.id.created.value == 0) {
            from.fail("created", "is missing");
        }
        const bool is_carried_out = is_good(from);
        if (problem_.empty()) {
            clients_.insert(client_id);
        }
        if (is_carried_out) {
            to_->add_session(client_id, record, queue);
        }
    }

    [[nodiscard]] std::optional<storage::will_record> read_will(json_fields& from) {
        const json::object* found = from.object("will");
        if (found == nullptr) {
            return std::nullopt;
        }
        json_fields fields(*found, problem_, "will.");
        storage::will_record made = will_of(fields);
        fields.finish();
        return made;
    }

    [[nodiscard]] storage::will_record will_of(json_fields& fields) {
        storage::will_record made;
        made.delay_seconds = static_cast<std::uint32_t>(fields.number("delay_s", u32_max));
        made.expiry_seconds = static_cast<std::uint32_t>(fields.number("expiry_s", u32_max));
        encode(read_message(fields, "message", problem_).view(), stored_dates, made.message);
        return made;
    }

    /// Of a session that an earlier line has.
    [[nodiscard]] std::string client_of(json_fields& from) {
        std::string client_id = from.text("client_id", need::required);
        if (!clients_.contains(client_id)) {
            from.fail("client_id", "is of no session in the lines before");
        }
        return client_id;
    }

    [[nodiscard]] static packet_id id_of(json_fields& from, need how) {
        return packet_id{static_cast<std::uint16_t>(from.number("packet_id", 65'535, how))};
    }

    void read_subscription(json_fields& from) {
        const std::string client_id = client_of(from);
        const std::string filter = from.text("filter", need::required);
        if (is_shared_filter(filter) ? !split_shared_filter(filter)
                                     : !is_valid_topic_filter(filter)) {
            from.fail("filter", "is not a topic filter");
        }
        const storage::subscription_record record{
            .quality = from.quality("qos"),
            .no_local = from.flag("no_local"),
            .retain_as_published = from.flag("retain_as_published"),
            .newest_only = from.flag("newest_only"),
            .retain_handling = static_cast<std::uint8_t>(from.number("retain_handling", 2)),
            .subscription_id = static_cast<std::uint32_t>(from.number("identifier", 268'435'455))};
        if (is_good(from)) {
            to_->add_subscription(client_id, filter, record);
        }
    }

    void read_queued(json_fields& from) {
        const std::string client_id = client_of(from);
        const auto sequence = from.number("sequence", number_max, need::required);
        const auto ids = from.numbers("subscription_ids");
        const storage::queue_row row{.quality = from.quality("qos"),
                                     .retain = from.flag("retain"),
                                     .id = id_of(from, need::optional),
                                     .subscription_ids = ids,
                                     .topic = from.number("topic_hash", u64_max)};
        if (row.quality == qos::at_most_once) {
            from.fail("qos", "is not 1 or 2: nothing waits at QoS 0");
        }
        if (const auto body = from.body("body")) {
            const auto size = static_cast<std::uint32_t>(from.number("body_size", u32_max));
            const storage::body_id ours = own_name(*body, from);
            if (!bodies_.contains(ours.in)) {
                from.fail("body", "is in none of the lines before");
            }
            if (is_good(from)) {
                to_->add_row(client_id, sequence, row, ours, size);
            }
            return;
        }
        const message_value message = read_message(from, "message", problem_);
        if (is_good(from)) {
            to_->add_row(client_id, sequence, row, message.view());
        }
    }

    void read_release(json_fields& from) {
        const std::string client_id = client_of(from);
        const auto sequence = from.number("sequence", number_max, need::required);
        const packet_id id = id_of(from, need::required);
        if (is_good(from)) {
            to_->add_release(client_id, sequence, id);
        }
    }

    void read_inbound(json_fields& from) {
        const std::string client_id = client_of(from);
        const packet_id id = id_of(from, need::required);
        if (is_good(from)) {
            to_->add_inbound(client_id, id);
        }
    }

    void read_due_will(json_fields& from) {
        const storage::will_record due = will_of(from);
        if (is_good(from)) {
            to_->add_due_will(due);
        }
    }

    void read_retained(json_fields& from) {
        const message_value message = read_message(from, "message", problem_);
        if (is_good(from)) {
            to_->add_retained(message.view());
        }
    }

    void read_spooled(json_fields& from) {
        const storage::spool_place place{.of = {.peer = node_id{from.hex("node")},
                                                .lane = shard_id{static_cast<std::uint16_t>(
                                                    from.number("lane", 65'535, need::required))}},
                                         .sequence =
                                             from.number("sequence", number_max, need::required)};
        const auto put_at = from.date("put_at");
        const auto life = from.number("life", u32_max);
        const std::string message = from.payload();
        if (place.of.peer.value == 0) {
            from.fail("node", "is missing");
        }
        if (place.sequence == 0) {
            from.fail("sequence", "is 0");
        }
        if (message.empty()) {
            from.fail("payload", "is missing");
        }
        if (is_good(from)) {
            to_->add_spooled(place, {.put_at = put_at,
                                     .life = boot_id{static_cast<std::uint32_t>(life)},
                                     .message = message});
        }
    }

    void read_route(json_fields& from) {
        const node_id author{from.hex("node")};
        const std::string filter = from.text("filter", need::required);
        const std::string group = from.text("group");
        const storage::route_row row{
            .quality = from.quality("qos"),
            .no_local_only = from.flag("no_local"),
            .online = static_cast<std::uint32_t>(from.number("online", u32_max)),
            .total = static_cast<std::uint32_t>(from.number("members", u32_max))};
        if (author.value == 0) {
            from.fail("node", "is missing");
        }
        if (!is_valid_topic_filter(filter)) {
            from.fail("filter", "is no topic filter");
        }
        if (row.is_of_group() != !group.empty() || row.online > row.total) {
            from.fail("members", "do not go with the group");
        }
        if (is_good(from)) {
            to_->add_route({.author = author, .filter = filter, .group = group}, row);
        }
    }

    std::string name_;
    store_import* to_;
    std::uint32_t lives_before_;
    boot_id last_life_;
    std::size_t number_ = 0;
    std::string problem_;
    std::set<std::string, std::less<>> clients_;
    std::set<storage::bucket> bodies_;
};

const std::array<line_importer::reader::kind, 11> line_importer::reader::kinds{{
    {"node", &reader::read_node},
    {"body", &reader::read_body},
    {"session", &reader::read_session},
    {"subscription", &reader::read_subscription},
    {"message", &reader::read_queued},
    {"release", &reader::read_release},
    {"inbound", &reader::read_inbound},
    {"will", &reader::read_due_will},
    {"retained", &reader::read_retained},
    {"spooled", &reader::read_spooled},
    {"route", &reader::read_route},
}};

line_importer::line_importer(std::string name, store_import* to, boot_id life)
    : reader_(std::make_unique<reader>(std::move(name), to, life)) {}
line_importer::~line_importer() = default;

result<void, problem> line_importer::read(std::string_view line) { return reader_->read(line); }
void line_importer::finish() { reader_->finish(); }

} // namespace gv::server
