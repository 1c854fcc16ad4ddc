// SPDX-License-Identifier: Apache-2.0
#include "broker/server/kept_partitions.hpp"

namespace gv::server {

namespace {

using storage::table;

[[nodiscard]] storage::founding_record stored(const cluster::partition_founding& founding) {
    return {.at = founding.at, .by = founding.by};
}

} // namespace

void kept_partitions::add(const storage::founding_record& founding) {
    found_ = cluster::partition_table({.at = founding.at, .by = founding.by});
}

void kept_partitions::add(partition_id which, const storage::partition_record& row) {
    found_.put(which, {.home = row.home, .epoch = row.epoch});
}

void kept_partitions::put(const cluster::partition_founding& founding) {
    if (rows_.is_on()) {
        scratch_.clear();
        encode(stored(founding), scratch_);
        rows_.open().put(table::small, storage::founding_key, scratch_);
    }
}

void kept_partitions::put(const cluster::partition_founding& of, partition_id which,
                          const cluster::partition_row& row) {
    if (rows_.is_on()) {
        scratch_.clear();
        encode(storage::partition_record{.of = stored(of), .home = row.home, .epoch = row.epoch},
               scratch_);
        rows_.open().put(table::small, storage::partition_key_of(which).view(), scratch_);
    }
}

void kept_partitions::hand_over(const cluster::partition_table& now) {
    if (rows_.begins_anew() && now.founding().is_there()) {
        put(now.founding());
        for (std::uint16_t number = 0; number < partition_count; ++number) {
            const partition_id which{number};
            if (now.at(which).epoch != 0) {
                put(now.founding(), which, now.at(which));
            }
        }
    }
    rows_.hand_over();
}

} // namespace gv::server
