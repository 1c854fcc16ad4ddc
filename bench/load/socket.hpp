// SPDX-License-Identifier: Apache-2.0
// Sockets to the broker: where they go, where they come from, and their end.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <utility>

namespace gv::load {

/// Owns a descriptor.
class unique_socket {
  public:
    unique_socket() = default;
    explicit unique_socket(int descriptor) noexcept : descriptor_(descriptor) {}
    unique_socket(unique_socket&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)) {}
    unique_socket& operator=(unique_socket&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~unique_socket();

    [[nodiscard]] int get() const noexcept { return descriptor_; }

  private:
    int descriptor_ = -1;
};

/// The broker's address.
class broker_address {
  public:
    /// `host` is a name or an IPv4 address. Errors: throws std::runtime_error if it is unknown.
    broker_address(const std::string& host, std::uint16_t port);

    /// Starts the connection number `index`; it may complete later. From 5,000 on, connections to
    /// 127.x.x.x come from 127.0.0.2 and so forth: a source has 28,000 ports, and once half of them
    /// are taken the kernel searches a millisecond for each further one.
    /// Errors: throws std::system_error.
    [[nodiscard]] unique_socket start_connect(unsigned index) const;
    /// As above, and waits until the connection stands.
    [[nodiscard]] unique_socket connect(unsigned index) const;

  private:
    sockaddr_in target_{};
};

/// The error of a connection that was started, 0 if it stands.
[[nodiscard]] int connect_error(int socket) noexcept;

/// Errors: throws std::runtime_error if `wanted` descriptors are more than the process may open.
void require_descriptors(unsigned wanted);

} // namespace gv::load
