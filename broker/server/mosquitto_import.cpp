// SPDX-License-Identifier: Apache-2.0
#include "broker/server/mosquitto_import.hpp"

#include "base/hash.hpp"
#include "base/topic.hpp"
#include "broker/mqtt/property_table.hpp"
#include "broker/mqtt/utf8.hpp"
#include "broker/server/mosquitto_grant.hpp"
#include "storage/mosquitto_db.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace gv::server {

namespace {

using storage::mosquitto_client;
using storage::mosquitto_delivery;
using storage::mosquitto_message;
using storage::mosquitto_subscription;

constexpr std::uint32_t subscription_id_max = 268'435'455;
constexpr std::uint32_t expiry_never = 0xffff'ffff;
/// A body as small as that is cheaper in each row than in one of its own.
constexpr std::size_t inline_payload_max = 32;
constexpr mqtt::packet_set publish_place = mqtt::bit_of(mqtt::packet_type::publish);

[[nodiscard]] bool is_good_topic(std::string_view topic) {
    return is_valid_topic_name(topic) && mqtt::is_valid_utf8(topic);
}

[[nodiscard]] bool is_good_filter(std::string_view filter) {
    return mqtt::is_valid_utf8(filter)
           && (is_shared_filter(filter) ? split_shared_filter(filter).has_value()
                                        : is_valid_topic_filter(filter));
}

struct client_state {
    const mosquitto_client* found = nullptr;
    std::vector<const mosquitto_delivery*> deliveries;
    std::vector<const mosquitto_subscription*> subscriptions;
    std::uint64_t sequence = 0;
};

class converter final : public storage::mosquitto_reader {
  public:
    converter(const mosquitto_import_options& options, store_import& to)
        : options_(options), to_(to), stamp_(hybrid_clock().next(options.written)) {}

    // storage::mosquitto_reader: gathers
    void on_header(const storage::mosquitto_header& what) override { header_ = what; }
    void on_message(const mosquitto_message& what) override { messages_[what.id] = what; }
    void on_client(const mosquitto_client& what) override { clients_.push_back(what); }
    void on_delivery(const mosquitto_delivery& what) override { deliveries_.push_back(what); }
    void on_subscription(const mosquitto_subscription& what) override {
        subscriptions_.push_back(what);
    }
    void on_retained(std::uint64_t message) override { retained_.push_back(message); }
    void on_unknown(std::uint32_t kind) override {
        leave_out("chunks of the unknown kind " + std::to_string(kind));
    }

    [[nodiscard]] const storage::mosquitto_header& header() const noexcept { return header_; }
    void convert() {
        index();
        for (auto& [client_id, client] : by_id_) {
            add_client(client_id, client);
        }
        for (auto& [client_id, client] : by_id_) {
            for (const mosquitto_delivery* each : client.deliveries) {
                if (each->way == mosquitto_delivery::direction::from_client) {
                    add_inbound(*each);
                }
            }
        }
        for (const auto& [topic, message] : retained_by_topic_) {
            to_.add_retained(publication_of(*message));
        }
    }

  private:
    void leave_out(const std::string& what) { to_.leave_out(what); }

    // Lifetime: from here on the vectors do not grow.
    void index() {
        for (const mosquitto_client& each : clients_) {
            if (each.client_id.empty() || !mqtt::is_valid_utf8(each.client_id)) {
                leave_out("clients without a usable client id");
            } else if (each.expiry_seconds == 0) {
                leave_out("sessions that end with their connection");
            } else if (is_over(each)) {
                leave_out("sessions that have expired");
            } else {
                by_id_[each.client_id].found = &each;
            }
        }
        for (const mosquitto_delivery& each : deliveries_) {
            if (client_state* owner = find(each.client_id)) {
                owner->deliveries.push_back(&each);
                references_[each.message] += wants_row(each) ? 1U : 0U;
            } else {
                leave_out("messages of sessions that are not imported");
            }
        }
        index_subscriptions();
        for (const std::uint64_t each : retained_) {
            if (const mosquitto_message* found = usable(each, "retained messages")) {
                retained_by_topic_[found->topic] = found;
            }
        }
    }

    void index_subscriptions() {
        for (mosquitto_subscription& each : subscriptions_) {
            client_state* owner = find(each.client_id);
            if (owner == nullptr) {
                leave_out("subscriptions of sessions that are not imported");
            } else if (!is_good_filter(each.filter)) {
                leave_out("subscriptions with a filter that is none");
            } else {
                if (each.identifier > subscription_id_max) {
                    leave_out("subscription identifiers that are none");
                    each.identifier = 0;
                }
                owner->subscriptions.push_back(&each);
            }
        }
    }

