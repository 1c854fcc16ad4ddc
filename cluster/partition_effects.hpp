// SPDX-License-Identifier: Apache-2.0
// What the exchange of the table of partitions asks of those around it. Calls are made in the
// middle of an input, so none of them may call back.
#pragma once

#include "cluster/partition_message.hpp"

namespace gv::cluster {

class partition_effects {
  public:
    /// Messages that are lost are made up for.
    virtual void send(node_id to, const partition_message& message) = 0;
    /// The table of this node is another one than before, of that founding; its rows follow.
    virtual void table_founded(const partition_founding& founding) = 0;
    /// The row is another one: clients of the partition have their sessions there from now on. It
    /// is to be kept on disk.
    virtual void partition_changed(partition_id which, const partition_row& now) = 0;
    /// That node goes by an older table, which this one cannot take over: there are sessions here
    /// that go by its own. The same of the same node may come often.
    virtual void tables_differ(node_id with, const partition_founding& theirs) = 0;

  protected:
    ~partition_effects() = default;
};

} // namespace gv::cluster
