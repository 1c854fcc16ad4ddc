// SPDX-License-Identifier: Apache-2.0
// The operator's door: gRPC on a unix socket that only the user of the process may open. Whoever
// may, may do all (docs/adr/0025-operator-service.md).
#pragma once

#include "cluster/operator_answers.hpp"

#include <memory>
#include <string>

namespace gv::cluster {

class operator_server {
  public:
    /// Listens at that path, with mode 0600 from its first moment on; what a process that is no
    /// more has left there is replaced. Errors: somebody listens there, or the folder cannot be
    /// written to. Lifetime: the listener must outlive stop().
    [[nodiscard]] static result<std::unique_ptr<operator_server>, problem>
    start(const std::string& path, operator_listener& listener);
    ~operator_server();
    operator_server(const operator_server&) = delete;
    operator_server& operator=(const operator_server&) = delete;

    /// Removes the socket, lets answers that are under way go out, and ends. No call of the
    /// listener follows.
    void stop();

  private:
    class parts;
    explicit operator_server(std::unique_ptr<parts> made) noexcept;
    std::unique_ptr<parts> parts_;
};

} // namespace gv::cluster
