// SPDX-License-Identifier: Apache-2.0
// A node that has a token gets its certificate: both ends of the one call there is.
#pragma once

#include "cluster/admission.hpp"
#include "cluster/join_token.hpp"

#include <chrono>
#include <memory>

namespace grpc {
class Service;
} // namespace grpc

namespace gv::cluster {

/// Answers applicants, and nobody else. Lifetime: the desk outlives it; the server must be shut
/// down before it goes.
class admission_service {
  public:
    explicit admission_service(admission_desk& desk);
    ~admission_service();
    admission_service(const admission_service&) = delete;
    admission_service& operator=(const admission_service&) = delete;

    [[nodiscard]] grpc::Service& service() noexcept;

  private:
    class handler;
    std::unique_ptr<handler> handler_;
};

struct admission_question {
    std::string cluster; ///< that the node is meant for; empty: any
    node_id node;
    std::string name;
    std::string key; ///< of make_key()
};
struct new_member {
    certified_node who;
    tls_material material;
};
struct admission_failure {
    problem what;
    bool may_pass = false; ///< asking again may help
};
/// Asks the node that the token names, which must have a certificate of the token's authority.
/// Blocks.
[[nodiscard]] result<new_member, admission_failure>
ask_admission(const join_token& token, const admission_question& question,
              std::chrono::seconds within);

} // namespace gv::cluster
