// SPDX-License-Identifier: Apache-2.0
// By which certificate this node is known to others: that of the options, or that in the folder
// which `grapevine cluster init` and `grapevine cluster join --token` fill.
#pragma once

#include "broker/server/load.hpp"
#include "cluster/certificates.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gv::server {

/// The folder `cluster.tls` in that of the store; empty: nothing is kept.
[[nodiscard]] std::string cluster_folder(const options& all);

/// Names of the files in it.
inline constexpr std::string_view own_certificate_name = "node.pem";
inline constexpr std::string_view own_key_name = "node.key";
inline constexpr std::string_view authorities_name = "ca.pem";
inline constexpr std::string_view authority_key_name = "ca.key";
inline constexpr std::string_view first_seed_name = "seeds"; ///< who let this node in

/// Where certificate, key and authorities of this node are; nothing: it has none, and speaks plain
/// text.
[[nodiscard]] std::optional<cluster::tls_places> find_identity(const options& all);

/// The node that this node's certificate names; 0: there is none.
[[nodiscard]] node_id certified_id(const options& all);

struct cluster_identity {
    cluster::tls_material material;
    cluster::certified_node who;
    wall_time not_after{};
};
struct identity_load {
    std::optional<cluster_identity> found; ///< nothing: plain text, or there are errors
    std::vector<problem> errors;
    std::vector<problem> warnings;
};
/// Reads and checks them. Blocks on the disk.
[[nodiscard]] identity_load load_identity(const options& all, wall_time now);

/// What is wrong if it is not that of this node, as its store says; nothing if it is, or there is
/// none.
[[nodiscard]] std::optional<problem> check_owner(const options& all, const identity_load& loaded,
                                                 node_id self);

/// What the options leave to the certificate: the name of the cluster, where to find it, and
/// whether other machines may be in it. Adds to `problems` what is wrong with that.
void complete_cluster(loaded_options& loaded);

} // namespace gv::server
