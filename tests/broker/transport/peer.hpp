// SPDX-License-Identifier: Apache-2.0
// The other side of a stream, and a server around the stream: both in one thread, both
// non-blocking, moved on in turn by server::until().
#pragma once

#include "broker/transport/listener.hpp"
#include "broker/transport/make_stream.hpp"
#include "tests/broker/transport/certificates.hpp"

#include <boost/asio/io_context.hpp>

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::transport::testing {

/// Bytes to and from the listener, by TCP or TLS.
class channel {
  public:
    enum class outcome { moved, again, end, error };
    struct moved {
        outcome what;
        std::size_t bytes;
    };

    virtual ~channel() = default;
    virtual moved read(std::span<char> into) = 0;
    virtual moved write(std::string_view from) = 0;
    /// No more output; the other direction goes on.
    virtual void half_close() = 0;
    [[nodiscard]] virtual int fd() const = 0;
    [[nodiscard]] virtual SSL* ssl() const { return nullptr; }
};

std::unique_ptr<channel> connect_tcp(const endpoint& where);

/// Rules of a TLS client. Trusts shared_authority() unless told otherwise.
struct tls_client {
    std::string ca_file = shared_authority().ca_file();
    tls_certificate certificate{};
    int version_max = TLS1_3_VERSION;
    std::string ciphers{};
    std::string protocol{}; ///< ALPN
    int max_fragment_length = 0;
    SSL_SESSION* session = nullptr; ///< to resume; taken
};
std::unique_ptr<channel> connect_tls(const endpoint& where, const tls_client& rules = {});

/// A WebSocket client's way of framing, on any channel.
struct frame {
    unsigned opcode;
    bool is_last;
    std::string payload;
};
inline constexpr unsigned continuation_frame = 0;
inline constexpr unsigned text_frame = 1;
inline constexpr unsigned binary_frame = 2;
inline constexpr unsigned close_frame = 8;
inline constexpr unsigned ping_frame = 9;
inline constexpr unsigned pong_frame = 10;
std::string encode_masked(const frame& what);
std::string upgrade_text(std::string_view headers = "Sec-WebSocket-Protocol: mqtt\r\n");

/// What a test talks with. Application bytes go in and come out whatever is beneath.
class peer {
  public:
    explicit peer(std::unique_ptr<channel> beneath) : channel_(std::move(beneath)) {}
    virtual ~peer() = default;

    /// Moves whatever can be moved now; true if something did.
    bool step();
    virtual void send(std::string_view bytes) { out_ += bytes; }
    /// As the protocol wants it, after all that was sent.
    virtual void end_in_order() { ends_after_output_ = true; }
    /// With a reset.
    void end_abruptly();
    void pause_reading(bool paused) { reads_ = !paused; }
    void send_raw(std::string_view bytes) { out_ += bytes; }

    [[nodiscard]] const std::string& received() const { return received_; }
    [[nodiscard]] bool has_sent_all() const { return sent_ == out_.size(); }
    /// FIN, close_notify, or a reset seen.
    [[nodiscard]] bool has_seen_end() const { return saw_end_; }
    [[nodiscard]] bool has_seen_error() const { return saw_error_; }
    [[nodiscard]] channel& beneath() { return *channel_; }

  protected:
    virtual void take(std::string_view bytes) { received_ += bytes; }
    std::string received_;

  private:
    bool write_some();
    bool read_some();

    std::unique_ptr<channel> channel_;
    std::string out_; ///< all that there ever was to send
    std::size_t sent_ = 0;
    bool reads_ = true;
    bool ends_after_output_ = false;
    bool saw_end_ = false;
    bool saw_error_ = false;
};

class websocket_peer final : public peer {
  public:
    explicit websocket_peer(std::unique_ptr<channel> beneath, std::string request = upgrade_text());
    void send(std::string_view bytes) override;
    void end_in_order() override;
    void send_frame(const frame& what) { send_raw(encode_masked(what)); }

    [[nodiscard]] const std::string& response() const { return response_; }
    [[nodiscard]] bool is_open() const { return is_open_; }
    /// Frames that carry no binary data, as they came.
    [[nodiscard]] const std::vector<frame>& control() const { return control_; }
    [[nodiscard]] int close_code() const;

  private:
    void take(std::string_view bytes) override;
    bool take_frame();
    void on_frame(frame what);

    std::string in_;
    std::string response_;
    std::vector<frame> control_;
    bool is_open_ = false;
    bool sent_close_ = false;
};

/// Our end of one connection: reads all it can, or nothing, and remembers how it ended.
class reader final : public readiness_handler {
  public:
    void adopt(stream_ptr of);
    void on_readable() override;
    void on_writable() override { ++writable_calls; }
    void read_all();
    /// Starts to write `bytes` and goes on in on_writable of server::until.
    io_result write(std::string_view bytes);

    stream_ptr of;
    std::string received;
    io_result last;
    std::size_t read_size = 64 * 1024;
    bool reads = true;
    bool reads_once = false; ///< one read a turn, however full
    int readable_calls = 0;
    int writable_calls = 0;
    std::function<void()> then; ///< after each on_readable

    [[nodiscard]] bool is_over() const {
        return last.state == io_state::closed || last.state == io_state::failed;
    }
};

/// A listener on 127.0.0.1 and the connections it accepted.
class server : public accept_handler {
  public:
    explicit server(stream_profile profile);
    ~server();

    shard_id choose_shard() override { return shard_id{0}; }
    void post_to(shard_id, std::vector<accepted_socket> sockets) override;
    void on_accept_paused(boost::system::error_code, std::chrono::milliseconds) override {}
    void on_accepting_again() override {}

    [[nodiscard]] endpoint where() const { return listener_.local(); }
    [[nodiscard]] std::unique_ptr<peer> connect();
    [[nodiscard]] std::unique_ptr<websocket_peer>
    connect_websocket(std::string request = upgrade_text());

    /// Moves everything on until `condition`; false after ten seconds.
    [[nodiscard]] bool until(const std::function<bool()>& condition);
    /// A client and our side of it, past every handshake.
    [[nodiscard]] reader& establish(peer& client);

    boost::asio::io_context context{1};
    stream_profile profile;
    std::vector<std::unique_ptr<reader>> accepted;
    std::vector<peer*> peers;
    std::function<void(reader&)> on_adopt; ///< before the first wait

  private:
    listener listener_;
};

stream_profile profile_of(stream_kind kind);

} // namespace gv::transport::testing