    [[nodiscard]] client_state* find(std::string_view client_id) {
        const auto found = by_id_.find(client_id);
        return found == by_id_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] static bool wants_row(const mosquitto_delivery& what) {
        return what.way == mosquitto_delivery::direction::to_client && what.quality > 0
               && what.progress != mosquitto_delivery::state::released;
    }

    [[nodiscard]] std::int64_t now_seconds() const {
        return std::chrono::duration_cast<std::chrono::seconds>(options_.now.time_since_epoch())
            .count();
    }
    [[nodiscard]] bool is_over(const mosquitto_client& what) const {
        return what.expiry_seconds != expiry_never && what.expires != 0
               && what.expires <= now_seconds();
    }

    /// The message, if it can be given to anybody; else says why not.
    [[nodiscard]] const mosquitto_message* usable(std::uint64_t id, const char* what) {
        const auto found = messages_.find(id);
        if (found == messages_.end()) {
            leave_out(std::string(what) + " whose content is not in the file");
        } else if (found->second.expires != 0 && found->second.expires <= now_seconds()) {
            leave_out(std::string(what) + " that have expired");
        } else if (!is_good_topic(found->second.topic)) {
            leave_out(std::string(what) + " with a topic that is none");
        } else {
            return &found->second;
        }
        return nullptr;
    }

    void add_client(std::string_view client_id, client_state& client) {
        const std::uint64_t sent = sent_until(client);
        if (to_.add_session(client_id, record_of(*client.found),
                            {.reserved_until = sent, .sent_until = sent})
            != store_import::outcome::added) {
            client.found = nullptr; // what follows is not added either
            return;
        }
        for (const mosquitto_subscription* each : client.subscriptions) {
            to_.add_subscription(client_id, each->filter,
                                 {.quality = static_cast<qos>(each->quality),
                                  .no_local = each->no_local,
                                  .retain_as_published = each->retain_as_published,
                                  .subscription_id = each->identifier});
        }
        for (const mosquitto_delivery* each : client.deliveries) {
            if (each->way == mosquitto_delivery::direction::to_client) {
                add_delivery(client_id, client, *each);
            }
        }
    }

    /// How many numbers are taken up to behind the last message that may have been sent. Messages
    /// that are left out take theirs as well.
    [[nodiscard]] static std::uint64_t sent_until(const client_state& client) {
        std::uint64_t sequence = 0;
        std::uint64_t until = 0;
        for (const mosquitto_delivery* each : client.deliveries) {
            if (each->way == mosquitto_delivery::direction::to_client) {
                ++sequence;
                until = each->progress == mosquitto_delivery::state::sent ? sequence : until;
            }
        }
        return until;
    }

    [[nodiscard]] storage::session_record record_of(const mosquitto_client& what) {
        storage::session_record made{
            .id = {.created = session_clock_.next(options_.now), .node = options_.node},
            .expiry_seconds = what.expiry_seconds};
        std::int64_t left = now_seconds();
        if (what.expires != 0 && what.expiry_seconds != expiry_never) {
            left = std::clamp<std::int64_t>(what.expires - what.expiry_seconds, 1, left);
        }
        made.left_at = static_cast<std::uint64_t>(left) * 1000;
        if (!what.username.empty()) {
            made.username.emplace(what.username);
        }
        return made;
    }

    void add_delivery(std::string_view client_id, client_state& client,
                      const mosquitto_delivery& what) {
        const std::uint64_t sequence = client.sequence++;
        if (what.quality == 0) {
            leave_out("messages queued at QoS 0");
        } else if (what.progress == mosquitto_delivery::state::unknown) {
            leave_out("messages in the unknown state " + std::to_string(what.raw_state));
        } else if (what.progress == mosquitto_delivery::state::released) {
            to_.add_release(client_id, sequence, packet_id{what.packet_id});
        } else if (const mosquitto_message* message = usable(what.message, "queued messages")) {
            const auto ids = subscription_ids_of(what);
            const bool is_sent = what.progress == mosquitto_delivery::state::sent;
            add_row(client_id, sequence,
                    {.quality = static_cast<qos>(what.quality),
                     .retain = what.retain,
                     .id = packet_id{is_sent ? what.packet_id : std::uint16_t{0}},
                     .subscription_ids = ids},
                    *message);
        }
    }

    [[nodiscard]] static std::vector<std::uint32_t>
    subscription_ids_of(const mosquitto_delivery& what) {
        std::vector<std::uint32_t> ids;
        if (const auto checked = mqtt::check_properties(what.properties, publish_place, 0)) {
            checked->for_each([&ids](const mqtt::property_entry& each) {
                if (each.id == mqtt::property::subscription_identifier) {
                    ids.push_back(each.number);
                }
            });
        }
        return ids;
    }

