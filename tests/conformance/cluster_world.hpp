// SPDX-License-Identifier: Apache-2.0
// The cases against two broker processes that are one cluster: clients that have to do with each
// other are at different nodes, in turn, in the order in which the case names them. Only clients
// that come with the same identifier, and so with the same session, are at the same node.
#pragma once

#include "tests/conformance/cases.hpp"
#include "tests/conformance/world.hpp"

#include <map>
#include <string>

namespace gv::conformance {

inline constexpr std::size_t cluster_nodes = 2;

/// The node of each client of a case.
[[nodiscard]] std::map<std::string, std::size_t, std::less<>> place_clients(const json& steps);

class cluster_source : public world_source {
  public:
    /// `program` is started for each node; empty: every case is skipped.
    explicit cluster_source(std::string program) : program_(std::move(program)) {}
    /// Whether the case has clients on more than one node, and nothing that keeps it on one: cases
    /// about who may come in would keep the harness out, one that wishes for a number of shards
    /// counts on who is where, and identifiers that the broker assigns are not known in time.
    [[nodiscard]] static bool is_for(const test_case& what);
    std::unique_ptr<world> make(const world_wishes& wishes) override;

  private:
    std::string program_;
};

} // namespace gv::conformance
