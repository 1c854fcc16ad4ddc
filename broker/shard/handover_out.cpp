// SPDX-License-Identifier: Apache-2.0
// The old home's side of a hand-over (handover.hpp).
#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"
#include "storage/loading.hpp"

#include <algorithm>
#include <utility>

namespace gv::shard {

using mqtt::reason_code;
using step = handover::step;
using phase = departing_partition::phase;
using storage::table;

namespace {

/// Whoever is sent away comes back; until then its will is kept back.
constexpr std::chrono::seconds will_delay{30};
constexpr std::size_t page_bytes = std::size_t{256} << 10;
constexpr std::uint32_t page_rows = 4'096;
/// A client waits so long for its session, as for any home.
constexpr duration park_within = 2s;
/// The first tells how late it is: whatever is dated later goes to the new home as well. Behind
/// the others nothing up to the cut is on its way any more: a message passes one shard between the
/// one that dates it and the lane or shard that takes it to its home.
constexpr unsigned fence_rounds = 2;
/// Of the own shards alone, after the members of groups have left.
constexpr unsigned leave_round = 3;
/// Of storage::session_tables: these go before the others.
constexpr std::size_t offered_tables = 2;
constexpr std::size_t queue_at = 3;
static_assert(storage::session_tables[queue_at] == table::queue);

std::string_view name_of(departing_partition::phase at) {
    constexpr std::string_view names[] = {"clearing",  "writing",  "offering", "joining",
                                          "fencing",   "settling", "sending",  "arriving",
                                          "deciding",  "telling",  "awaiting", "leaving",
                                          "following", "closing",  "erasing"};
    return names[static_cast<std::size_t>(at)];
}

} // namespace

// --- begin and end

void core::hand_over(std::vector<handover_order> wanted) {
    if (!moves_) {
        return;
    }
    moves_->wanted = std::move(wanted);
    std::vector<partition_id> unwanted;
    for (const auto& [which, each] : moves_->departures) {
        const bool is_wanted =
            std::ranges::any_of(moves_->wanted, [&mine = each](const handover_order& order) {
                return order.which == mine.order.which && order.to == mine.order.to;
            });
        if (!is_wanted && !each.is_misplaced && !each.is_decided()) {
            unwanted.push_back(which);
        }
    }
    for (const partition_id each : unwanted) {
        stop_departure(each, "its home is to be another one");
    }
    begin_departures();
}

/// Messages for a node that is away would miss both homes.
bool core::are_all_nodes_live() {
    bool are = true;
    lanes_->for_each_outgoing([&are](const peer_lane& each) {
        are = are
              && (each.presence == peer_presence::gone
                  || (each.presence == peer_presence::live && !each.sender.is_suspected()));
    });
    return are;
}

void core::begin_departures() {
    const bool may_begin = journal_.is_on() && !are_sessions_held_ && !journal_.is_lost()
                           && !journal_.is_stalled() && are_all_nodes_live();
    if (!may_begin) {
        return;
    }
    const auto waiting =
        moves_->wanted.empty() ? std::bitset<partition_count>() : partitions_of_waiting_wills();
    for (const handover_order& each : moves_->wanted) {
        if (moves_->departures.size() >= moves_->options.partitions_max) {
            return;
        }
        if (!is_node(homes_at_[each.which.value]) && stored_in_[each.which.value] > 0
            && !waiting.test(each.which.value) && !moves_->arrivals.contains(each.which)
            && !is_paused(each.to_node)) {
            begin_departure(each, false);
        }
    }
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const shard_id home = homes_at_[number];
        if (moves_->departures.size() >= moves_->options.partitions_max) {
            return;
        }
        if (stored_in_[number] > 0 && home != home_unknown && is_node(home)
            && !moves_->arrivals.contains(partition_id{number})) {
            const peer_lane* lane = lanes_->find_sessions(slot_of(home));
            if (lane != nullptr && !is_paused(lane->place().peer)) {
                begin_departure(
                    {.which = partition_id{number}, .to = home, .to_node = lane->place().peer},
                    true);
            }
        }
    }
}

