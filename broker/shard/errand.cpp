// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/errand.hpp"

#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "base/topic.hpp"

#include <concepts>
#include <limits>
#include <utility>

namespace gv::shard {

namespace {

enum class kind : std::uint8_t {
    attach = 1,
    detach,
    ack,
    inbound,
    confirm,
    room,
    load,
    subscribe,
    unsubscribe,
    handover,
    rows,
    fence,
    fenced,
    member,
    outcome,
    push = 32,
    pubrel,
    kick,
    attached,
    settled,
    confirmed,
    subscribed,
    detached_all,
    member_known,
    group_push
};

namespace attach_bits {
constexpr std::uint8_t has_username = 1, has_will = 2, clean_start = 4, is_v5 = 8, is_late = 16,
                       all = 31;
} // namespace attach_bits
namespace detach_bits {
constexpr std::uint8_t cause = 0x3f, is_early = 0x40, has_expiry = 0x80;
} // namespace detach_bits
namespace push_bits {
constexpr std::uint8_t retain = 1, dup = 2, wants_room = 4, all = 7;
} // namespace push_bits
namespace attached_bits {
constexpr std::uint8_t session_present = 1, held_by_home = 2, all = 3;
} // namespace attached_bits
/// Of a message as its publisher sent it.
namespace what_bits {
constexpr std::uint8_t quality = 3, retain = 4, newest_only = 8, all = 15;
} // namespace what_bits
namespace how_bits {
constexpr std::uint8_t quality = 3, no_local = 4, retain_as_published = 8, newest_only = 16,
                       handling_at = 5, all = 0x7f;
} // namespace how_bits

constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint8_t last_cause = static_cast<std::uint8_t>(session::close_cause::administrative);

std::uint8_t bit(bool is_set, std::uint8_t value) noexcept { return is_set ? value : 0; }

std::uint8_t bits_of(const envelope& header) noexcept {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(header.quality)
                                     | bit(header.retain, what_bits::retain)
                                     | bit(header.newest_only, what_bits::newest_only));
}

// --- writing

class word_writer {
  public:
    std::optional<errand> operator()(const push& word) {
        begin(kind::push, word.connection);
        out_.u16(word.id.value);
        out_.u8(bits_of(word.what->header()));
        out_.u8(static_cast<std::uint8_t>(bit(word.retain, push_bits::retain)
                                          | bit(word.dup, push_bits::dup)
                                          | bit(word.wants_room, push_bits::wants_room)));
        if (word.subscription_ids) {
            for (const std::uint32_t each : *word.subscription_ids) {
                out_.u32(each);
            }
        }
        made_.what = message::view_of(word.what);
        made_.what.header.quality = word.quality;
        return std::move(made_);
    }
    std::optional<errand> operator()(const push_pubrel& word) {
        begin(kind::pubrel, word.connection);
        out_.u16(word.id.value);
        return counted();
    }
    std::optional<errand> operator()(const home_ack& word) {
        begin(kind::ack, word.home);
        out_.u64(word.connection);
        write(word.ack);
        return counted();
    }
    std::optional<errand> operator()(const std::unique_ptr<rare>& word) {
        return std::visit(*this, std::as_const(*word));
    }
    std::optional<errand> operator()(const attach& word) {
        const session::attach_request& asked = word.request;
        begin(kind::attach, word.connection);
        out_.u8(static_cast<std::uint8_t>(bit(word.username.has_value(), attach_bits::has_username)
                                          | bit(asked.will.has_value(), attach_bits::has_will)
                                          | bit(asked.clean_start, attach_bits::clean_start)
                                          | bit(asked.is_v5, attach_bits::is_v5)
                                          | bit(asked.is_late, attach_bits::is_late)));
        out_.prefixed(asked.client_id);
        if (word.username) {
            out_.prefixed(*word.username);
        }
        out_.u64(asked.connected_at.value);
        out_.u32(asked.session_expiry);
        out_.u16(asked.receive_maximum);
        if (asked.will) {
            write(*asked.will);
        }
        return counted();
    }
    std::optional<errand> operator()(const detach& word) {
        begin(kind::detach, word.home);
        out_.u64(word.epoch.value);
        const auto& expiry = word.notice.session_expiry;
        out_.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(word.notice.cause)
                                          | bit(word.is_early, detach_bits::is_early)
                                          | bit(expiry.has_value(), detach_bits::has_expiry)));
        if (expiry) {
            out_.u32(*expiry);
        }
        return counted();
    }
    std::optional<errand> operator()(const inbound_change& word) {
        begin(kind::inbound, word.home);
        out_.u64(word.connection);
        out_.u16(word.id.value);
        out_.u8(static_cast<std::uint8_t>(word.level));
        out_.u8(word.is_held ? 1 : 0);
        return counted();
    }
    std::optional<errand> operator()(const confirm& word) {
        begin(kind::confirm, word.home);
        out_.u64(word.connection);
        write(word.what);
        return counted();
    }
    std::optional<errand> operator()(const room& word) {
        begin(kind::room, word.home);
        out_.u64(word.connection);
        return counted();
    }
    std::optional<errand> operator()(const front_load& word) {
        begin(kind::load, word.home);
        out_.u64(word.connection);
        out_.u8(word.is_full ? 1 : 0);
        return counted();
    }
    std::optional<errand> operator()(const subscribe& word) {
        begin(kind::subscribe, word.home);
        out_.u64(word.connection);
        out_.u16(word.id.value);
        for (const session::subscription& each : word.filters) {
            const auto handling = static_cast<unsigned>(each.handling) << how_bits::handling_at;
            out_.u8(static_cast<std::uint8_t>(
                static_cast<std::uint8_t>(each.quality) | bit(each.no_local, how_bits::no_local)
                | bit(each.retain_as_published, how_bits::retain_as_published)
                | bit(each.newest_only, how_bits::newest_only) | handling));
            out_.u32(each.subscription_id);
            out_.prefixed(each.filter);
        }
        return counted();
    }
    std::optional<errand> operator()(const unsubscribe& word) {
        begin(kind::unsubscribe, word.home);
        out_.u64(word.connection);
        out_.u16(word.id.value);
        for (const std::string& each : word.filters) {
            out_.prefixed(each);
        }
        return counted();
    }
    std::optional<errand> operator()(const kick& word) {
        begin(kind::kick, word.connection);
        out_.u64(word.home);
        out_.u64(word.epoch.value);
        out_.u8(static_cast<std::uint8_t>(word.cause));
        out_.u8(static_cast<std::uint8_t>(word.reason));
        out_.prefixed(std::string_view(word.why).substr(0, 0xffff));
        return counted();
    }
    std::optional<errand> operator()(const attach_answer& word) {
        begin(kind::attached, word.connection);
        out_.u64(word.home);
        out_.u64(word.answer.epoch.value);
        out_.u8(static_cast<std::uint8_t>(
            bit(word.answer.session_present, attached_bits::session_present)
            | bit(word.answer.is_held_by_home, attached_bits::held_by_home)));
        for (const packet_id each : word.answer.inbound) {
            out_.u16(each.value);
        }
        return counted();
    }
    std::optional<errand> operator()(const settled& word) {
        begin(kind::settled, word.connection);
        write(word.ack);
        out_.u8(static_cast<std::uint8_t>(word.outcome));
        return counted();
    }
    std::optional<errand> operator()(const confirmed& word) {
        begin(kind::confirmed, word.connection);
        write(word.what);
        return counted();
    }
    std::optional<errand> operator()(const subscribed& word) {
        begin(kind::subscribed, word.connection);
        out_.u16(word.id.value);
        out_.u8(word.is_removal ? 1 : 0);
        for (const mqtt::reason_code each : word.reasons) {
            out_.u8(static_cast<std::uint8_t>(each));
        }
        return counted();
    }
    std::optional<errand> operator()(const detached_all& word) {
        out_.u8(static_cast<std::uint8_t>(kind::detached_all));
        out_.u16(word.home_shard.value);
        return counted();
    }
    std::optional<errand> operator()(const handover& word) {
        begin(kind::handover, word.which, word.number);
        out_.u8(static_cast<std::uint8_t>(word.what));
        out_.u64(word.cut.value);
        return counted();
    }
    std::optional<errand> operator()(const handover_rows& word) {
        begin(kind::rows, word.which, word.number);
        out_.u8(word.are_late ? 1 : 0);
        made_.what.payload = word.rows;
        return counted();
    }
    std::optional<errand> operator()(const fence& word) {
        begin(kind::fence, word.which, word.number);
        out_.u64(word.after.value);
        out_.u64(word.homes[0].value);
        out_.u64(word.homes[1].value);
        return counted();
    }
    std::optional<errand> operator()(const fenced& word) {
        begin(kind::fenced, word.which, word.number);
        out_.u16(word.shard.value);
        out_.u16(word.shards);
        out_.u64(word.at.value);
        return counted();
    }
    std::optional<errand> operator()(const member_change& word) {
        begin(kind::member, word.queue);
        out_.u64(word.member);
        out_.u8(static_cast<std::uint8_t>(word.what));
        out_.u16(word.window);
        out_.prefixed(word.name);
        return counted();
    }
    std::optional<errand> operator()(const member_known& word) {
        begin(kind::member_known, word.member);
        out_.u64(word.queue);
        out_.u8(static_cast<std::uint8_t>(word.what));
        out_.u64(word.join);
        out_.prefixed(word.name);
        return counted();
    }
    std::optional<errand> operator()(const group_push& word) {
        begin(kind::group_push, word.member);
        out_.u64(word.queue);
        out_.u16(word.id.value);
        out_.u8(bits_of(word.what->header()));
        out_.u8(word.retain ? 1 : 0);
        made_.what = message::view_of(word.what);
        if (word.id.value != 0) {
            return counted();
        }
        made_.what.header.quality = qos::at_most_once;
        return std::move(made_);
    }
    std::optional<errand> operator()(const group_outcome& word) {
        begin(kind::outcome, word.queue);
        out_.u64(word.member);
        out_.u16(word.id.value);
        out_.u8(static_cast<std::uint8_t>(word.what));
        return counted();
    }
    /// Of messages, groups, routes and replays: each node has its own.
    template <typename Other>
    std::optional<errand> operator()(const Other&) {
        return std::nullopt;
    }

  private:
    void begin(kind what, std::uint64_t whom) {
        out_.u8(static_cast<std::uint8_t>(what));
        out_.u64(whom);
    }
    void begin(kind what, partition_id which, std::uint64_t number) {
        out_.u8(static_cast<std::uint8_t>(what));
        out_.u16(which.value);
        out_.u64(number);
    }
    void write(const session::delivery_ack& ack) {
        out_.u16(ack.id.value);
        out_.u8(static_cast<std::uint8_t>(ack.type));
        out_.u8(ack.is_error ? 1 : 0);
    }
    void write(const session::inbound_ack& ack) {
        out_.u16(ack.id.value);
        out_.u8(static_cast<std::uint8_t>(ack.type));
        out_.u8(static_cast<std::uint8_t>(ack.reason));
    }
    void write(const session::will_message& will) {
        const envelope& header = will.content->header();
        const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(
            header.expires.time_since_epoch());
        out_.u32(static_cast<std::uint32_t>(will.delay.count()));
        out_.u8(bits_of(header));
        out_.u64(header.expires == never ? endless : static_cast<std::uint64_t>(life.count()));
        made_.what = message::view_of(will.content);
        made_.what.header.expires = never;
    }
    std::optional<errand> counted() {
        made_.what.header.quality = qos::at_least_once;
        return std::move(made_);
    }

    errand made_;
    byte_writer out_{made_.bytes};
};

