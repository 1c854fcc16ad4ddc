// SPDX-License-Identifier: Apache-2.0
// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), so that cases can log in by AUTH. Shares
// no code with the broker's.
#pragma once

#include <string>

namespace gv::conformance {

class scram_client {
  public:
    scram_client(std::string username, std::string password)
        : username_(std::move(username)), password_(std::move(password)) {}

    /// "n,,n=user,r=nonce": authentication data of CONNECT, or of an AUTH that asks again.
    [[nodiscard]] std::string first() const;
    /// The answer to the server's first message.
    /// Errors: wire_error if that is not one.
    [[nodiscard]] std::string final(const std::string& server_first);
    /// The server's last message that proves it knows the password; valid after final().
    [[nodiscard]] const std::string& expected_end() const { return expected_end_; }

  private:
    std::string username_;
    std::string password_;
    std::string expected_end_;
};

} // namespace gv::conformance
