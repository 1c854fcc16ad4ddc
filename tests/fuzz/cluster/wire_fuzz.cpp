// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message of another node: what a decoder takes passes its checks, and written and
// read again it says the same. The first byte chooses the message.
#include "base/assert.hpp"
#include "cluster/wire_control.hpp"
#include "cluster/wire_lane.hpp"
#include "cluster/wire_link.hpp"
#include "cluster/wire_membership.hpp"

#include <proto/grapevine_cluster.pb.h>

#include <cstdint>

namespace {

using namespace gv;
using namespace gv::cluster;
namespace wire = grapevine::cluster::v1;

constexpr node_id sender{5};

template <typename Wire, typename Message>
[[nodiscard]] Wire written(const Message& message) {
    Wire out;
    Message copy = message;
    if constexpr (requires { encode(copy, out); }) {
        encode(copy, out);
    } else if constexpr (requires { encode(std::move(copy), out); }) {
        encode(std::move(copy), out);
    } else {
        std::visit(
            [&out](auto& each) {
                if constexpr (requires { encode(each, out); }) {
                    encode(each, out);
                } else {
                    encode(std::move(each), out);
                }
            },
            copy);
    }
    return out;
}

template <typename Wire, typename Decode>
void check_message(std::string_view bytes, Decode&& read) {
    Wire parsed;
    if (!parsed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return;
    }
    const auto message = read(std::move(parsed));
    if (!message) {
        BROKER_ASSERT(!text_of(message.error()).empty(), "a fault has a text");
        return;
    }
    const std::string once = written<Wire>(*message).SerializeAsString();
    Wire again;
    BROKER_ASSERT(again.ParseFromString(once), "what was written can be parsed");
    const auto same = read(std::move(again));
    BROKER_ASSERT(same, "what was written can be read");
    BROKER_ASSERT(written<Wire>(*same).SerializeAsString() == once,
                  "a message changes when it is written and read");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        check_message<wire::Envelope>(
            bytes, [](wire::Envelope&& in) { return decode(in, message_limits{.rows_max = 50}); });
        break;
    case 1:
        check_message<wire::ControlFrame>(bytes, [](wire::ControlFrame&& in) {
            return decode(std::move(in), sender, route_limits{.message_rows_max = 50});
        });
        break;
    case 2:
        check_message<wire::LinkHello>(bytes,
                                       [](wire::LinkHello&& in) { return decode(std::move(in)); });
        break;
    case 3:
        check_message<wire::LaneFrame>(bytes,
                                       [](wire::LaneFrame&& in) { return decode(std::move(in)); });
        break;
    default:
        check_message<wire::LaneReply>(bytes,
                                       [](wire::LaneReply&& in) { return decode(std::move(in)); });
        break;
    }
    return 0;
}
