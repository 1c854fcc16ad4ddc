// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_export.hpp"

#include "base/bytes.hpp"
#include "broker/auth/crypto.hpp"
#include "broker/server/store_json.hpp"
#include "broker/server/stored_dates.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace gv::server {

namespace {

namespace json = boost::json;
using storage::table;

constexpr std::uint32_t expiry_never = 0xffff'ffff;

/// The first key behind all that begin with `prefix`.
[[nodiscard]] std::string behind(std::string prefix) {
    while (!prefix.empty() && prefix.back() == '\xff') {
        prefix.pop_back();
    }
    if (!prefix.empty()) {
        ++prefix.back();
    }
    return prefix;
}

void put_flag(json::object& to, std::string_view name, bool value) {
    if (value) {
        to[name] = true;
    }
}
void put_number(json::object& to, std::string_view name, std::uint64_t value) {
    if (value != 0) {
        to[name] = value;
    }
}

class exporter {
  public:
    exporter(const storage::table_source& from, const line_sink& to) : from_(from), to_(to) {}

    [[nodiscard]] export_report run() {
        add_node();
        scan(table::bodies, "bodies of messages", &exporter::add_body);
        scan(table::sessions, "sessions", &exporter::add_session);
        const bool is_read =
            from_.scan(table::small, "W", "X", [&](std::string_view key, std::string_view value) {
                count(add_due_will(key, value), "wills that are due");
                return true;
            });
        report_.is_readable = is_read && report_.is_readable;
        scan(table::retained, "retained messages", &exporter::add_retained);
        scan(table::spool, "messages for other nodes", &exporter::add_spooled);
        scan(table::routes, "routes of other nodes", &exporter::add_route);
        return std::move(report_);
    }

  private:
    /// False: the row is broken.
    using adder = bool (exporter::*)(std::string_view key, std::string_view value);

    void scan(table which, const char* what, adder add) {
        const bool is_read = from_.scan(which, [&](std::string_view key, std::string_view value) {
            count((this->*add)(key, value), what);
        });
        report_.is_readable = is_read && report_.is_readable;
    }

    /// Rows of the session at hand, after `lead`.
    void scan_session(table which, std::string_view lead, const char* what, adder add) {
        std::string prefix(lead);
        prefix.append(session_.view());
        const bool is_read = from_.scan(
            which, prefix, behind(prefix), [&](std::string_view key, std::string_view value) {
                count((this->*add)(key.substr(prefix.size()), value), what);
                return true;
            });
        report_.is_readable = is_read && report_.is_readable;
    }

    void count(bool is_whole, const char* what) {
        if (!is_whole) {
            ++report_.left_out[std::string(what) + " that are broken"];
        }
    }

    void write(const json::object& line) {
        std::string text = json::serialize(line);
        text.push_back('\n');
        to_(text);
    }

    [[nodiscard]] json::object line_of_client(std::string_view type) const {
        return {{"type", type}, {"client_id", client_id_}};
    }

    void add_node() {
        std::string value;
        storage::node_record node;
        if (from_.get(table::meta, storage::node_key, value) && decode(value, node)) {
            write({{"type", "node"},
                   {"schema", node.schema},
                   {"node", hex_json(node.node.value)},
                   {"boot", node.boot.value}});
        }
    }

    bool add_body(std::string_view key, std::string_view value) {
        publication what;
        storage::body_id name;
        if (key.size() != sizeof(storage::body_key) || !decode(key, name.in)
            || !decode(value, stored_dates, what)) {
            return false;
        }
        name.number = load_u64(key.data() + sizeof(storage::bucket_key));
        write({{"type", "body"}, {"id", body_name(name)}, {"message", message_json(what)}});
        return true;
    }

    bool add_session(std::string_view key, std::string_view value) {
        storage::session_record record;
        if (key.size() < 2 || !decode(value, record)) {
            return false;
        }
        session_ = storage::key_of(partition_id{load_u16(key.data())}, record.id);
        client_id_ = key.substr(2);
        std::string bytes;
        storage::queue_record queue;
        if (from_.get(table::queue_meta, session_.view(), bytes) && !decode(bytes, queue)) {
            count(false, "positions in a queue");
        }
        json::object line = session_line(record, queue);
        const bool is_whole = add_will(record, line);
        write(line);
        scan_session(table::subscriptions, {}, "subscriptions", &exporter::add_subscription);
        scan_session(table::queue, {}, "queued messages", &exporter::add_row);
        scan_session(table::small, "R", "releases", &exporter::add_release);
        scan_session(table::small, "I", "inbound identifiers", &exporter::add_inbound);
        return is_whole;
    }

    [[nodiscard]] json::object session_line(const storage::session_record& record,
                                            const storage::queue_record& queue) const {
        json::object line = line_of_client("session");
        put_stamp(line, "created", record.id.created);
        line["created_by"] = hex_json(record.id.node.value);
        put_number(line, "epoch", record.epoch.value);
        put_flag(line, "attached", record.is_attached);
        put_flag(line, "v5", record.is_v5);
        if (record.expiry_seconds != expiry_never) {
            line["expiry_s"] = record.expiry_seconds;
        }
        put_date(line, "left_at", record.left_at);
        put_number(line, "receive_maximum", record.receive_maximum);
        if (record.username) {
            line["username"] = *record.username;
        }
        put_number(line, "reserved_until", queue.reserved_until);
        put_number(line, "sent_until", queue.sent_until);
        return line;
    }

