// SPDX-License-Identifier: Apache-2.0
// Where the nodes that were ever met are kept, so that they are found again after a restart.
// Used by one thread at a time; blocks on the disk.
#pragma once

#include "cluster/membership_message.hpp"

#include <string>
#include <vector>

namespace gv::server {

class member_file {
  public:
    /// `path` "": nothing is kept. `self` names this node and its cluster: what another has left
    /// there is not used.
    member_file(std::string path, cluster::envelope self)
        : path_(std::move(path)), self_(std::move(self)) {}

    /// Empty if there is none. Why one was not used is told in the log.
    [[nodiscard]] std::vector<cluster::member_row> read() const;
    /// False: it failed, and is to be tried again. Why is told in the log, once until it succeeds.
    [[nodiscard]] bool write(std::vector<cluster::member_row> rows);

  private:
    std::string path_;
    cluster::envelope self_;
    bool has_failed_ = false; ///< the last time
};

} // namespace gv::server
