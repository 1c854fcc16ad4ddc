// SPDX-License-Identifier: Apache-2.0
// One question to the admin port of a running broker, from another process.
#pragma once

#include "base/result.hpp"
#include "broker/transport/endpoint.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace gv::admin {

struct admin_answer {
    unsigned status = 0; ///< of HTTP
    std::string text;
};

/// GETs `path`. Blocks for `patience` at most. Errors: place is the address; nobody listens there,
/// or what does answers nothing that is HTTP, or not in time.
[[nodiscard]] result<admin_answer, problem> ask_admin(const transport::endpoint& where,
                                                      std::string_view path,
                                                      std::chrono::milliseconds patience);

} // namespace gv::admin
