// SPDX-License-Identifier: Apache-2.0
#include "broker/session/replay.hpp"

#include <iterator>

namespace gv::session {

void replay_list::announce(replay wanted) {
    if (!work_) {
        work_ = std::make_unique<work>();
    }
    erase(wanted.filter); // the stamps stay
    work_->announced.push_back({.what = std::move(wanted), .number = announced_++});
    const auto added = std::prev(work_->announced.end());
    work_->by_filter.emplace(added->what.filter, added);
}

void replay_list::open(const announcements& which) {
    if (!work_) {
        return;
    }
    for (auto each = work_->announced.begin(); each != work_->announced.end();) {
        const auto next = std::next(each);
        if (each->number >= which.first && each->number < which.end) {
            each->is_open = true;
            work_->open.splice(work_->open.end(), work_->announced, each);
        }
        each = next;
    }
}

void replay_list::change(const replay& options) {
    if (!work_) {
        return;
    }
    const auto found = work_->by_filter.find(std::string_view(options.filter));
    if (found != work_->by_filter.end()) {
        replay& left = found->second->what;
        left.subscription_id = options.subscription_id;
        left.quality = options.quality;
        left.no_local = options.no_local;
    }
}

void replay_list::end(std::string_view filter) {
    if (work_) {
        erase(filter);
        if (work_->by_filter.empty()) {
            work_.reset();
        }
    }
}

void replay_list::erase(std::string_view filter) {
    const auto found = work_->by_filter.find(filter);
    if (found == work_->by_filter.end()) {
        return;
    }
    const auto ended = found->second;
    if (ended->is_open && ended == work_->open.begin()) {
        give_up_page();
    }
    work_->by_filter.erase(found);
    (ended->is_open ? work_->open : work_->announced).erase(ended);
}

// While a page is under way nothing is forgotten: it may hold an older row of any topic seen since
// it was asked for, or before if the list was not forgetful then.
void replay_list::remember(const publication& what) {
    if (!is_waiting_ && work_->stamps.size() >= stamps_max) {
        work_->stamps = {};
        work_->is_forgetful = true;
    }
    work_->stamps[table_hash(what.topic)] = what.header.stamp;
}

} // namespace gv::session
