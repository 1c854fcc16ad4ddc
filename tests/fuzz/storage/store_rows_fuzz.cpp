// SPDX-License-Identifier: Apache-2.0
// Any bytes as a row of the store: what a decoder takes is written again to a row that says the
// same. The first byte chooses the decoder.
#include "base/assert.hpp"
#include "storage/format.hpp"

#include <cstdint>

namespace {

using namespace gv;
using namespace gv::storage;

constexpr moment clock_now{};

/// Of what was decoded: encoded once, decoded, and encoded again it is the same bytes.
template <typename Record, typename Encode, typename Decode>
void check(const Record& record, Encode&& write, Decode&& read) {
    std::string once;
    write(record, once);
    Record again;
    BROKER_ASSERT(read(once, again), "an encoded row can be read");
    std::string twice;
    write(again, twice);
    BROKER_ASSERT(once == twice, "a row changes when read and written");
}

template <typename Record>
void check_plain(std::string_view bytes) {
    Record record;
    if (decode(bytes, record)) {
        check(
            record, [](const Record& what, std::string& out) { encode(what, out); },
            [](std::string_view value, Record& what) { return decode(value, what); });
    }
}

void check_message(std::string_view bytes) {
    publication what;
    if (!decode(bytes, clock_now, what)) {
        return;
    }
    check(
        what, [](const publication& each, std::string& out) { encode(each, clock_now, out); },
        [](std::string_view value, publication& each) { return decode(value, clock_now, each); });
}

void check_queue_row(std::string_view bytes) {
    queue_row_view found;
    if (!decode(bytes, found)) {
        return;
    }
    BROKER_ASSERT(found.row.subscription_ids.size() == found.subscription_ids.size(),
                  "the row shows its own identifiers");
    static_cast<void>(found.size());
    std::string again;
    publication what;
    if (found.body) {
        encode(found.row, *found.body, found.body_size, again);
    } else if (decode(found.message, clock_now, what)) {
        encode(found.row, what, clock_now, again);
    } else {
        return;
    }
    queue_row_view same;
    BROKER_ASSERT(decode(again, same) && same.subscription_ids == found.subscription_ids
                      && same.body == found.body && same.row.id == found.row.id
                      && same.size() == found.size(),
                  "a queue row changes when read and written");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 10) {
    case 0:
        check_plain<node_record>(bytes);
        break;
    case 1:
        check_message(bytes);
        break;
    case 2:
        check_queue_row(bytes);
        break;
    case 3:
        check_plain<queue_record>(bytes);
        break;
    case 4:
        check_plain<session_record>(bytes);
        break;
    case 5:
        check_plain<subscription_record>(bytes);
        break;
    case 6:
        check_plain<packet_id>(bytes);
        break;
    case 8:
        check_plain<route_row>(bytes);
        break;
    case 9: {
        route_place found;
        if (decode(bytes, found)) {
            BROKER_ASSERT(route_key_of(found) == bytes, "a key is its node, filter and group");
        }
        break;
    }
    default: {
        bucket found;
        if (decode(bytes, found)) {
            BROKER_ASSERT(bytes.starts_with(bucket_key_of(found).view()), "a key is its bucket");
        }
    }
    }
    return 0;
}
