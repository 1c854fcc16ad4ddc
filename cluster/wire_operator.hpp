// SPDX-License-Identifier: Apache-2.0
// Answers to an operator, from and to Protocol Buffers. Both ends are the same program on the same
// machine, so what comes is taken as it is; unknown states become `remembered`.
#pragma once

#include "cluster/operator_answers.hpp"

namespace grapevine::operate::v1 {
class StatusAnswer;
class JoinRequest;
class JoinAnswer;
class LeaveAnswer;
class ForgetAnswer;
} // namespace grapevine::operate::v1

namespace gv::cluster {

// Requires: `out` is empty.

void encode(const operator_join_request& asked, grapevine::operate::v1::JoinRequest& out);
[[nodiscard]] operator_join_request decode(const grapevine::operate::v1::JoinRequest& in);

void encode(const result<operator_status, problem>& answer,
            grapevine::operate::v1::StatusAnswer& out);
void encode(const result<operator_join, problem>& answer, grapevine::operate::v1::JoinAnswer& out);
void encode(const result<operator_leave, problem>& answer,
            grapevine::operate::v1::LeaveAnswer& out);
void encode(const result<operator_forget, problem>& answer,
            grapevine::operate::v1::ForgetAnswer& out);

[[nodiscard]] result<operator_status, problem>
decode(const grapevine::operate::v1::StatusAnswer& in);
[[nodiscard]] result<operator_join, problem> decode(const grapevine::operate::v1::JoinAnswer& in);
[[nodiscard]] result<operator_leave, problem> decode(const grapevine::operate::v1::LeaveAnswer& in);
[[nodiscard]] result<operator_forget, problem>
decode(const grapevine::operate::v1::ForgetAnswer& in);

} // namespace gv::cluster
