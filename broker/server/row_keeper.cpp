// SPDX-License-Identifier: Apache-2.0
#include "broker/server/row_keeper.hpp"

#include "base/log.hpp"

#include <utility>

namespace gv::server {

// One shard for all of them: what it writes keeps its order.
void row_keeper::hand_over() {
    if (loop_ == nullptr) {
        return;
    }
    const bool asks = has_missed_ && !is_asking_.exchange(true);
    if (asks || !open_.empty()) {
        loop_->post([this, rows = std::exchange(open_, {})] { write(rows); });
    }
}

/// On the shard.
void row_keeper::write(const storage::batch& rows) {
    is_asking_ = false;
    const bool is_taken = loop_->logic().keep_rows(rows);
    if (is_taken && has_missed_.exchange(false)) {
        has_room_ = true;
    } else if (!is_taken && !has_missed_.exchange(true)) {
        log::warn(
            "rows_not_kept",
            {{"rows", what_}, {"remedy", "make room on the disk: they are written when there is"}});
    }
}

} // namespace gv::server
