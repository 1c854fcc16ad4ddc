// SPDX-License-Identifier: Apache-2.0
// Reads the persistence file of Mosquitto, mosquitto.db, in its versions 5 (Mosquitto 1.6) and 6
// (2.0 and later). Pure: bytes in, records out, in the order of the file.
//
//   file    := magic(15) checksum(4, unused) version(4) chunk*
//   chunk   := kind(4) size(4) body(size)
//   1 configuration  := last id(8*) shutdown(1) size of an id(1) padding
//   2 message        := id(8*) expires(8*) payload size(4) packet id(2) publisher size(2)
//                       username size(2) topic size(2) port(2) QoS(1) retain(1)
//                       publisher username topic payload properties
//   3 client message := message id(8*) packet id(2) client id size(2) QoS(1) state(1)
//                       retain and dup(1) direction(1) client id properties
//   4 retained       := message id(8*)
//   5 subscription   := identifier(4) client id size(2) filter size(2) QoS(1) options(1)
//                       padding(2) client id filter
//   6 client         := expires(8*) expiry interval(4) last packet id(2) client id size(2)
//                       [version 6: port(2) username size(2) padding] client id [username]
//
// Integers are big-endian but for those with a star, which are as the machine had them: a file of a
// machine of the other byte order is told by its times. Times are seconds since 1970. Properties
// are those of MQTT 5, after their length. Padding is what the machine's compiler made of it:
// 32-bit x86 has less of it, which shows in the size of the configuration.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string_view>

namespace gv::storage {

struct mosquitto_header {
    std::uint32_t version = 0;
    bool is_final = false; ///< written when the broker ended, not while it ran
};

struct mosquitto_message {
    std::uint64_t id = 0;
    std::int64_t expires = 0; ///< 0: never
    std::uint8_t quality = 0; ///< 0 to 2
    bool retain = false;
    std::string_view publisher;
    std::string_view topic;
    std::string_view payload;
    std::string_view properties; ///< not checked
};

/// A message on its way to a client or from it.
struct mosquitto_delivery {
    enum class direction : std::uint8_t { from_client, to_client };
    /// How far one to a client has got.
    enum class state : std::uint8_t {
        unknown,  ///< none that one to a client can have
        sent,     ///< its PUBACK or PUBREC has not come
        released, ///< its PUBCOMP has not come
        queued    ///< not sent yet
    };
    std::string_view client_id;
    std::uint64_t message = 0;
    std::uint16_t packet_id = 0;
    std::uint8_t quality = 0;
    std::uint8_t raw_state = 0; ///< as in the file
    state progress = state::unknown;
    direction way = direction::to_client;
    bool retain = false;
    std::string_view properties; ///< not checked
};

struct mosquitto_subscription {
    std::string_view client_id;
    std::string_view filter;
    std::uint32_t identifier = 0;
    std::uint8_t quality = 0;
    bool no_local = false;
    bool retain_as_published = false;
};

struct mosquitto_client {
    std::string_view client_id;
    std::string_view username;        ///< empty: none, or of version 5
    std::uint32_t expiry_seconds = 0; ///< all ones: never
    std::int64_t expires = 0;         ///< 0: never, or the client was connected
};

/// Takes what is read. Lifetime: views are into the bytes that are read.
class mosquitto_reader {
  public:
    virtual void on_header(const mosquitto_header& what) = 0;
    virtual void on_message(const mosquitto_message& what) = 0;
    virtual void on_client(const mosquitto_client& what) = 0;
    virtual void on_delivery(const mosquitto_delivery& what) = 0;
    virtual void on_subscription(const mosquitto_subscription& what) = 0;
    virtual void on_retained(std::uint64_t message) = 0;
    /// A chunk of a kind that no known version has.
    virtual void on_unknown(std::uint32_t kind) = 0;

  protected:
    ~mosquitto_reader() = default;
};

/// Whether the file begins as Mosquitto's does.
[[nodiscard]] bool is_mosquitto_db(std::string_view bytes) noexcept;

/// Reads all of it. Errors: a problem with the place in `name`, what is wrong there, and what to
/// do; what stands before it has been given to `to`. A file that ends between two chunks cannot be
/// told from a whole one.
[[nodiscard]] result<void, problem> read_mosquitto_db(std::string_view bytes, std::string_view name,
                                                      mosquitto_reader& to);

} // namespace gv::storage
