// SPDX-License-Identifier: Apache-2.0
#include "broker/session/outbound.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gv::session {

namespace {

/// The identifier follows the sequence number, so that it is not used again soon, and is known
/// again after a crash without having been written down.
[[nodiscard]] std::uint16_t id_of(std::uint64_t sequence) noexcept {
    return static_cast<std::uint16_t>(1 + sequence % 65'535);
}

constexpr std::size_t range_rows_min = 10'000;

} // namespace

void outbound::attach(std::uint16_t receive_maximum) {
    receive_maximum_ = std::min(receive_maximum, limits_->in_flight_max);
    quota_ = receive_maximum_;
    is_attached_ = true;
    sending_since_ = log_ == nullptr ? commit_mark{} : log_->sending_begins(reserved_until_);
    has_resends_ = in_flight_ > 0;
    releases_.clear();
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        slots_[i].is_resend_due = slots_[i].now != state::free;
    }
}

void outbound::detach(outbound_sink& to) {
    is_attached_ = false;
    has_resends_ = false;
    return_loans(to);
    static_cast<void>(spill());
    forget_groups();
}

// What was kept stays.
void outbound::return_loans(outbound_sink& to) {
    std::vector<group_origin> returned;
    std::vector<std::uint16_t> ids;
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        const group_origin group = slots_[i].group;
        if (slots_[i].now != state::free && is_loan(group) && !is_kept(group)) {
            returned.push_back(std::exchange(slots_[i].group, {}));
            ids.push_back(slots_[i].id);
        }
    }
    for (const std::uint16_t each : ids) {
        free_slot(*find(each), to);
    }
    std::vector<queued_row> unsent;
    queue_.for_each_lent([&unsent](const queued_row& row) {
        if (!is_kept(row.group)) {
            unsent.push_back(row);
        }
    });
    for (const queued_row& each : unsent) {
        if (queue_.remove(each.sequence, each.content->weight(), each.where.body)) {
            if (log_ != nullptr) {
                queue_.note_erased(each.sequence, log_->row_done(each.sequence, each.where), *log_);
            }
            returned.push_back(each.group);
        }
    }
    for (const group_origin each : returned) {
        to.loan_returned(each);
    }
}

// Nothing is in flight to a member that is offline, and the count begins at none when it is back.
void outbound::forget_groups() {
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        slots_[i].group = {};
    }
    queue_.forget_groups();
}

bool outbound::deliver(const publication& what, const delivery& how, queueing limit, time_point now,
                       outbound_sink& to) {
    const bool is_idle =
        is_attached_ && quota_ > 0 && queue_.empty() && !has_resends_ && to.has_room();
    if (is_idle && what.header.expires <= now) {
        to.dropped(drop_reason::expired);
        settle(how.group, to);
        return true;
    }
    const bool is_sent_at_once = is_idle && (log_ == nullptr || how.quality == qos::at_least_once);
    if (how.topic != 0 && supersede(how.topic, to)) {
        limit = queueing::unlimited; // it takes that one's place
    }
    bool is_dropped = false;
    const bool is_kept = is_sent_at_once || make_room(what.weight(), limit, is_dropped, to);
    if (!is_kept || is_dropped) {
        settle(how.group, to);
        return is_kept;
    }
    const std::uint64_t sequence = next_sequence();
    const bool is_lent_alone = is_loan(how.group) && how.quality == qos::at_least_once;
    const written_row where =
        log_ == nullptr || is_lent_alone ? written_row{} : log_->row_added(sequence, what, how);
    if (is_sent_at_once) {
        send(what, how, sequence, where, to);
        return true;
    }
    queue_.push({.content = what.hold(),
                 .subscription_ids = {how.subscription_ids.begin(), how.subscription_ids.end()},
                 .sequence = sequence,
                 .where = where,
                 .quality = how.quality,
                 .retain = how.retain,
                 .group = how.group,
                 .topic = how.topic});
    if (how.topic != 0) {
        restore_newest(how.topic, sequence, where, what.weight());
        forget_dropped();
    }
    if (is_idle) {
        static_cast<void>(may_send(how.quality, where));
    } else if (log_ != nullptr) {
        settle_all(spill(), to);
    }
    return true;
}