bool core::is_paused(node_id new_home) const {
    const auto found = moves_->pauses.find(new_home);
    return found != moves_->pauses.end() && turn_.now < found->second.until;
}

// Of those that were under way at once the first has told of the same trouble.
void core::pause_after(const departing_partition& stopped) {
    handovers::pause& last = moves_->pauses[stopped.order.to_node];
    if (stopped.begun < last.until) {
        return;
    }
    const handover_options& options = moves_->options;
    const bool is_long_ago = last.until + options.pause_max < turn_.now;
    last.length =
        is_long_ago ? options.pause : std::clamp(2 * last.length, options.pause, options.pause_max);
    last.until = turn_.now + last.length;
}

/// Whoever has such a number as its slot.
node_id core::node_of(shard_id party) const {
    const peer_lane* lane = lanes_ ? lanes_->find_sessions(slot_of(party)) : nullptr;
    return lane != nullptr ? lane->place().peer : node_id{};
}

handover_state core::handovers_now() const {
    handover_state now;
    if (!moves_) {
        return now;
    }
    now.stopped = moves_->stopped;
    for (const auto& [node, done] : moves_->by_node) {
        now.by_node[node].done = done;
    }
    for (const auto& [which, each] : moves_->departures) {
        handover_traffic& there = now.by_node[each.order.to_node];
        ++there.under_way;
        there.sessions += stored_in_[which.value];
    }
    const auto note_waiting = [&](partition_id which, node_id to) {
        if (stored_in_[which.value] > 0 && !moves_->departures.contains(which)) {
            ++now.by_node[to].waiting;
            now.by_node[to].sessions += stored_in_[which.value];
        }
    };
    for (const handover_order& each : moves_->wanted) {
        if (!is_node(homes_at_[each.which.value])) {
            note_waiting(each.which, each.to_node);
        }
    }
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const shard_id home = homes_at_[number];
        if (home != home_unknown && is_node(home)) {
            note_waiting(partition_id{number}, node_of(home));
        }
    }
    for (const auto& [which, each] : moves_->arrivals) {
        now.by_node[node_of(each.from)].arriving +=
            each.at == arriving_partition::phase::taken ? 0U : 1U;
    }
    return now;
}

/// Where a client waits whose session is on its way, or by the table at home elsewhere. Null: it
/// need not.
std::vector<parked_attach>* core::parking_for(partition_id which, std::string_view client_id) {
    if (!moves_) {
        return nullptr;
    }
    if (is_node(homes_at_[which.value])) {
        return &moves_->early;
    }
    if (const auto found = moves_->departures.find(which);
        found != moves_->departures.end() && !found->second.is_misplaced) {
        return &found->second.parked;
    }
    const auto found = moves_->arrivals.find(which);
    return found != moves_->arrivals.end() && found->second.is_awaited_by(client_id)
               ? &found->second.parked
               : nullptr;
}

std::vector<home_entry*> core::homes_of(partition_id which) {
    std::vector<home_entry*> found;
    for (home_entry* each : homes_) {
        if (each->partition() == which) {
            found.push_back(each);
        }
    }
    return found;
}

void core::begin_departure(const handover_order& order, bool is_misplaced) {
    const auto [at, is_new] = moves_->departures.try_emplace(order.which);
    if (!is_new) {
        return;
    }
    departing_partition& begun = at->second;
    begun.order = order;
    begun.number = next_handover_number();
    begun.is_misplaced = is_misplaced;
    begun.begun = turn_.now;
    progress(begun);
    std::vector<home_entry*> kept = homes_of(order.which);
    std::erase_if(kept, [](home_entry* each) {
        return each->home_.session() == nullptr; // the front has it all
    });
    for (home_entry* each : kept) {
        each->is_moving_ = true;
        if (const auto waiting = std::move(each->successor_)) {
            park(begun.parked, waiting->from, waiting->username, std::move(waiting->request));
        }
    }
    for (home_entry* each : kept) { // all are marked: who is kicked may be gone at once
        if (const auto front = each->home_.front()) {
            each->home_.delay_will(will_delay);
            kick(each->home_, *front, session::close_cause::administrative,
                 reason_code::server_busy, "the session moves to another node");
        }
    }
    look_if_clear(order.which);
}