// --- reading

class word_reader {
  public:
    word_reader(std::string_view bytes, const publication& what) : in_(bytes), what_(what) {}

    std::optional<shard_message> read() {
        std::optional<shard_message> found = read_word();
        return found && !in_.failed() && in_.at_end() && !is_bad_ ? std::move(found) : std::nullopt;
    }

  private:
    std::optional<shard_message> read_word() {
        switch (static_cast<kind>(in_.u8())) {
        case kind::attach:
            return read_attach();
        case kind::detach:
            return read_detach();
        case kind::ack:
            return shard_message(
                home_ack{.home = in_.u64(), .connection = in_.u64(), .ack = read_delivery_ack()});
        case kind::inbound:
            return rare_word(inbound_change{.home = in_.u64(),
                                            .connection = in_.u64(),
                                            .id = packet_id{in_.u16()},
                                            .level = enumerated<durability>(2),
                                            .is_held = boolean()});
        case kind::confirm:
            return rare_word(
                confirm{.home = in_.u64(), .connection = in_.u64(), .what = read_inbound_ack()});
        case kind::room:
            return rare_word(room{.home = in_.u64(), .connection = in_.u64()});
        case kind::load:
            return rare_word(
                front_load{.home = in_.u64(), .connection = in_.u64(), .is_full = boolean()});
        case kind::subscribe:
            return read_subscribe();
        case kind::unsubscribe:
            return read_unsubscribe();
        case kind::handover:
            return rare_word(handover{.which = read_partition(),
                                      .number = in_.u64(),
                                      .what = enumerated<handover::step>(
                                          static_cast<std::uint8_t>(handover::step::refused)),
                                      .cut = hybrid_time{in_.u64()}});
        case kind::rows:
            return rare_word(handover_rows{.which = read_partition(),
                                           .number = in_.u64(),
                                           .are_late = boolean(),
                                           .rows = std::string(what_.payload)});
        case kind::fence:
            return rare_word(fence{.which = read_partition(),
                                   .number = in_.u64(),
                                   .after = hybrid_time{in_.u64()},
                                   .homes = {node_id{in_.u64()}, node_id{in_.u64()}}});
        case kind::fenced:
            return read_fenced();
        case kind::member:
            return read_member();
        case kind::outcome:
            return shard_message(group_outcome{.queue = in_.u64(),
                                               .member = in_.u64(),
                                               .id = packet_id{in_.u16()},
                                               .what = enumerated<group_outcome::kind>(4)});
        case kind::push:
            return read_push();
        case kind::pubrel:
            return shard_message(push_pubrel{.connection = in_.u64(), .id = packet_id{in_.u16()}});
        case kind::kick:
            return read_kick();
        case kind::attached:
            return read_attached();
        case kind::settled:
            return rare_word(settled{.connection = in_.u64(),
                                     .ack = read_delivery_ack(),
                                     .outcome = enumerated<session::outbound::ack>(2)});
        case kind::confirmed:
            return rare_word(confirmed{.connection = in_.u64(), .what = read_inbound_ack()});
        case kind::subscribed:
            return read_subscribed();
        case kind::detached_all:
            return rare_word(detached_all{.home_shard = shard_id{in_.u16()}});
        case kind::member_known:
            return read_member_known();
        case kind::group_push:
            return read_group_push();
        }
        return std::nullopt;
    }

