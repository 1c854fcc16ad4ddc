// SPDX-License-Identifier: Apache-2.0
// How long membership takes to notice things, and what it costs, in virtual time.
#pragma once

#include <iosfwd>

namespace gv::cluster {

/// A table in Markdown, a row for each number of nodes and share of messages lost; cells are the
/// median and the greatest of ten seeds.
void print_membership_figures(std::ostream& out);

} // namespace gv::cluster