void core::park(std::vector<parked_attach>& parked, session::front_address from,
                std::optional<std::string> username, session::attach_request request) {
    std::erase_if(parked, [from](const parked_attach& each) { return each.from == from; });
    parked.push_back({.from = from,
                      .username = std::move(username),
                      .request = std::move(request),
                      .due = turn_.now + park_within});
}

void core::attach_parked(std::vector<parked_attach> parked) {
    for (parked_attach& each : parked) {
        if (each.due <= turn_.now && is_node(each.from.shard)) {
            continue; // its front has decided by itself when the time was over
        }
        on_attach(each.from,
                  each.username ? std::optional<std::string_view>(*each.username) : std::nullopt,
                  std::move(each.request));
    }
}

// The others wait on, no longer than they would have.
void core::attach_early() {
    std::vector<parked_attach> found;
    for (parked_attach& each : std::exchange(moves_->early, {})) {
        const bool is_here = !is_node(home_of(hash64(each.request.client_id)));
        (is_here ? found : moves_->early).push_back(std::move(each));
    }
    attach_parked(std::move(found));
}

// They are connected no more, and another life may give their numbers to others.
void core::forget_parked_of(shard_id party) {
    const auto forget = [party](std::vector<parked_attach>& parked) {
        std::erase_if(parked,
                      [party](const parked_attach& each) { return each.from.shard == party; });
    };
    forget(moves_->early);
    for (auto& [which, each] : moves_->departures) {
        forget(each.parked);
    }
    for (auto& [which, each] : moves_->arrivals) {
        forget(each.parked);
    }
}

void core::refuse_late_parked(std::vector<parked_attach>& parked) {
    std::erase_if(parked, [this](const parked_attach& each) {
        if (each.due > turn_.now) {
            return false;
        }
        // A front on another node has decided by itself, and perhaps let its client in.
        if (!is_node(each.from.shard)) {
            refuse(each.from, session::close_cause::refused, reason_code::server_unavailable,
                   "the session moves to another node");
        }
        return true;
    });
}

void core::progress(departing_partition& of) const {
    of.due = turn_.now + moves_->options.patience;
}

void core::say_step(const departing_partition& of, step what) {
    post_rare(of.order.to,
              handover{.which = of.order.which, .number = of.number, .what = what, .cut = of.cut});
}

// What was never given up goes on.
void core::stop_departure(partition_id which, std::string_view why) {
    const auto found = moves_->departures.find(which);
    if (found == moves_->departures.end()) {
        return;
    }
    departing_partition stopped = std::move(found->second);
    moves_->departures.erase(found);
    ++moves_->counts.stopped;
    pause_after(stopped);
    moves_->stopped = why;
    log::info("handover_stopped",
              {{"partition", which.value}, {"while", name_of(stopped.at)}, {"why", why}});
    say_step(stopped, step::stop);
    for (home_entry* each : homes_of(which)) {
        each->is_moving_ = false;
        settle_home(*each);
    }
    for (const auto& [number, shared] : stopped.withdrawn) {
        home_entry* home = find_home(number);
        for (const auto& [filter, each] : shared) {
            if (home != nullptr && home->home_.session() != nullptr) {
                resubscribe(*home, each);
            }
        }
    }
    attach_parked(std::move(stopped.parked));
}

void core::stop_departures(std::string_view why) {
    std::vector<partition_id> open;
    for (const auto& [which, each] : moves_->departures) {
        if (!each.is_decided()) {
            open.push_back(which);
        }
    }
    for (const partition_id each : open) {
        stop_departure(each, why);
    }
}