    std::optional<shard_message> read_attach() {
        attach word{.connection = in_.u64(), .username = {}, .request = {}};
        const std::uint8_t flags = flags_of(attach_bits::all);
        session::attach_request& asked = word.request;
        asked.client_id = in_.prefixed();
        if ((flags & attach_bits::has_username) != 0) {
            word.username = in_.prefixed();
        }
        asked.connected_at = hybrid_time{in_.u64()};
        asked.session_expiry = in_.u32();
        asked.receive_maximum = in_.u16();
        asked.clean_start = (flags & attach_bits::clean_start) != 0;
        asked.is_v5 = (flags & attach_bits::is_v5) != 0;
        asked.is_late = (flags & attach_bits::is_late) != 0;
        if ((flags & attach_bits::has_will) != 0) {
            asked.will = read_will();
        }
        is_bad_ = is_bad_ || asked.client_id.empty() || asked.receive_maximum == 0;
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_fenced() {
        const fenced word{.which = read_partition(),
                          .number = in_.u64(),
                          .shard = shard_id{in_.u16()},
                          .shards = in_.u16(),
                          .at = hybrid_time{in_.u64()}};
        is_bad_ = is_bad_ || word.shards > shards_max || word.shard.value >= word.shards;
        return rare_word(word);
    }
    std::optional<shard_message> read_member() {
        member_change word;
        word.queue = in_.u64();
        word.member = in_.u64();
        word.what =
            enumerated<member_change::kind>(static_cast<std::uint8_t>(member_change::kind::move));
        word.window = in_.u16();
        word.name = in_.prefixed();
        const bool is_join = word.what == member_change::kind::join;
        is_bad_ =
            is_bad_ || (is_join ? !split_shared_filter(word.name).has_value() : !word.name.empty());
        return rare_word(std::move(word));
    }
    partition_id read_partition() {
        const partition_id which{in_.u16()};
        is_bad_ = is_bad_ || which.value >= partition_count;
        return which;
    }
    session::will_message read_will() {
        const std::chrono::seconds delay(in_.u32());
        publication content = what_;
        content.held = {};
        read_bits(content.header);
        const std::uint64_t life = in_.u64();
        constexpr std::uint64_t life_max = std::uint64_t{0xffff'ffff} * 1'000; // of a property
        is_bad_ = is_bad_ || (life != endless && life > life_max) || content.topic.empty();
        if (is_bad_) {
            return {};
        }
        content.header.expires =
            life == endless ? never : time_point{} + std::chrono::milliseconds(life);
        return {.content = message::copy_of(content, message::reach::shared), .delay = delay};
    }
    std::optional<shard_message> read_detach() {
        detach word{.home = in_.u64(), .epoch = attach_epoch{in_.u64()}, .notice = {}};
        const std::uint8_t flags = in_.u8();
        const std::uint8_t cause = flags & detach_bits::cause;
        is_bad_ = is_bad_ || cause > last_cause;
        word.notice.cause = static_cast<session::close_cause>(cause);
        word.is_early = (flags & detach_bits::is_early) != 0;
        if ((flags & detach_bits::has_expiry) != 0) {
            word.notice.session_expiry = in_.u32();
        }
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_subscribe() {
        subscribe word{
            .home = in_.u64(), .connection = in_.u64(), .id = packet_id{in_.u16()}, .filters = {}};
        while (has_more()) {
            const std::uint8_t how = flags_of(how_bits::all);
            const auto handling = static_cast<std::uint8_t>(how >> how_bits::handling_at);
            const auto quality = static_cast<std::uint8_t>(how & how_bits::quality);
            is_bad_ = is_bad_ || handling > 2 || quality > 2;
            session::subscription& each = word.filters.emplace_back();
            each.quality = static_cast<qos>(quality);
            each.no_local = (how & how_bits::no_local) != 0;
            each.retain_as_published = (how & how_bits::retain_as_published) != 0;
            each.newest_only = (how & how_bits::newest_only) != 0;
            each.handling = static_cast<mqtt::retain_handling>(handling);
            each.subscription_id = in_.u32();
            each.filter = in_.prefixed();
            is_bad_ = is_bad_ || !is_sound(each.filter);
        }
        is_bad_ = is_bad_ || word.filters.empty();
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_unsubscribe() {
        unsubscribe word{
            .home = in_.u64(), .connection = in_.u64(), .id = packet_id{in_.u16()}, .filters = {}};
        while (has_more()) {
            word.filters.emplace_back(in_.prefixed());
        }
        is_bad_ = is_bad_ || word.filters.empty();
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_push() {
        push word{.connection = in_.u64(), .what = {}, .subscription_ids = {}};
        word.id = packet_id{in_.u16()};
        word.quality = what_.header.quality;
        publication content = what_;
        content.held = {};
        read_bits(content.header);
        const std::uint8_t flags = flags_of(push_bits::all);
        word.retain = (flags & push_bits::retain) != 0;
        word.dup = (flags & push_bits::dup) != 0;
        word.wants_room = (flags & push_bits::wants_room) != 0;
        if (has_more()) {
            word.subscription_ids = std::make_unique<std::vector<std::uint32_t>>();
        }
        while (has_more()) {
            word.subscription_ids->push_back(in_.u32());
        }
        const bool has_id = word.id.value != 0;
        is_bad_ = is_bad_ || has_id != (word.quality != qos::at_most_once) || content.topic.empty();
        word.what = message::copy_of(content, message::reach::shared);
        return shard_message(std::move(word));
    }
    std::optional<shard_message> read_member_known() {
        member_known word;
        word.member = in_.u64();
        word.queue = in_.u64();
        word.what = enumerated<member_known::kind>(2);
        word.join = in_.u64();
        word.name = in_.prefixed();
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_group_push() {
        group_push word{.member = in_.u64(), .queue = in_.u64(), .what = {}, .id = {}};
        word.id = packet_id{in_.u16()};
        publication content = what_;
        content.held = {};
        const bool is_counted = content.header.quality != qos::at_most_once;
        read_bits(content.header);
        word.retain = boolean();
        const bool has_quality = content.header.quality != qos::at_most_once;
        is_bad_ = is_bad_ || has_quality != (word.id.value != 0) || has_quality != is_counted
                  || content.topic.empty();
        word.what = message::copy_of(content, message::reach::shared);
        return shard_message(std::move(word));
    }
    std::optional<shard_message> read_kick() {
        kick word{.connection = in_.u64(),
                  .home = in_.u64(),
                  .epoch = attach_epoch{in_.u64()},
                  .cause = {},
                  .reason = {},
                  .why = {}};
        word.cause = enumerated<session::close_cause>(last_cause);
        word.reason = static_cast<mqtt::reason_code>(in_.u8());
        word.why = in_.prefixed();
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_attached() {
        attach_answer word{.connection = in_.u64(), .home = in_.u64(), .answer = {}};
        word.answer.epoch = attach_epoch{in_.u64()};
        const std::uint8_t flags = flags_of(attached_bits::all);
        word.answer.session_present = (flags & attached_bits::session_present) != 0;
        word.answer.is_held_by_home = (flags & attached_bits::held_by_home) != 0;
        while (has_more()) {
            word.answer.inbound.push_back(packet_id{in_.u16()});
        }
        return rare_word(std::move(word));
    }
    std::optional<shard_message> read_subscribed() {
        subscribed word{.connection = in_.u64(),
                        .id = packet_id{in_.u16()},
                        .is_removal = boolean(),
                        .reasons = {}};
        while (has_more()) {
            word.reasons.push_back(static_cast<mqtt::reason_code>(in_.u8()));
        }
        return rare_word(std::move(word));
    }
    session::delivery_ack read_delivery_ack() {
        return {.id = packet_id{in_.u16()}, .type = read_type(), .is_error = boolean()};
    }
    session::inbound_ack read_inbound_ack() {
        return {.id = packet_id{in_.u16()},
                .type = read_type(),
                .reason = static_cast<mqtt::reason_code>(in_.u8())};
    }
    mqtt::packet_type read_type() {
        const std::uint8_t type = in_.u8();
        is_bad_ = is_bad_ || type < static_cast<std::uint8_t>(mqtt::packet_type::puback)
                  || type > static_cast<std::uint8_t>(mqtt::packet_type::pubcomp);
        return static_cast<mqtt::packet_type>(type);
    }
    void read_bits(envelope& header) {
        const std::uint8_t bits = flags_of(what_bits::all);
        is_bad_ = is_bad_ || (bits & what_bits::quality) > 2;
        header.quality = static_cast<qos>(bits & what_bits::quality);
        header.retain = (bits & what_bits::retain) != 0;
        header.newest_only = (bits & what_bits::newest_only) != 0;
    }
    std::uint8_t flags_of(std::uint8_t all) {
        const std::uint8_t flags = in_.u8();
        is_bad_ = is_bad_ || (flags & ~all) != 0;
        return flags;
    }
    template <typename Enum>
    Enum enumerated(std::uint8_t last) {
        const std::uint8_t value = in_.u8();
        is_bad_ = is_bad_ || value > last;
        return static_cast<Enum>(value);
    }
    bool boolean() { return enumerated<std::uint8_t>(1) != 0; }
    [[nodiscard]] bool has_more() const { return !in_.failed() && !is_bad_ && !in_.at_end(); }
    [[nodiscard]] static bool is_sound(std::string_view filter) {
        return !is_shared_filter(filter) ? is_valid_topic_filter(filter)
                                         : split_shared_filter(filter).has_value();
    }
    template <typename Word>
    static std::optional<shard_message> rare_word(Word word) {
        return shard_message(std::make_unique<rare>(std::move(word)));
    }

    read_cursor in_;
    const publication& what_;
    bool is_bad_ = false;
};

template <typename Word>
concept of_connection = requires(const Word& word) {
    { word.connection } -> std::convertible_to<std::uint64_t>;
};
template <typename Word>
concept of_home = requires(const Word& word) {
    { word.home } -> std::convertible_to<std::uint64_t>;
};

template <typename Word>
concept of_partition =
    std::same_as<Word, handover> || std::same_as<Word, handover_rows> || std::same_as<Word, fenced>;
template <typename Word>
concept of_member = std::same_as<Word, member_known> || std::same_as<Word, group_push>;

shard_id shard_of(std::uint64_t number) {
    return shard_id{static_cast<std::uint16_t>(number >> shard_bits)};
}

} // namespace

std::optional<errand> encode(const shard_message& word) { return std::visit(word_writer(), word); }

std::optional<shard_message> decode_errand(std::string_view bytes, const publication& what) {
    return word_reader(bytes, what).read();
}

std::optional<shard_id> receiver_of(const shard_message& word, std::size_t shards) {
    const auto find = [shards]<typename Word>(const Word& each) -> std::optional<shard_id> {
        if constexpr (std::same_as<Word, attach>) {
            const auto partition = hash64(each.request.client_id) % partition_count;
            return home_shard(partition_id{static_cast<std::uint16_t>(partition)}, shards);
        } else if constexpr (std::same_as<Word, member_change>) {
            return each.what == member_change::kind::join
                       ? home_shard(partition_of(each.name), shards)
                       : shard_of(each.queue);
        } else if constexpr (std::same_as<Word, group_outcome>) {
            return shard_of(each.queue);
        } else if constexpr (of_member<Word>) {
            return shard_of(each.member);
        } else if constexpr (of_partition<Word>) {
            return home_shard(each.which, shards);
        } else if constexpr (std::same_as<Word, attach_answer> || std::same_as<Word, kick>) {
            return shard_of(each.connection); // though it names its home
        } else if constexpr (of_home<Word>) {
            return shard_of(each.home);
        } else if constexpr (of_connection<Word>) {
            return shard_of(each.connection);
        } else {
            return std::nullopt;
        }
    };
    return std::visit(
        [&]<typename Word>(const Word& each) {
            if constexpr (std::same_as<Word, std::unique_ptr<rare>>) {
                return std::visit(find, std::as_const(*each));
            } else {
                return find(each);
            }
        },
        word);
}

} // namespace gv::shard
