// SPDX-License-Identifier: Apache-2.0
// The cases against a running broker over TCP, in real time. Which broker, from the environment:
//
//   CONFORMANCE_BROKER=path        a program to start for each case. If its name is "mosquitto" it
//                                  is driven as Mosquitto 2 (to learn whether the cases are sane),
//                                  else as Grapevine. The build sets the default.
//   CONFORMANCE_AT=host:port       a broker that runs already, an IPv4 address; cases that wish for
//                                  options are skipped
//   CONFORMANCE_OPTIONAL_ANSWERS=1 a close needs no reason where the specification asks for none
//   CONFORMANCE_PATIENCE_MS=3000   how long an answer may take
#pragma once

#include "tests/conformance/world.hpp"

#include <string>

namespace gv::conformance {

class socket_source : public world_source {
  public:
    /// `program` is started where the environment names no broker; empty: every case is skipped.
    explicit socket_source(std::string program);
    std::unique_ptr<world> make(const world_wishes& wishes) override;

  private:
    std::string program_;
};

} // namespace gv::conformance