// --- time

void core::look_at_handovers() {
    if (!moves_) {
        return;
    }
    std::vector<partition_id> late;
    refuse_late_parked(moves_->early);
    for (auto& [which, each] : moves_->departures) {
        refuse_late_parked(each.parked);
        // What is decided is offered again: its home is another node by then.
        if (each.due <= turn_.now && !each.is_being_decided() && each.at != phase::erasing) {
            late.push_back(which);
        } else if (each.next_page <= turn_.now) {
            read_page(each);
        }
    }
    look_at_arrivals();
    for (const partition_id each : late) {
        stop_departure(each, "there is no answer");
    }
    begin_departures();
}

time_point core::next_page_at() const noexcept {
    time_point next = never;
    if (moves_) {
        for (const auto& [which, each] : moves_->departures) {
            next = std::min(next, each.next_page);
        }
    }
    return next;
}

// --- the steps

void core::look_if_clear(partition_id which) {
    const auto found = moves_->departures.find(which);
    if (found == moves_->departures.end() || found->second.at != phase::clearing) {
        return;
    }
    const auto is_busy = [](home_entry* each) {
        return each->is_moving_ && each->home_.front().has_value();
    };
    if (std::ranges::none_of(homes_of(which), is_busy)) {
        write_all(found->second, phase::writing);
    }
}

/// What was put until now goes to disk.
void core::write_all(departing_partition& of, phase then) {
    of.at = then;
    progress(of);
    journal_.want(durability::fsync);
    of.write = next_handover_number();
    of.to_write =
        journal_.is_lost()
            ? 0
            : journal_.wait_for_all({.what = waiter::kind::departure, .number = of.write});
    if (of.to_write == 0) {
        on_written(of);
    }
}

void core::on_departure_written(std::uint64_t write) {
    for (auto& [which, each] : moves_->departures) {
        if (each.write == write && each.to_write > 0) {
            if (--each.to_write == 0) {
                on_written(each);
            }
            return;
        }
    }
}

void core::on_written(departing_partition& of) {
    progress(of);
    if (journal_.is_lost()) {
        stop_departure(of.order.which, "the disk does not write");
    } else if (of.at == phase::writing) {
        of.at = phase::offering;
        say_step(of, step::offer);
        begin_pages(of, 0);
    } else if (of.at == phase::settling) {
        of.at = phase::sending;
        begin_pages(of, offered_tables);
    } else if (of.at == phase::deciding) {
        of.at = phase::telling;
        driver_->partition_arrived(of.order.which, of.order.to_node);
    } else if (of.at == phase::erasing) {
        say_step(of, step::erased);
        moves_->pauses.erase(of.order.to_node);
        moves_->departures.erase(partition_id{of.order.which});
        begin_departures();
    } else if (of.at == phase::following) {
        begin_pages(of, of.withdrawn.empty() ? queue_at + 1 : queue_at);
    }
}

void core::begin_pages(departing_partition& of, std::size_t table_at) {
    of.table_at = table_at;
    of.behind.clear();
    go_on_sending(of);
}

void core::read_page(departing_partition& of) {
    of.next_page = never;
    of.is_reading = true;
    of.is_page_out = false;
    options_.store->read(options_.me, {.reader = of.number,
                                       .partition = of.order.which,
                                       .session = {},
                                       .rows_max = page_rows,
                                       .bytes_max = page_bytes,
                                       .whole = storage::partition_read::rows,
                                       .where = storage::session_tables[of.table_at],
                                       .behind = of.behind});
}