    void add_row(std::string_view client_id, std::uint64_t sequence, const storage::queue_row& row,
                 const mosquitto_message& message) {
        if (references_[message.id] > 1 && message.payload.size() > inline_payload_max) {
            const publication what = publication_of(message);
            to_.add_row(client_id, sequence, row, body_of(message, client_id, what),
                        static_cast<std::uint32_t>(what.topic.size() + what.properties.size()
                                                   + what.payload.size()));
        } else {
            to_.add_row(client_id, sequence, row, publication_of(message));
        }
    }

    /// One for each shard, which gives back the space when its own sessions need it no more.
    [[nodiscard]] storage::body_id body_of(const mosquitto_message& message,
                                           std::string_view client_id, const publication& what) {
        const shard_id shard = home_shard(partition_of(client_id), options_.shards);
        const auto [at, is_new] = bodies_.try_emplace(std::pair(message.id, shard));
        if (is_new) {
            at->second = {.in = {.slot = static_cast<std::uint32_t>(now_seconds() / 3600),
                                 .boot = options_.boot,
                                 .shard = shard},
                          .number = bodies_.size()};
            to_.add_body(at->second, what);
        }
        return at->second;
    }

    /// Lifetime: until the next call.
    [[nodiscard]] publication publication_of(const mosquitto_message& message) {
        publication made;
        made.header.publisher = message.publisher.empty() ? 0 : hash64(message.publisher);
        made.header.stamp = stamp_;
        made.header.origin = options_.node;
        made.header.quality = static_cast<qos>(message.quality);
        made.header.retain = message.retain;
        made.header.expires =
            store_import::clock.from_stored(static_cast<std::uint64_t>(message.expires) * 1000);
        made.topic = message.topic;
        properties_.clear();
        if (const auto checked = mqtt::check_properties(message.properties, publish_place, 0)) {
            append_forwardable_properties(*checked, properties_);
        } else if (unreadable_.insert(message.id).second) {
            leave_out("properties of messages that cannot be read");
        }
        made.properties = properties_;
        made.payload = message.payload;
        return made;
    }

    // Messages of clients, given out as if their PUBREL had come.

    void add_inbound(const mosquitto_delivery& what) {
        if (what.quality != 2 || what.packet_id == 0) {
            leave_out("messages of clients without a handshake");
            return;
        }
        if (to_.add_inbound(what.client_id, packet_id{what.packet_id})
            != store_import::outcome::added) {
            return;
        }
        const mosquitto_message* message = usable(what.message, "messages of clients");
        if (message == nullptr) {
            return;
        }
        give_out(*message);
        if (message->retain && message->payload.empty()) {
            retained_by_topic_.erase(message->topic);
        } else if (message->retain) {
            retained_by_topic_[message->topic] = message;
        }
    }

    void give_out(const mosquitto_message& message) {
        std::set<std::string_view> groups;
        for (auto& [client_id, client] : by_id_) {
            const auto wanted = client.found == nullptr
                                    ? std::nullopt
                                    : grant_of(message, client_id, client.subscriptions, groups);
            if (wanted && wanted->quality > 0) {
                to_.add_row(client_id, client.sequence++,
                            {.quality = static_cast<qos>(wanted->quality),
                             .retain = wanted->as_published && message.retain,
                             .subscription_ids = wanted->subscription_ids},
                            publication_of(message));
            }
        }
    }

    const mosquitto_import_options& options_;
    store_import& to_;
    hybrid_time stamp_; ///< of all messages: none of them is newer
    storage::mosquitto_header header_;
    std::vector<mosquitto_client> clients_;
    std::vector<mosquitto_delivery> deliveries_;
    std::vector<mosquitto_subscription> subscriptions_;
    std::vector<std::uint64_t> retained_;
    boost::unordered_flat_map<std::uint64_t, mosquitto_message> messages_;
    boost::unordered_flat_map<std::uint64_t, std::uint32_t> references_; ///< rows of a message
    std::map<std::string_view, client_state> by_id_; ///< those that are imported
    std::map<std::string_view, const mosquitto_message*> retained_by_topic_;
    std::map<std::pair<std::uint64_t, shard_id>, storage::body_id> bodies_;
    std::set<std::uint64_t> unreadable_;
    hybrid_clock session_clock_;
    std::string properties_;
};

} // namespace

result<storage::mosquitto_header, problem>
import_mosquitto_db(std::string_view bytes, const mosquitto_import_options& options,
                    store_import& to) {
    converter reader(options, to);
    if (auto read = read_mosquitto_db(bytes, options.name, reader); !read) {
        return failure(std::move(read.error()));
    }
    reader.convert();
    return reader.header();
}

} // namespace gv::server
