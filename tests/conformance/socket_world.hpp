// SPDX-License-Identifier: Apache-2.0
// The cases against a running broker over TCP, in real time. Which broker, from the environment:
//
//   CONFORMANCE_BROKER=path        a program to start for each case. If its name is "mosquitto" it
//                                  is driven as Mosquitto 2 (to learn whether the cases are sane),
//                                  else as Grapevine. The build sets the default.
//   CONFORMANCE_AT=host:port       a broker that runs already, an IPv4 address; cases that wish for
//                                  options are skipped
//   CONFORMANCE_OPTIONAL_ANSWERS=1 a close needs no reason where the specification asks for none
//   CONFORMANCE_PATIENCE_MS=3000   how long an answer may take
#pragma once

#include "tests/conformance/broker_process.hpp"
#include "tests/conformance/world.hpp"

#include <string>
#include <vector>

namespace gv::conformance {

struct endpoint {
    std::string host = "127.0.0.1"; ///< an IPv4 address
    std::uint16_t port = 0;
};

/// Connections to a broker that runs, in real time.
class socket_world : public world {
  public:
    explicit socket_world(endpoint at) : at_(std::move(at)) {}
    socket_world(std::unique_ptr<scratch_folder> folder, std::unique_ptr<broker_process> broker)
        : at_{.port = broker->port()}, folder_(std::move(folder)), broker_(std::move(broker)) {}
    ~socket_world() override;
    socket_world(const socket_world&) = delete;
    socket_world& operator=(const socket_world&) = delete;

    peer open(std::string_view) override { return open_at(at_); }
    void write(peer to, std::string_view bytes) override;
    arrival read(peer from, std::chrono::milliseconds patience) override;
    void cut(peer which) override;
    void advance(std::chrono::milliseconds time) override;
    bool settle() override { return false; }

  protected:
    socket_world() = default;
    peer open_at(const endpoint& where);

  private:
    [[nodiscard]] int socket_of(peer which) const {
        return sockets_.at(static_cast<std::size_t>(which));
    }

    endpoint at_;
    std::unique_ptr<scratch_folder> folder_;
    std::unique_ptr<broker_process> broker_;
    std::vector<int> sockets_;
};

/// Options as text, with "{file}" replaced by the path of that file of the case.
[[nodiscard]] option_values values_of(const world_wishes& wishes, const scratch_folder& folder);

class socket_source : public world_source {
  public:
    /// `program` is started where the environment names no broker; empty: every case is skipped.
    explicit socket_source(std::string program);
    std::unique_ptr<world> make(const world_wishes& wishes) override;

  private:
    std::string program_;
};

} // namespace gv::conformance
