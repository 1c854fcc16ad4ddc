// SPDX-License-Identifier: Apache-2.0
#include "cluster/lane_block.hpp"

namespace gv::cluster {

namespace {

/// Moves what `keeps` wants to the front.
template <typename Keeps>
void keep_pieces(std::string& bytes, Keeps&& keeps) {
    piece_reader pieces(bytes);
    char* to = bytes.data();
    const char* from = bytes.data();
    while (const std::optional<piece> each = pieces.next()) {
        const std::size_t size = piece_header_bytes + each->content.size();
        if (keeps(*each)) {
            std::memmove(to, from, size);
            to += size;
        }
        from += size;
    }
    bytes.resize(static_cast<std::size_t>(to - bytes.data()));
}

bool is_uncounted(const piece& each) noexcept {
    return each.kind == piece_kind::whole && quality_of(each.content) == qos::at_most_once;
}

} // namespace

void drop_uncounted(lane_block& block) {
    keep_pieces(block.bytes, [](const piece& each) { return !is_uncounted(each); });
    block.uncounted = 0;
}

void drop_counted(lane_block& block) {
    keep_pieces(block.bytes, is_uncounted);
    block.first = block.end;
}

} // namespace gv::cluster