    [[nodiscard]] static bool add_will(const storage::session_record& record, json::object& line) {
        json::object will;
        if (!record.will) {
            return true;
        }
        if (!put_will(*record.will, will)) {
            return false;
        }
        line["will"] = std::move(will);
        return true;
    }

    [[nodiscard]] static bool put_will(const storage::will_record& will, json::object& line) {
        publication what;
        if (!decode(will.message, stored_dates, what)) {
            return false;
        }
        put_number(line, "delay_s", will.delay_seconds);
        put_number(line, "expiry_s", will.expiry_seconds);
        line["message"] = message_json(what);
        return true;
    }

    bool add_due_will(std::string_view key, std::string_view value) {
        storage::will_record will;
        json::object line{{"type", "will"}};
        if (key.size() != sizeof(storage::due_will_key) || !decode(value, will)
            || !put_will(will, line)) {
            return false;
        }
        write(line);
        return true;
    }

    // As a lane carries it, which is no matter of the store.
    bool add_spooled(std::string_view key, std::string_view value) {
        storage::spool_place place;
        storage::spooled_row row;
        if (!decode(key, place) || !decode(value, row)) {
            return false;
        }
        json::object line{{"type", "spooled"},
                          {"node", hex_json(place.of.peer.value)},
                          {"lane", place.of.lane.value},
                          {"sequence", place.sequence}};
        put_date(line, "put_at", row.put_at);
        put_number(line, "life", row.life.value);
        line["payload"] = auth::base64_encode(row.message);
        write(line);
        return true;
    }

    bool add_route(std::string_view key, std::string_view value) {
        storage::route_place place;
        storage::route_row row;
        if (!decode(key, place) || !decode(value, row)
            || row.is_of_group() != !place.group.empty()) {
            return false;
        }
        json::object line{
            {"type", "route"}, {"node", hex_json(place.author.value)}, {"filter", place.filter}};
        if (!place.group.empty()) {
            line["group"] = place.group;
        }
        line["qos"] = static_cast<unsigned>(row.quality);
        put_flag(line, "no_local", row.no_local_only);
        put_number(line, "online", row.online);
        put_number(line, "members", row.total);
        write(line);
        return true;
    }

    bool add_subscription(std::string_view filter, std::string_view value) {
        storage::subscription_record record;
        if (!decode(value, record)) {
            return false;
        }
        json::object line = line_of_client("subscription");
        line["filter"] = filter;
        line["qos"] = static_cast<unsigned>(record.quality);
        put_flag(line, "no_local", record.no_local);
        put_flag(line, "retain_as_published", record.retain_as_published);
        put_flag(line, "newest_only", record.newest_only);
        put_number(line, "retain_handling", record.retain_handling);
        put_number(line, "identifier", record.subscription_id);
        write(line);
        return true;
    }

    bool add_row(std::string_view rest, std::string_view value) {
        publication what;
        if (rest.size() != 8 || !decode(value, row_)
            || (!row_.body && !decode(row_.message, stored_dates, what))
            || (row_.body && !from_.get(table::bodies, body_key_of(*row_.body).view(), body_))) {
            return false;
        }
        json::object line = line_of_client("message");
        line["sequence"] = load_u64(rest.data());
        line["qos"] = static_cast<unsigned>(row_.row.quality);
        put_flag(line, "retain", row_.row.retain);
        put_number(line, "packet_id", row_.row.id.value);
        if (!row_.subscription_ids.empty()) {
            line["subscription_ids"] =
                json::array(row_.subscription_ids.begin(), row_.subscription_ids.end());
        }
        put_number(line, "topic_hash", row_.row.topic);
        if (row_.body) {
            line["body"] = body_name(*row_.body);
            line["body_size"] = row_.body_size;
        } else {
            line["message"] = message_json(what);
        }
        write(line);
        return true;
    }

    bool add_release(std::string_view rest, std::string_view value) {
        packet_id id;
        if (rest.size() != 8 || !storage::decode(value, id)) {
            return false;
        }
        json::object line = line_of_client("release");
        line["sequence"] = load_u64(rest.data());
        line["packet_id"] = id.value;
        write(line);
        return true;
    }

    // What its node had not given out is left out: the client sends it again.
    bool add_inbound(std::string_view rest, std::string_view value) {
        storage::unrouted_record unrouted;
        if (rest.size() != 2 || !(value.empty() || storage::decode(value, unrouted))) {
            return false;
        }
        if (!value.empty()) {
            return true;
        }
        json::object line = line_of_client("inbound");
        line["packet_id"] = load_u16(rest.data());
        write(line);
        return true;
    }

    bool add_retained(std::string_view key, std::string_view value) {
        publication what;
        if (!decode(value, stored_dates, what) || what.topic != key) {
            return false;
        }
        write({{"type", "retained"}, {"message", message_json(what)}});
        return true;
    }

    const storage::table_source& from_;
    const line_sink& to_;
    export_report report_;
    storage::session_key session_{};
    std::string_view client_id_;
    storage::queue_row_view row_;
    std::string body_;
};

} // namespace

export_report export_lines(const storage::table_source& from, const line_sink& to) {
    return exporter(from, to).run();
}

} // namespace gv::server
