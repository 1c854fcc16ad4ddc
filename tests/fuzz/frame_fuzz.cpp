// SPDX-License-Identifier: Apache-2.0
// A stream gives the same frames however it is cut. The first byte of the input seeds the sizes of
// the pieces, the rest is the stream.
#include "base/assert.hpp"
#include "broker/mqtt/frame.hpp"

#include <string>
#include <vector>

namespace gv::mqtt {
namespace {

struct seen_frame {
    std::uint8_t first_byte;
    std::string body;
    friend bool operator==(const seen_frame&, const seen_frame&) = default;
};

struct seen_stream {
    std::vector<seen_frame> frames;
    bool is_malformed = false;
    friend bool operator==(const seen_stream&, const seen_stream&) = default;
};

/// Takes all whole frames off the front of `buffer`.
void drain(std::string& buffer, seen_stream& seen) {
    std::size_t at = 0;
    while (!seen.is_malformed) {
        const frame found = next_frame(std::string_view(buffer).substr(at));
        if (found.state == frame_state::partial) {
            BROKER_ASSERT(found.size == 0 || found.size > buffer.size() - at,
                          "a partial frame is not all there");
            break;
        }
        if (found.state == frame_state::malformed) {
            seen.is_malformed = true;
            break;
        }
        BROKER_ASSERT(found.size == found.header_size + found.body.size(),
                      "a frame is its header and its body");
        seen.frames.push_back({found.first_byte, std::string(found.body)});
        at += found.size;
    }
    buffer.erase(0, at);
}

seen_stream read_whole(std::string_view stream) {
    seen_stream seen;
    std::string buffer(stream);
    drain(buffer, seen);
    return seen;
}

seen_stream read_in_pieces(std::string_view stream, std::uint32_t seed) {
    seen_stream seen;
    std::string buffer;
    while (!stream.empty()) {
        seed = seed * 1'664'525 + 1'013'904'223;
        const std::size_t size = 1 + (seed >> 24) % 9;
        buffer += stream.substr(0, size);
        stream.remove_prefix(std::min(size, stream.size()));
        drain(buffer, seen);
    }
    return seen;
}

} // namespace
} // namespace gv::mqtt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 0) {
        const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
        BROKER_ASSERT(gv::mqtt::read_whole(stream) == gv::mqtt::read_in_pieces(stream, data[0]),
                      "cutting a stream changes nothing");
    }
    return 0;
}