/// Whether a row of a queue is to be sent now: at first what is dated up to the cut. Later what
/// was not, or had not come by then: only by groups, of which the new home has nothing.
bool core::is_row_due(departing_partition& of, std::string_view key, std::string_view row) const {
    constexpr std::size_t size = sizeof(storage::session_key);
    const std::uint64_t sequence = load_u64(key.data() + size);
    storage::queue_row_view parts;
    publication what;
    if (key.size() != size + 8 || !decode(row, parts) || !decode(parts.message, moment(), what)) {
        return false;
    }
    if (!of.wants_late()) {
        of.read_until[std::string(key.substr(0, size))] = sequence + 1;
        return what.header.stamp <= of.cut;
    }
    const auto read = of.read_until.find(key.substr(0, size));
    const bool was_sent =
        what.header.stamp <= of.cut && read != of.read_until.end() && sequence < read->second;
    return parts.row.by_group && !was_sent;
}

void core::on_partition_rows(const storage::read_answer& answer) {
    if (answer.whole == storage::partition_read::sessions) {
        on_sessions_loaded(answer);
        return;
    }
    const auto found = moves_->departures.find(answer.partition);
    if (found == moves_->departures.end() || found->second.number != answer.reader
        || !found->second.is_reading) {
        return;
    }
    departing_partition& of = found->second;
    of.is_reading = false;
    progress(of);
    if (answer.is_broken) {
        log::error("stored_messages_unreadable", {{"partition", answer.partition.value}});
        stop_departure(answer.partition, "its rows cannot be read");
        return;
    }
    const table where = storage::session_tables[of.table_at];
    handover_rows page{
        .which = of.order.which, .number = of.number, .are_late = of.wants_late(), .rows = {}};
    byte_writer out(page.rows);
    for (const auto& [key, value] : answer.raw) {
        const bool is_due = where == table::queue   ? is_row_due(of, key, value)
                            : where == table::small ? key.front() != 'A' // of this node alone
                                                    : true;
        if (is_due) {
            out.u8(static_cast<std::uint8_t>(where));
            out.prefixed(key);
            out.u32(static_cast<std::uint32_t>(value.size()));
            out.bytes(value);
        }
    }
    of.behind = answer.raw.empty() ? of.behind : answer.raw.back().first;
    if (answer.is_last) {
        ++of.table_at;
        of.behind.clear();
    }
    if (page.rows.empty()) {
        go_on_sending(of);
        return;
    }
    const auto cost =
        duration(page.rows.size() * duration::period::den / moves_->options.bytes_per_second);
    moves_->counts.bytes += page.rows.size();
    moves_->by_node[of.order.to_node].bytes += page.rows.size();
    moves_->page_at = std::max(moves_->page_at, turn_.now) + cost;
    of.is_page_out = true;
    post_rare(of.order.to, std::move(page));
}

// The new home has taken the page, or it was empty.
void core::go_on_sending(departing_partition& of) {
    const std::size_t end = of.at == phase::offering ? offered_tables
                            : of.wants_late()        ? queue_at + 1
                                                     : std::size(storage::session_tables);
    if (of.table_at < end) {
        of.next_page = std::max(turn_.now, moves_->page_at);
        if (of.next_page <= turn_.now) {
            read_page(of);
        }
        return;
    }
    if (of.at == phase::offering) {
        of.at = phase::joining;
        say_step(of, step::join);
    } else if (of.at == phase::sending) {
        of.at = phase::arriving;
        say_step(of, step::finish);
    } else if (of.at == phase::following) {
        of.at = phase::closing;
        say_step(of, step::late);
    }
}

// --- the cut

void core::draw_cut(departing_partition& of) {
    of.at = phase::fencing;
    of.cut = {};
    of.round = 0;
    ask_for_fence(of);
}

void core::ask_for_fence(departing_partition& of) {
    progress(of);
    of.fenced.clear();
    of.fenced.try_emplace(options_.me);
    const fence word{.which = of.order.which,
                     .number = of.number + of.round,
                     .after = of.round == 0 ? hybrid_time{} : of.cut,
                     .homes = {options_.node, of.order.to_node}};
    of.unfenced = 1 + lanes_->live().size();
    for (const peer_slot each : lanes_->live()) {
        of.fenced.try_emplace(party_of(each));
        post_rare(party_of(each), word);
    }
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (!is_mine(shard_id{shard})) {
            post_rare(shard_id{shard}, word);
        }
    }
    on_fence(options_.me, word);
}

