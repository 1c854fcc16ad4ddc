// SPDX-License-Identifier: Apache-2.0
// The seam between the conformance cases and the broker they are run against. A world is one
// broker with nothing in it yet, and the connections a case opens to it.
//
// socket_world (socket_world.hpp) runs a broker process and speaks TCP to it, cluster_world
// (cluster_world.hpp) two that are one cluster. pure_world (pure_world.hpp) has shards in this
// process on a virtual clock. All register the same cases with register_cases() (suite.hpp).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace gv::conformance {

/// A connection, counted from 0 in the order of opening; never reused.
enum class peer : std::size_t {};

struct arrival {
    std::string bytes;
    bool is_closed = false; ///< the broker has closed and `bytes` is the last there will be
};

/// One broker, fresh. Destroying it ends the broker.
class world {
  public:
    virtual ~world() = default;

    /// Opens a network connection to the broker, for that client of the case.
    virtual peer open(std::string_view client) = 0;

    /// Hands bytes to the broker as they would arrive in one segment. Writing to a connection that
    /// the broker has closed is allowed and goes nowhere.
    virtual void write(peer to, std::string_view bytes) = 0;

    /// Takes what the broker has sent since the last call. In real time this waits until there is
    /// something, the connection is closed, or `patience` is over. In virtual time it lets the
    /// broker work until it rests, without moving the clock, and does not wait.
    virtual arrival read(peer from, std::chrono::milliseconds patience) = 0;

    /// The connection breaks: the broker sees it reset, without DISCONNECT.
    virtual void cut(peer which) = 0;

    /// Time passes. Virtual: the clock moves in steps no longer than the broker's next deadline, so
    /// that what falls due happens in order. Real: waits.
    virtual void advance(std::chrono::milliseconds time) = 0;

    /// True if everything written has been handled and all that follows from it can be read now.
    /// False if this world cannot know; the script then finds out with PINGREQ and PINGRESP.
    virtual bool settle() = 0;

    /// To be called when settle() was false and PINGRESP has come: what was handled then has
    /// arrived wherever in the broker it must go.
    virtual void carry() {}
};

/// A fresh world with the case's options ("section.name" to value) and files (name to text;
/// "{name}" in an option's value is the file's path). Null if this kind of world cannot offer them:
/// the case is then skipped.
struct world_wishes {
    const nlohmann::json& options;
    const nlohmann::json& files;
    const nlohmann::json& steps; ///< for a world where it matters who the clients are
};
class world_source {
  public:
    virtual ~world_source() = default;
    virtual std::unique_ptr<world> make(const world_wishes& wishes) = 0;
};

} // namespace gv::conformance
