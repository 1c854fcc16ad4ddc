// SPDX-License-Identifier: Apache-2.0
// A node that has left its cluster for good keeps a mark of it, so that a restart does not bring it
// back by surprise.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "broker/server/options.hpp"

#include <string>

namespace gv::server {

/// Where it is; empty: nothing is kept, and the node is another one at its next start anyway.
[[nodiscard]] std::string leave_mark_path(const options& all);

/// On disk when it returns. Errors: a problem for a person.
[[nodiscard]] result<void, problem> write_leave_mark(const options& all, node_id node);

/// Errors: this node has left the cluster of the options.
[[nodiscard]] result<void, problem> check_leave_mark(const options& all);

} // namespace gv::server
