// SPDX-License-Identifier: Apache-2.0
// Packets of a server, in every version.
#include "tests/fuzz/decode_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    gv::mqtt::check_decode(data, size, gv::mqtt::peer::server);
    return 0;
}