// What the client may have seen stays: it is sent again under its identifier. So does what could be
// lost without the other having been written.
bool outbound::supersede(std::uint64_t topic, outbound_sink& to) {
    const auto found = newest_ ? newest_->find(topic) : newest_rows::iterator();
    if (!newest_ || found == newest_->end()) {
        return false;
    }
    const newest_row old = found->second;
    newest_->erase(found);
    if (is_in_doubt(old.sequence) || (log_ != nullptr && !log_->may_replace(old.where))) {
        return false;
    }
    const auto gone = queue_.remove(old.sequence, old.weight, old.where.body);
    if (!gone) {
        return false; // dropped with the run that it was in
    }
    if (log_ != nullptr) {
        const written_row& where = gone->content ? gone->where : old.where;
        queue_.note_erased(old.sequence, log_->row_done(old.sequence, where), *log_);
    }
    to.dropped(drop_reason::superseded);
    settle(gone->group, to);
    return true;
}

// Of rows that were dropped in runs nobody knows the topics.
void outbound::forget_dropped() {
    if (newest_->size() < 2 * queue_.rows() + 64) {
        return;
    }
    const std::uint64_t first = queue_.first_sequence();
    boost::unordered::erase_if(*newest_,
                               [&](const auto& each) { return each.second.sequence < first; });
}

void outbound::forget_newest(const queued_row& gone) noexcept {
    if (gone.topic == 0 || !newest_) {
        return;
    }
    const auto found = newest_->find(gone.topic);
    if (found != newest_->end() && found->second.sequence == gone.sequence) {
        newest_->erase(found);
    }
}

void outbound::restore_newest(std::uint64_t topic, std::uint64_t sequence, const written_row& where,
                              std::size_t weight) {
    if (!newest_) {
        newest_ = std::make_unique<newest_rows>();
    }
    newest_->insert_or_assign(topic,
                              newest_row{.sequence = sequence, .where = where, .weight = weight});
}

// Of what need not be in memory, what is on disk leaves it; the rest does when it is.
std::vector<group_origin> outbound::spill() {
    std::vector<group_origin> settled;
    if (log_ == nullptr || queue_.empty()) {
        return settled;
    }
    if (!is_attached_ || queue_.resident_bytes() > resident_bytes_max) {
        queue_.spill(*log_, is_attached_, settled);
        if (const commit_mark oldest = queue_.oldest_mark(); oldest.value != 0) {
            log_->wake_when(oldest);
        }
    }
    return settled;
}

void outbound::on_durable(time_point now, outbound_sink& to) {
    settle_all(spill(), to);
    pump(now, to);
}

void outbound::on_page(std::vector<queued_row> rows, std::uint64_t read_until, time_point now,
                       outbound_sink& to) {
    queue_.add_page(std::move(rows), read_until);
    if (!is_attached_) {
        std::vector<group_origin> settled; // rows that were read again are of no group
        queue_.spill(*log_, false, settled);
    }
    pump(now, to);
}

void outbound::read_ahead() {
    if (log_ != nullptr) {
        if (const auto range = queue_.begin_read(*log_)) {
            log_->read_rows(*range);
        }
    }
}

bool outbound::make_room(std::size_t weight, queueing limit, bool& is_dropped, outbound_sink& to) {
    if (limit == queueing::unlimited || has_queue_room(weight)) {
        return true;
    }
    if (limits_->policy == queue_policy::disconnect) {
        to.dropped(drop_reason::queue_full);
        return false;
    }
    if (limits_->policy == queue_policy::drop_newest || !drop_oldest(weight, to)) {
        to.dropped(drop_reason::queue_full);
        is_dropped = true;
    }
    return true;
}

// Drops the oldest, unless all of them together would not be enough.
bool outbound::drop_oldest(std::size_t weight, outbound_sink& to) {
    if (weight > limits_->queue_bytes_max
        || total_->bytes - queue_.bytes() + weight > limits_->total_bytes_max
        || queue_.user_bytes() - std::min(queue_.user_bytes(), queue_.bytes()) + weight
               > limits_->user_bytes_max) {
        return false;
    }
    while (!has_queue_room(weight) && !queue_.empty()) {
        std::optional<queued_row> dropped;
        if (const auto run = queue_.drop_oldest(dropped)) {
            log_->run_done(*run);
            doubt_rows_ -= std::min(doubt_rows_, run->rows);
            for (std::uint32_t i = 0; i < run->rows; ++i) {
                to.dropped(drop_reason::queue_full);
            }
        } else {
            row_done(dropped->sequence, dropped->where);
            forget_newest(*dropped);
            static_cast<void>(leaves_doubt(dropped->sequence));
            if (is_loan(dropped->group) && !is_kept(dropped->group)) {
                to.loan_returned(dropped->group);
            } else {
                to.dropped(drop_reason::queue_full);
                settle(dropped->group, to);
            }
        }
    }
    return true;
}