void core::on_fenced(shard_id from, const fenced& word) {
    const auto found = moves_ ? moves_->departures.find(word.which) : moves_->departures.end();
    if (found == moves_->departures.end()) {
        return;
    }
    departing_partition& of = found->second;
    if (of.at == phase::leaving && word.number == of.number + leave_round) {
        write_all(of, phase::following);
        return;
    }
    const auto party = of.fenced.find(is_node(from) ? from : options_.me);
    if (of.at != phase::fencing || of.number + of.round != word.number || party == of.fenced.end()
        || !party->second.insert(word.shard).second) {
        return;
    }
    of.cut = of.round == 0 ? std::max(of.cut, word.at) : of.cut;
    if (party->second.size() != word.shards || --of.unfenced > 0) {
        return;
    }
    if (of.round < fence_rounds) {
        ++of.round;
        ask_for_fence(of);
    } else {
        write_all(of, phase::settling);
    }
}

// --- the new home's answers

void core::on_answer_of_new_home(shard_id from, const handover& word) {
    const auto found = moves_->departures.find(word.which);
    if (found == moves_->departures.end()) {
        answer_if_erased(from, word);
        return;
    }
    if (found->second.number != word.number || found->second.order.to != from) {
        return;
    }
    departing_partition& of = found->second;
    progress(of);
    if (word.what == step::refused && !of.is_being_decided() && of.at != phase::erasing) {
        stop_departure(word.which, "the new home cannot take it");
    } else if (word.what == step::more) {
        if (std::exchange(of.is_page_out, false)) {
            go_on_sending(of);
        }
    } else if (word.what == step::joined && of.at == phase::joining) {
        draw_cut(of);
    } else if (word.what == step::arrived && of.at == phase::arriving) {
        decide(of);
    } else if (word.what == step::here) {
        of.is_there = true;
        if (of.at == phase::awaiting) {
            follow(of);
        }
    } else if (word.what == step::taken && of.at == phase::closing) {
        end_departure(of);
    }
}

// A process before this one may have handed it over, and not said that nothing is left.
void core::answer_if_erased(shard_id new_home, const handover& word) {
    const bool is_erased =
        stored_in_[word.which.value] == 0 && !are_sessions_held_ && !journal_.is_lost();
    if (word.what == step::taken && is_erased) {
        post_rare(new_home,
                  handover{.which = word.which, .number = word.number, .what = step::erased});
    }
}

void core::decide(departing_partition& of) {
    if (of.is_misplaced) {
        await_new_home(of);
        return;
    }
    std::string row;
    encode(of.order.row, row);
    journal_.put(table::small, storage::partition_key_of(of.order.which).view(), row);
    write_all(of, phase::deciding);
}

// A group always has a member, here or there.
void core::await_new_home(departing_partition& of) {
    of.at = phase::awaiting;
    progress(of);
    std::erase_if(moves_->wanted,
                  [&of](const handover_order& each) { return each.which == of.order.which; });
    if (of.is_there) {
        follow(of);
    }
}

// All nodes send to the new home what is dated after the cut; what comes here as well is erased
// with the rest. What was given to members of groups here has nobody else.
void core::follow(departing_partition& of) {
    for (home_entry* each : homes_of(of.order.which)) {
        session::session_state* state = each->is_moving_ ? each->home_.session() : nullptr;
        if (state != nullptr && state->shared_subscriptions > 0) {
            leave_groups(*each, of);
        }
    }
    of.at = phase::leaving;
    progress(of);
    on_fence(options_.me, {.which = of.order.which, .number = of.number + leave_round});
}

