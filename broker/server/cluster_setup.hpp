// SPDX-License-Identifier: Apache-2.0
// What is done once for a node, before it runs: an authority for a new cluster, a token for another
// node, a certificate for a token. All of it ends up in the folder `cluster.tls` of the store.
#pragma once

#include "broker/server/load.hpp"
#include "broker/server/token_desk.hpp"
#include "cluster/certificates.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace gv::server {

struct cluster_setup {
    std::string folder;
    cluster::certified_node who;
    std::string authority; ///< its fingerprint
    wall_time until{};     ///< of the certificate
};

/// Makes the authority of a cluster of that name, and the certificate of this node. `name` empty:
/// cluster.name. Errors: there is one already; the store is in use; what cannot be written.
[[nodiscard]] result<cluster_setup, problem> init_cluster(const options& all,
                                                          const std::string& name);

/// A certificate of this node again, by the authority whose key is here.
[[nodiscard]] result<cluster_setup, problem> renew_certificate(const options& all);

/// `address` empty: that which this node tells to others.
[[nodiscard]] result<cluster::join_token, problem>
make_token(const options& all, const std::string& address, std::chrono::seconds good_for);

/// Gets the certificate of this node for a token; that of before, if there is one, is replaced. As
/// long as nobody answers it is tried again, for so long.
[[nodiscard]] result<cluster_setup, problem>
join_by_token(const options& all, const std::string& token, std::chrono::seconds patience);

/// By cluster.join_token, if there is one and no certificate: what the options leave to that is
/// then in `loaded`. It starts threads of gRPC, so not before the process is in the background.
[[nodiscard]] std::vector<problem> join_at_start(loaded_options& loaded);

/// Where this node has its tokens, and the key of the authority.
[[nodiscard]] token_places token_places_of(const options& all);

} // namespace gv::server
