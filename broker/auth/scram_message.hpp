// SPDX-License-Identifier: Apache-2.0
// The messages that a SCRAM client sends, taken apart. Grammar in scram.hpp.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace gv::auth {

/// Views point into the message.
struct scram_client_first {
    std::string_view gs2_header;
    std::string_view bare;    ///< the message without the header
    std::string username;     ///< =2C and =3D undone
    std::string authorise_as; ///< empty: as username
    std::string_view nonce;
};

struct scram_client_final {
    std::string_view without_proof;
    std::string gs2_header; ///< decoded
    std::string_view nonce;
    std::string proof; ///< 32 bytes
};

/// The error says which part of the message is wrong. Lifetime: static.
[[nodiscard]] result<scram_client_first, std::string_view>
parse_client_first(std::string_view message);

[[nodiscard]] result<scram_client_final, std::string_view>
parse_client_final(std::string_view message);

} // namespace gv::auth
