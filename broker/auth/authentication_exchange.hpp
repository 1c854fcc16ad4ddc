// SPDX-License-Identifier: Apache-2.0
// The seam for enhanced authentication (MQTT 5, 4.12): a method named in CONNECT, and an exchange
// of AUTH packets until the method is content. An exchange is a pure state machine, shard-local;
// a method is immutable and makes exchanges.
//
//   packet received              call        step       answer
//   CONNECT with method          start(data) proceed    AUTH 0x18, step.data
//   AUTH 0x18                    next(data)  success    CONNACK 0x00 (re-authentication: AUTH 0x00)
//   AUTH 0x19 (re-authenticate)  start(data) failure    CONNACK / DISCONNECT 0x87, and close
#pragma once

#include "broker/auth/authenticator.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::auth {

enum class exchange_state : std::uint8_t { proceed, success, failure };

/// What the server does after a message of the client.
struct exchange_step {
    exchange_state state = exchange_state::failure;
    std::string data; ///< Authentication Data to send with proceed and success
    identity who;     ///< with success
    std::string rule; ///< with success and failure: what decided; for the log, never sent
};

/// One run of a method with one client. After success or failure it is not called again.
class authentication_exchange {
  public:
    virtual ~authentication_exchange() = default;
    authentication_exchange() = default;
    authentication_exchange(const authentication_exchange&) = delete;
    authentication_exchange& operator=(const authentication_exchange&) = delete;

    /// Takes the Authentication Data of CONNECT or of a re-authenticating AUTH; empty if it had
    /// none.
    [[nodiscard]] virtual exchange_step start(std::string_view data) = 0;
    /// Takes the Authentication Data of an AUTH that continues.
    [[nodiscard]] virtual exchange_step next(std::string_view data) = 0;
};

/// What an exchange is bound to.
struct exchange_context {
    /// Re-authentication: whom the connection already belongs to. Success as anybody else fails;
    /// so an anonymous connection, whose identity has no username, cannot re-authenticate.
    std::optional<identity> bound_to;
};

/// A method by its name, as in the Authentication Method property. Thread-safe.
class authentication_method {
  public:
    virtual ~authentication_method() = default;
    authentication_method() = default;
    authentication_method(const authentication_method&) = delete;
    authentication_method& operator=(const authentication_method&) = delete;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// Lifetime: the exchange may outlive the method.
    [[nodiscard]] virtual std::unique_ptr<authentication_exchange>
    begin(exchange_context context) const = 0;
};

/// The methods a listener offers.
class authentication_methods {
  public:
    authentication_methods() = default;
    explicit authentication_methods(
        std::vector<std::shared_ptr<const authentication_method>> offered)
        : offered_(std::move(offered)) {}

    /// Null if there is none of that name: CONNACK 0x8C. Names are compared byte by byte.
    [[nodiscard]] const authentication_method* find(std::string_view name) const noexcept;

  private:
    std::vector<std::shared_ptr<const authentication_method>> offered_;
};

} // namespace gv::auth
