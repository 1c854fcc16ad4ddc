// SPDX-License-Identifier: Apache-2.0
// Questions of membership: unary calls, in both directions.
#pragma once

#include "cluster/grpc_calls.hpp"

namespace grpc {
class Service;
} // namespace grpc

namespace gv::cluster {

/// Thread-safe. Lifetime: the server must be shut down and core.calls closed before it goes.
class question_calls {
  public:
    explicit question_calls(grpc_core& core);
    ~question_calls();
    question_calls(const question_calls&) = delete;
    question_calls& operator=(const question_calls&) = delete;

    /// Calls of others come by this. Lifetime: as this object.
    [[nodiscard]] grpc::Service& service() noexcept;

    void ask(std::string address, const envelope& question);
    void dial_again(const std::string& address);
    void answer(question_id which, const envelope* answer);

  private:
    class asking;
    class hearing;
    std::unique_ptr<asking> asking_;
    std::unique_ptr<hearing> hearing_;
};

} // namespace gv::cluster