void core::leave_groups(home_entry& home, departing_partition& of) {
    session::session_state& state = *home.home_.session();
    auto& [number, shared] = of.withdrawn.emplace_back(home.number(), subscriptions());
    for (auto at = state.subscriptions.begin(); at != state.subscriptions.end();) {
        if (is_shared_filter(at->first)) {
            withdraw(home, home.number(), at->first);
            shared.insert(state.subscriptions.extract(at++));
        } else {
            ++at;
        }
    }
    shared_subscriptions_ -= state.shared_subscriptions;
    state.shared_subscriptions = 0;
}

void core::follow_table() {
    std::vector<partition_id> lost;
    std::vector<partition_id> told;
    for (const auto& [which, each] : moves_->departures) {
        const shard_id home = homes_at_[which.value];
        const bool is_new_home = home == each.order.to;
        if (each.is_misplaced ? !is_new_home && !each.is_decided()
                              : is_node(home) && !is_new_home) {
            lost.push_back(which);
        } else if (!each.is_misplaced && is_new_home && each.is_being_decided()) {
            told.push_back(which);
        }
    }
    for (const partition_id each : lost) {
        stop_departure(each, "its home is another one");
    }
    for (const partition_id each : told) {
        if (const auto found = moves_->departures.find(each); found != moves_->departures.end()) {
            attach_elsewhere(std::exchange(found->second.parked, {}));
            await_new_home(found->second);
        }
    }
}

/// Clients on this shard whose home is another node now; others are told by their own shards.
void core::attach_elsewhere(std::vector<parked_attach> parked) {
    for (parked_attach& each : parked) {
        client* waiting = is_mine(each.from.shard) ? find_client(each.from.connection) : nullptr;
        if (waiting != nullptr && waiting->front_.state() == session::front::phase::attaching) {
            attach(waiting->front_, std::move(each.request));
        }
    }
}

// The new home remembers what has come until it hears that nothing of it can come again.
void core::end_departure(departing_partition& of) {
    const std::size_t sessions = erase_departed(of.order.which);
    const duration took = turn_.now - of.begun;
    ++moves_->counts.handed_over;
    moves_->counts.sessions += sessions;
    handover_counts& there = moves_->by_node[of.order.to_node];
    ++there.handed_over;
    there.sessions += sessions;
    moves_->stopped.clear();
    log::info("partition_handed_over",
              {{"partition", of.order.which.value},
               {"sessions", sessions},
               {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
    write_all(of, phase::erasing);
}

/// Returns how many sessions there were.
std::size_t core::erase_departed(partition_id which) {
    std::size_t erased = 0;
    for (home_entry* each : homes_of(which)) {
        if (session::session_state* state = each->home_.session()) {
            withdraw_all(*each, each->number(), *state);
            each->home_.let_go();
            each->is_moving_ = false;
            settle_home(*each);
            ++erased;
        }
    }
    erase_sessions_of(which);
    return erased;
}

// Whatever is under way in both directions has copies here, or will be offered again.
std::size_t core::discard_sessions() {
    if (moves_) {
        hand_over({});
        stop_departures("an operator discards all sessions");
        std::vector<partition_id> arriving;
        for (const auto& [which, each] : moves_->arrivals) {
            arriving.push_back(which);
        }
        for (const partition_id each : arriving) {
            discard_arrival(each);
        }
    }
    std::vector<home_entry*> kept;
    for (home_entry* each : homes_) {
        if (each->home_.session() != nullptr) {
            kept.push_back(each);
        }
    }
    for (home_entry* each : kept) {
        const std::unique_ptr<home_entry::successor> next = std::move(each->successor_);
        each->home_.remove();
        settle_home(*each);
        if (next) {
            refuse(next->from, session::close_cause::administrative,
                   reason_code::administrative_action, "the session was removed by an operator");
        }
    }
    return kept.size();
}

/// All rows.
void core::erase_sessions_of(partition_id which) {
    for (const table where : storage::session_tables) {
        for (const auto& [begin, end] : storage::ranges_of(which, where)) {
            journal_.erase_range(where, begin, end);
        }
    }
    journal_.want(durability::fsync);
}

} // namespace gv::shard
