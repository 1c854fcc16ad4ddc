// SPDX-License-Identifier: Apache-2.0
// What this node shows to others, and whom it believes; both may be replaced while it runs, and
// hold for connections that begin afterwards.
#pragma once

#include "cluster/certificates.hpp"
#include "cluster/memory_file.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace gv::cluster {

/// Thread-safe.
class node_trust {
  public:
    /// Requires: check_material() has found no error in `all`.
    node_trust(std::string cluster, const tls_material& all);

    /// Requires: as the constructor.
    void replace(const tls_material& all);

    /// Who has shown `chain`, if this node believes it.
    [[nodiscard]] result<certified_node, distrust> judge(std::string_view chain, tls_end shown_by,
                                                         wall_time now) const;

    // For a library that reads again what is there now.

    /// Chain, authorities (who has only the fingerprint of one has to see it) and key in one file,
    /// so that none is ever there without the others.
    [[nodiscard]] std::string identity_path() const { return identity_.path(); }
    [[nodiscard]] std::string authorities_path() const { return shown_authorities_.path(); }

  private:
    const std::string cluster_;
    memory_file identity_;
    memory_file shown_authorities_;
    mutable std::mutex mutex_;
    std::shared_ptr<const authorities> believed_;
};

} // namespace gv::cluster
