// SPDX-License-Identifier: Apache-2.0
// Where another node may be found, as people write it: host:port, or a name under which DNS knows
// hosts and ports (SRV).
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gv::server {

struct seed_place {
    std::string host;       ///< or the name for SRV; without brackets
    std::uint16_t port = 0; ///< 0: `host` is for SRV

    [[nodiscard]] bool is_srv() const noexcept { return port == 0; }
    friend bool operator==(const seed_place&, const seed_place&) = default;
};

/// "node2.home:7883", "[fd00::2]:7883", "_cluster._tcp.home", "srv:nodes.home". Errors: what is
/// wrong, to stand behind the text.
[[nodiscard]] result<seed_place, std::string> parse_seed(std::string_view text);

} // namespace gv::server
