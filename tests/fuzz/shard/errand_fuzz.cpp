// SPDX-License-Identifier: Apache-2.0
// Any bytes as a word between a front and a home on two nodes. The first two bytes are of the
// message that comes with it: quality, and whether it has a topic.
#include "base/assert.hpp"
#include "broker/shard/errand.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace gv;
using namespace gv::shard;

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    publication with{.topic = data[1] % 2 == 0 ? "a/b" : "", .payload = "payload"};
    with.header.quality = static_cast<qos>(data[0] % 3);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto word = decode_errand(bytes, with);
    if (!word) {
        return 0;
    }
    static_cast<void>(receiver_of(*word, 4)); // any: who passes it on looks whether there is one
    const auto once = encode(*word);
    BROKER_ASSERT(once, "what was heard can be said");
    const auto again = decode_errand(once->bytes, once->what);
    BROKER_ASSERT(again, "what is said can be heard");
    const auto twice = encode(*again);
    BROKER_ASSERT(twice && twice->bytes == once->bytes, "a word changes when it is passed on");
    return 0;
}