std::uint64_t outbound::next_sequence() {
    if (log_ != nullptr && sequence_ >= reserved_until_) {
        reserved_until_ = sequence_ + reservation;
        log_->reserve(reserved_until_, sent_until());
    }
    return sequence_++;
}

bool outbound::may_send(qos quality, const written_row& where) {
    if (log_ == nullptr || quality != qos::exactly_once) {
        return true;
    }
    for (const commit_mark needed : {sending_since_, where.mark}) {
        if (!log_->is_durable(needed)) {
            log_->wake_when(needed);
            return false;
        }
    }
    return true;
}

void outbound::send(const publication& what, delivery how, std::uint64_t sequence,
                    const written_row& where, outbound_sink& to) {
    const std::uint16_t id = how.id.value != 0 ? how.id.value : free_id(sequence);
    slot& taken = occupy(id);
    taken.now = state::sent;
    taken.quality = how.quality;
    taken.sequence = sequence;
    taken.where = where;
    taken.group = how.group;
    how.id = packet_id{id};
    if (keeps_ == keeps::messages) {
        taken.content = what.hold();
        taken.retain = how.retain;
        taken.subscription_ids.assign(how.subscription_ids.begin(), how.subscription_ids.end());
    }
    if (log_ != nullptr && id != id_of(sequence) && how.quality == qos::at_least_once
        && !is_loan(how.group)) {
        taken.where = log_->row_changed(sequence, where, what, how);
    }
    --quota_;
    const bool is_kept_now =
        is_loan(how.group) && !is_kept(how.group) && how.quality == qos::exactly_once;
    taken.group = is_kept_now ? kept(how.group) : how.group;
    to.transmit(what, how);
    if (is_kept_now) {
        to.loan_kept(how.group);
    }
}

void outbound::pump(time_point now, outbound_sink& to) {
    // A queue of messages that the client does not take must not become a stack of calls.
    if (!is_attached_ || is_pumping_) {
        return;
    }
    is_pumping_ = true;
    send_releases(to);
    if (has_resends_) {
        resend(now, to);
    }
    pump_queue(now, to);
    is_pumping_ = false;
    read_ahead();
    queue_.shrink();
    if (queue_.empty()) {
        newest_.reset();
    }
}

bool outbound::leaves_doubt(std::uint64_t sequence) noexcept {
    const bool is_left = is_in_doubt(sequence);
    doubt_rows_ -= doubt_rows_ > 0 ? 1U : 0U;
    return is_left;
}

void outbound::pump_queue(time_point now, outbound_sink& to) {
    while (!has_resends_ && quota_ > 0 && to.has_room()) {
        queued_row* oldest = queue_.front();
        if (oldest == nullptr) {
            return;
        }
        // Once its row is there, so that the row with its identifier comes after it.
        if (!may_send(oldest->quality, oldest->where)) {
            return;
        }
        choose_id(*oldest);
        if (!may_send(oldest->quality, oldest->where)) {
            return;
        }
        const queued_row next = queue_.pop();
        forget_newest(next);
        const bool is_in_doubt = leaves_doubt(next.sequence);
        publication what = message::view_of(next.content);
        if (what.header.expires <= now) {
            if (!is_in_doubt || next.quality != qos::exactly_once) {
                row_done(next.sequence, next.where);
                to.dropped(drop_reason::expired);
                settle(next.group, to);
                continue;
            }
            what.header.expires = now + std::chrono::seconds(1); // as in resend()
        }
        send(what,
             {.quality = next.quality,
              .retain = next.retain,
              .dup = is_in_doubt,
              .id = packet_id{next.id},
              .subscription_ids = next.subscription_ids,
              .group = next.group},
             next.sequence, next.where, to);
    }
}

// What the client may have seen goes under the same identifier. One that is not what the sequence
// says is in the row before a message of QoS 2 is sent under it.
void outbound::choose_id(queued_row& next) {
    const std::uint16_t known = next.id == 0 ? id_of(next.sequence) : next.id;
    next.id = find(known) == nullptr ? known : free_id(next.sequence);
    if (log_ != nullptr && next.id != known && next.quality == qos::exactly_once) {
        next.where = log_->row_changed(next.sequence, next.where, message::view_of(next.content),
                                       {.quality = next.quality,
                                        .retain = next.retain,
                                        .id = packet_id{next.id},
                                        .subscription_ids = next.subscription_ids,
                                        .topic = next.topic});
        if (next.topic != 0 && newest_ && newest_->contains(next.topic)) {
            newest_row& newest = newest_->at(next.topic);
            newest.where = newest.sequence == next.sequence ? next.where : newest.where;
        }
    }
}

