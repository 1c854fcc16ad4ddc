// SPDX-License-Identifier: Apache-2.0
// Two devices that use one client identifier throw each other out for ever. This finds such
// identifiers by how often they are taken over. It knows those that were a moment ago, and no more
// than `ids_max` of them: beyond, further ones go unnoticed until it has forgotten some.
#pragma once

#include "base/ring.hpp"
#include "base/time.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstdint>

namespace gv::shard {

class flap_guard {
  public:
    /// An identifier flaps if it was taken over more often than `takeovers_max` within `window`.
    static constexpr std::size_t takeovers_max = 5;
    static constexpr duration window = 10s;
    static constexpr duration tell_again = 60s;
    static constexpr std::size_t ids_max = 4'096;

    struct verdict {
        bool is_flapping = false;
        bool is_to_tell = false; ///< it was not told of within the last minute
    };

    /// Of a client identifier, by its hash.
    [[nodiscard]] verdict on_takeover(std::uint64_t client, time_point now);
    /// Identifiers that it knows.
    [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

  private:
    struct record {
        std::array<time_point, takeovers_max> at{}; ///< the last ones
        std::size_t oldest = 0;                     ///< of these
        time_point told{};
        time_point needed_until{};
    };
    struct look {
        time_point due;
        std::uint64_t client = 0;
    };
    void forget_old(time_point now);

    boost::unordered_flat_map<std::uint64_t, record> records_;
    ring<look> looks_; ///< one for each record, in the order in which they were last due
};

} // namespace gv::shard
