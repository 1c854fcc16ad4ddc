// SPDX-License-Identifier: Apache-2.0
// The other end of the operator's door, for the command. Blocks.
#pragma once

#include "cluster/operator_answers.hpp"

#include <string>

namespace gv::cluster {

struct operator_failure {
    bool is_absent = false; ///< nobody listens at the socket
    problem what;
};

template <typename Answer>
using operator_result = result<Answer, operator_failure>;

// `path`: of the socket. Errors: nobody listens there, or what the node says is wrong.

[[nodiscard]] operator_result<operator_status> ask_status(const std::string& path);
/// May take as long as sessions take to their homes, if they do not stay.
[[nodiscard]] operator_result<operator_join> ask_join(const std::string& path,
                                                      const operator_join_request& asked);
[[nodiscard]] operator_result<operator_leave> ask_leave(const std::string& path,
                                                        const operator_leave_request& asked);
[[nodiscard]] operator_result<operator_forget> ask_forget(const std::string& path,
                                                          const std::string& which);

} // namespace gv::cluster