void outbound::send_releases(outbound_sink& to) {
    while (!releases_.empty()) {
        if (!log_->is_durable(releases_.front().mark)) {
            log_->wake_when(releases_.front().mark);
            return;
        }
        to.transmit_pubrel(packet_id{releases_.pop_front().id});
    }
    releases_.clear();
}

// PUBRELs do not count against the client's Receive Maximum (MQTT 5, 4.9) and go first; messages
// follow in the order of their first sending [MQTT-4.6.0-1], as far as the window allows.
void outbound::resend(time_point now, outbound_sink& to) {
    struct due_slot {
        bool is_message;
        std::uint64_t sequence;
        std::uint16_t id;
        auto operator<=>(const due_slot&) const = default;
    };
    std::vector<due_slot> due;
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        if (slots_[i].is_resend_due) {
            due.push_back({slots_[i].now == state::sent, slots_[i].sequence, slots_[i].id});
        }
    }
    std::ranges::sort(due);
    for (const due_slot& each : due) {
        if (each.is_message && (quota_ == 0 || !to.has_room())) {
            return;
        }
        slot* again = find(each.id);
        if (again == nullptr) {
            continue; // the client cannot take it, as was found out meanwhile
        }
        again->is_resend_due = false;
        if (!each.is_message) {
            send_release(*again, to);
            continue;
        }
        // An expired message that may have reached the client must still complete its handshake.
        publication what = message::view_of(again->content);
        what.header.expires = std::max(what.header.expires, now + std::chrono::seconds(1));
        --quota_;
        to.transmit(what, {.quality = again->quality,
                           .retain = again->retain,
                           .dup = true,
                           .id = packet_id{again->id},
                           .subscription_ids = again->subscription_ids});
    }
    has_resends_ = false;
}

outbound::ack outbound::on_puback(packet_id id, outbound_sink& to, time_point now) {
    slot* done = find(id.value);
    if (done == nullptr) {
        return ack::unknown;
    }
    if (done->quality != qos::at_least_once) {
        return ack::out_of_state;
    }
    row_done(*done);
    free_slot(*done, to);
    give_back_quota();
    if (!queue_.empty() || has_resends_) {
        pump(now, to);
    }
    return ack::done;
}

outbound::ack outbound::on_pubrec(packet_id id, bool is_error, outbound_sink& to, time_point now) {
    slot* taken = find(id.value);
    if (taken == nullptr) {
        return ack::unknown;
    }
    if (taken->quality != qos::exactly_once) {
        return ack::out_of_state;
    }
    if (is_error) {
        if (taken->now == state::sent) {
            row_done(*taken);
        } else if (log_ != nullptr) {
            log_->release_done(taken->sequence);
        }
        free_slot(*taken, to);
        give_back_quota();
        pump(now, to);
        return ack::done;
    }
    if (taken->now == state::sent) {
        release(*taken);
    }
    send_release(*taken, to);
    return ack::done;
}

// PUBRELs go in the order of the PUBRECs [MQTT-4.6.0-4].
void outbound::release(slot& taken) {
    const std::uint64_t release = next_sequence();
    if (log_ != nullptr) {
        taken.where = {
            .mark = log_->released(taken.sequence, taken.where, release, packet_id{taken.id})};
    }
    taken.now = state::released;
    taken.is_resend_due = false;
    taken.sequence = release;
    taken.content = {};
    taken.subscription_ids = {};
}

void outbound::send_release(const slot& released, outbound_sink& to) {
    if (log_ == nullptr || (releases_.empty() && log_->is_durable(released.where.mark))) {
        to.transmit_pubrel(packet_id{released.id});
        return;
    }
    if (releases_.empty()) {
        log_->wake_when(released.where.mark);
    }
    releases_.push_back({.mark = released.where.mark, .id = released.id});
}

outbound::ack outbound::on_pubcomp(packet_id id, outbound_sink& to, time_point now) {
    slot* done = find(id.value);
    if (done == nullptr) {
        return ack::unknown;
    }
    if (done->quality != qos::exactly_once || done->now != state::released) {
        return ack::out_of_state;
    }
    if (log_ != nullptr) {
        log_->release_done(done->sequence);
    }
    free_slot(*done, to);
    give_back_quota();
    if (!queue_.empty() || has_resends_) {
        pump(now, to);
    }
    return ack::done;
}

