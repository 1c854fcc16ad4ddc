// SPDX-License-Identifier: Apache-2.0
// The cases against the pure core (tests/support/pure_shard.hpp), in virtual time. Two shards, over
// which the connections are spread in turn. Limits of the protocol are offered as options; cases
// that wish for files or for anything else of the server around the core are skipped.
#pragma once

#include "tests/conformance/world.hpp"

namespace gv::conformance {

class pure_source : public world_source {
  public:
    std::unique_ptr<world> make(const world_wishes& wishes) override;
};

} // namespace gv::conformance
