// SPDX-License-Identifier: Apache-2.0
#include "storage/memory_store.hpp"

#include <algorithm>

namespace gv::storage {

memory_store::memory_store(rows before) : rows_(std::move(before)) {
    node_ = {.schema = schema, .node = node_id{1}, .boot = boot_id{1}};
    auto& meta = rows_[static_cast<std::size_t>(table::meta)];
    if (const auto found = meta.find("N"); found != meta.end() && decode(found->second, node_)) {
        ++node_.boot.value;
    }
    std::string value;
    encode(node_, value);
    meta["N"] = value;
}

result<void, problem> memory_store::load(store_reader& to) {
    const load_report report = load_from(*this, to);
    if (report.rows_broken > 0) {
        return failure(problem{.place = "memory",
                               .what = std::to_string(report.rows_broken) + " rows are broken",
                               .remedy = "this store is filled by tests alone"});
    }
    return {};
}

void memory_store::listen(shard_id shard, std::function<void(progress)> to,
                          std::function<void(read_answer)> rows_to) {
    listeners_[shard] = std::move(to);
    readers_[shard] = std::move(rows_to);
}

void memory_store::commit(shard_id from, hand_over what) {
    line_.push_back({.from = from, .what = std::move(what)});
}

void memory_store::read(shard_id from, read_request what) { reads_.emplace_back(from, what); }

std::size_t memory_store::run(std::size_t count) {
    const std::size_t done = std::min(count, line_.size());
    const auto end = line_.begin() + static_cast<std::ptrdiff_t>(done);
    gathered group = gather({line_.begin(), end}, joining_);
    line_.erase(line_.begin(), end);
    for (const batch& each : group.operations) {
        apply(each);
    }
    for (auto& [shard, word] : group.done.words) {
        listeners_.at(shard)(std::move(word));
    }
    const auto reads = std::exchange(reads_, {});
    for (const auto& [shard, what] : reads) {
        readers_.at(shard)(read_rows(*this, what));
    }
    return done + reads.size();
}

durability memory_store::strictest_waiting() const noexcept {
    durability strictest = durability::memory;
    for (const line_entry& each : line_) {
        strictest = std::min(strictest, each.what.wants);
        for (const part& one : each.what.parts) {
            strictest = std::min(strictest, one.wants);
        }
    }
    return strictest;
}

void memory_store::lose() {
    line_.clear();
    for (auto& [shard, listener] : listeners_) {
        listener({.is_lost = true});
    }
}

void memory_store::set_full(bool is_full) {
    for (auto& [shard, listener] : listeners_) {
        listener({.is_stalled = is_full});
    }
}

void memory_store::apply(const batch& operations) {
    operations.for_each([this](const batch::operation& what) {
        auto& table = rows_[static_cast<std::size_t>(what.where)];
        switch (what.what) {
        case batch::kind::put:
            table.insert_or_assign(std::string(what.key), std::string(what.value));
            break;
        case batch::kind::erase:
            table.erase(std::string(what.key));
            break;
        case batch::kind::erase_range:
            table.erase(table.lower_bound(what.key), table.lower_bound(what.value));
            break;
        }
    });
}

bool memory_store::scan(table which, const visitor& visit) const {
    for (const auto& [key, value] : rows_[static_cast<std::size_t>(which)]) {
        visit(key, value);
    }
    return true;
}

bool memory_store::scan(table which, std::string_view begin, std::string_view end,
                        const judge& visit) const {
    const auto& table = rows_[static_cast<std::size_t>(which)];
    for (auto at = table.lower_bound(begin); at != table.end() && at->first < end; ++at) {
        if (!visit(at->first, at->second)) {
            break;
        }
    }
    return true;
}

bool memory_store::seek(table which, std::string_view from, std::string& key) const {
    const auto& table = rows_[static_cast<std::size_t>(which)];
    const auto found = table.lower_bound(from);
    if (found != table.end()) {
        key = found->first;
    }
    return found != table.end();
}

bool memory_store::get(table which, std::string_view key, std::string& value) const {
    const auto& table = rows_[static_cast<std::size_t>(which)];
    const auto found = table.find(key);
    if (found != table.end()) {
        value = found->second;
    }
    return found != table.end();
}

} // namespace gv::storage
