// SPDX-License-Identifier: Apache-2.0
// Certificates of nodes: who one is for, and whether it is to be believed. A node is known by one
// URI among the subject's alternative names,
//
//   grapevine://CLUSTER/NODE     name of the cluster, percent-encoded; node id, 16 hexadecimal
//   digits
//
// signed by an authority that the other side has. Names of hosts are not looked at: a node may
// move. Certificates and keys are texts in PEM.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::cluster {

struct certified_node {
    std::string cluster;
    node_id node;
    std::string name; ///< what a person calls it; says nothing about who it is
    friend bool operator==(const certified_node&, const certified_node&) = default;
};

[[nodiscard]] std::string identity_uri(const certified_node& who);
/// Cluster and node; nothing if it is not such a URI.
[[nodiscard]] std::optional<certified_node> parse_identity_uri(std::string_view uri);

/// What a certificate says, believed or not.
struct certificate_facts {
    std::optional<certified_node> who; ///< nothing: it is not that of one node
    std::string subject;               ///< as in RFC 2253
    std::string authority;             ///< who has signed it, by its own words
    wall_time not_before{};
    wall_time not_after{};
};

/// Of the first certificate in `pem`. Errors: what is wrong with it, for a person.
[[nodiscard]] result<certificate_facts, std::string> read_certificate(std::string_view pem);

/// SHA-256 of the first certificate in `pem`, as 64 hexadecimal digits; empty if there is none.
[[nodiscard]] std::string fingerprint(std::string_view pem);

/// Every certificate in `pem`, each by itself.
[[nodiscard]] std::vector<std::string> split_certificates(std::string_view pem);

/// "2027-11-22 09:00 UTC".
[[nodiscard]] std::string date_text(wall_time at);

/// Why a certificate is not believed.
enum class certificate_fault : std::uint8_t {
    unreadable,
    unknown_authority,
    expired,
    not_valid_yet,
    not_for_nodes, ///< its use is restricted, or OpenSSL has another objection
    no_identity,
    other_cluster
};
struct distrust {
    certificate_fault fault = certificate_fault::unreadable;
    std::string what; ///< names who has the certificate, as far as it says so
    std::string remedy;
};

/// Which end of the connection showed the certificate.
enum class tls_end : std::uint8_t { server, client };

/// The authorities that a node believes. Immutable; thread-safe.
class authorities {
  public:
    /// Errors: `pem` has no certificate, or one that is no authority's.
    [[nodiscard]] static result<authorities, std::string> read(std::string_view pem);
    ~authorities();
    authorities(authorities&& other) noexcept;
    authorities& operator=(authorities&& other) noexcept;

    /// Who has shown `chain`, its own certificate first, if it is a node of that cluster.
    [[nodiscard]] result<certified_node, distrust>
    check(std::string_view chain, tls_end shown_by, std::string_view cluster, wall_time now) const;

  private:
    class parts;
    explicit authorities(std::unique_ptr<parts> made) noexcept;
    std::unique_ptr<parts> parts_;
};

/// Texts in PEM of what a node shows and believes.
struct tls_material {
    std::string chain; ///< its own certificate first
    std::string key;
    std::string authorities;
};
/// Where they are, for what is said about them.
struct tls_places {
    std::string chain;
    std::string key;
    std::string authorities;
};
struct material_check {
    std::optional<certified_node> who;
    wall_time not_after{}; ///< of the first certificate
    std::vector<problem> errors;
    std::vector<problem> warnings; ///< hinder nothing here: it has expired, or is not valid yet
};
/// Whether a node of that cluster can work with it; every problem at once.
[[nodiscard]] material_check check_material(const tls_material& all, const tls_places& places,
                                            std::string_view cluster, wall_time now);

} // namespace gv::cluster