void outbound::forget(packet_id id, outbound_sink& to) {
    if (slot* unsent = find(id.value)) {
        row_done(*unsent);
        free_slot(*unsent, to);
        give_back_quota();
    }
}

void outbound::restore_release(std::uint64_t release, packet_id id) {
    if (find(id.value) != nullptr) {
        return;
    }
    slot& taken = occupy(id.value);
    taken.now = state::released;
    taken.quality = qos::exactly_once;
    taken.sequence = release;
}

void outbound::erase_all() {
    if (log_ == nullptr) {
        return;
    }
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        if (slots_[i].now == state::sent) {
            row_done(slots_[i]);
        } else if (slots_[i].now == state::released) {
            log_->release_done(slots_[i].sequence);
        }
    }
    // One tombstone over many rows is cheaper than one for each, and dearer over few.
    const bool is_long = queue_.rows() > range_rows_min;
    if (is_long) {
        log_->rows_done(queue_.first_sequence(), sequence_);
    }
    struct eraser {
        outbound_log* log;
        bool is_gone;
        void operator()(const queued_row& row) const { log->row_done(row.sequence, row.where); }
        void operator()(const stored_run& run) const {
            is_gone ? log->forget_run(run) : log->run_done(run);
        }
    };
    queue_.for_each(eraser{log_, is_long});
}

void outbound::give_back_quota() noexcept {
    if (is_attached_ && quota_ < receive_maximum_) {
        ++quota_;
    }
}

// One that is still in flight is passed over.
std::uint16_t outbound::free_id(std::uint64_t sequence) noexcept {
    while (find(id_of(sequence)) != nullptr) {
        ++sequence;
    }
    return id_of(sequence);
}

// Requires: the identifier is not in flight.
outbound::slot& outbound::occupy(std::uint16_t id) {
    if (in_flight_ * 2 >= slot_count_) {
        widen();
    }
    slot& taken = slots_[free_place(id)];
    taken.id = id;
    ++in_flight_;
    ++total_->in_flight;
    return taken;
}

std::uint32_t outbound::free_place(std::uint16_t id) noexcept {
    std::uint32_t at = place_of(id);
    if (slots_[at].now != state::free) {
        ++displaced_;
        while (slots_[at].now != state::free) {
            at = next_place(at);
        }
    }
    return at;
}

outbound::slot* outbound::find(std::uint16_t id) noexcept {
    if (slot_count_ == 0) {
        return nullptr;
    }
    for (std::uint32_t at = place_of(id); slots_[at].now != state::free; at = next_place(at)) {
        if (slots_[at].id == id) {
            return &slots_[at];
        }
    }
    return nullptr;
}

void outbound::widen() {
    const std::uint32_t before = std::exchange(slot_count_, std::max(8U, slot_count_ * 2));
    const std::unique_ptr<slot[]> old =
        std::exchange(slots_, std::make_unique<slot[]>(slot_count_));
    displaced_ = 0;
    for (std::uint32_t i = 0; i < before; ++i) {
        if (old[i].now != state::free) {
            slots_[free_place(old[i].id)] = std::move(old[i]);
        }
    }
}

// Whatever stood behind it and would rather have its place moves up, so that no search ends early.
void outbound::free_slot(slot& done, outbound_sink& to) {
    const group_origin group = done.group;
    --in_flight_;
    --total_->in_flight;
    auto hole = static_cast<std::uint32_t>(&done - slots_.get());
    displaced_ -= hole == place_of(done.id) ? 0 : 1;
    for (std::uint32_t at = next_place(hole); displaced_ > 0 && slots_[at].now != state::free;
         at = next_place(at)) {
        const std::uint32_t place = place_of(slots_[at].id);
        if (((at - place) & (slot_count_ - 1)) >= ((at - hole) & (slot_count_ - 1))) {
            slots_[hole] = std::move(slots_[at]);
            displaced_ -= hole == place ? 1 : 0;
            hole = at;
        }
    }
    slots_[hole] = slot{};
    settle(group, to);
}

void outbound::settle(group_origin group, outbound_sink& to) {
    if (group.value != 0) {
        to.group_settled(group);
    }
}

void outbound::settle_all(std::span<const group_origin> groups, outbound_sink& to) {
    for (const group_origin group : groups) {
        settle(group, to);
    }
}

} // namespace gv::session
