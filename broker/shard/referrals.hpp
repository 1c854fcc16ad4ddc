// SPDX-License-Identifier: Apache-2.0
// Which clients of MQTT 5 are told to connect to the node that is home of their session. Each is
// told once by each node: many clients do not follow a reference, and who comes again to that node
// is served there. One for the node, used by all of its shards.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace gv::shard {

class referrals {
  public:
    struct limits {
        /// Whoever comes again within this time is not told again. Longer than clients wait before
        /// they connect anew; from then on it counts anew.
        duration told_for = 60s;
        /// Clients that are remembered; more are not told.
        std::size_t told_max = 65'536;
    };
    referrals() : referrals(limits{}) {}
    explicit referrals(const limits& given) : limits_(given) {}

    /// Where clients reach that node; empty: it is not there, or does not say.
    void set_address(shard_id node, std::string address);
    /// Where to send a client whose home that node is. Nothing: it is to be served.
    [[nodiscard]] std::optional<std::string> refer(shard_id home, std::uint64_t client_hash,
                                                   time_point now);

  private:
    void forget_old(time_point now);

    const limits limits_;
    std::mutex lock_; ///< for a CONNECT, as long as it takes to look
    std::map<shard_id, std::string> addresses_;
    boost::unordered_flat_map<std::uint64_t, time_point> told_; ///< by hash; until then
    time_point look_again_{};
};

} // namespace gv::shard
