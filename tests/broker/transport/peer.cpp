// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/transport/peer.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace gv::transport::testing {

namespace {

class tcp_channel : public channel {
  public:
    explicit tcp_channel(const endpoint& where) {
        sockaddr_storage address;
        const auto size = to_sockaddr(where, address);
        fd_ = unique_fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
            ADD_FAILURE() << "cannot connect to " << where.text() << ": " << std::strerror(errno);
        }
        const int on = 1;
        ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    moved read(std::span<char> into) override {
        return judge(::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT));
    }
    moved write(std::string_view from) override {
        return judge(::send(fd_.get(), from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    void half_close() override { ::shutdown(fd_.get(), SHUT_WR); }
    [[nodiscard]] int fd() const override { return fd_.get(); }

  private:
    static moved judge(ssize_t count) {
        if (count > 0) {
            return {outcome::moved, static_cast<std::size_t>(count)};
        }
        if (count == 0) {
            return {outcome::end, 0};
        }
        return {errno == EAGAIN ? outcome::again : outcome::error, 0};
    }
    unique_fd fd_;
};

class tls_channel final : public channel {
  public:
    tls_channel(const endpoint& where, const tls_client& rules)
        : beneath_(where), context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_security_level(context_, 0);
        SSL_CTX_set_max_proto_version(context_, rules.version_max);
        SSL_CTX_load_verify_locations(context_, rules.ca_file.c_str(), nullptr);
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_mode(context_,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        use(rules);
        ssl_ = SSL_new(context_);
        if (!rules.protocol.empty()) {
            const auto wire =
                std::string(1, static_cast<char>(rules.protocol.size())) + rules.protocol;
            SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
        }
        if (rules.session != nullptr) {
            SSL_set_session(ssl_, rules.session);
            SSL_SESSION_free(rules.session);
        }
        const int flags = ::fcntl(beneath_.fd(), F_GETFL);
        ::fcntl(beneath_.fd(), F_SETFL, flags | O_NONBLOCK);
        SSL_set_fd(ssl_, beneath_.fd());
        SSL_set_connect_state(ssl_);
    }
    ~tls_channel() override {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }
    moved read(std::span<char> into) override {
        ERR_clear_error();
        return judge(SSL_read(ssl_, into.data(), static_cast<int>(into.size())));
    }
    moved write(std::string_view from) override {
        ERR_clear_error();
        return judge(SSL_write(ssl_, from.data(), static_cast<int>(from.size())));
    }
    void half_close() override {
        SSL_shutdown(ssl_);
        beneath_.half_close();
    }
    [[nodiscard]] int fd() const override { return beneath_.fd(); }
    [[nodiscard]] SSL* ssl() const override { return ssl_; }

  private:
    void use(const tls_client& rules) {
        if (!rules.ciphers.empty()) {
            SSL_CTX_set_cipher_list(context_, rules.ciphers.c_str());
        }
        if (rules.max_fragment_length != 0) {
            SSL_CTX_set_tlsext_max_fragment_length(
                context_, static_cast<std::uint8_t>(rules.max_fragment_length));
        }
        if (!rules.certificate.chain_file.empty()) {
            SSL_CTX_use_certificate_file(context_, rules.certificate.chain_file.c_str(),
                                         SSL_FILETYPE_PEM);
            SSL_CTX_use_PrivateKey_file(context_, rules.certificate.key_file.c_str(),
                                        SSL_FILETYPE_PEM);
        }
    }
    moved judge(int code) {
        if (code > 0) {
            return {outcome::moved, static_cast<std::size_t>(code)};
        }
        switch (SSL_get_error(ssl_, code)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return {outcome::again, 0};
        case SSL_ERROR_ZERO_RETURN:
            return {outcome::end, 0};
        default:
            return {outcome::error, 0};
        }
    }

    tcp_channel beneath_;
    SSL_CTX* context_;
    SSL* ssl_ = nullptr;
};

} // namespace

std::unique_ptr<channel> connect_tcp(const endpoint& where) {
    return std::make_unique<tcp_channel>(where);
}

std::unique_ptr<channel> connect_tls(const endpoint& where, const tls_client& rules) {
    return std::make_unique<tls_channel>(where, rules);
}

std::string encode_masked(const frame& what) {
    std::string bytes;
    bytes += static_cast<char>((what.is_last ? 0x80U : 0U) | what.opcode);
    const auto size = what.payload.size();
    if (size < 126) {
        bytes += static_cast<char>(0x80U | size);
    } else if (size < 65'536) {
        bytes += static_cast<char>(0x80U | 126U);
        bytes += static_cast<char>(size >> 8);
        bytes += static_cast<char>(size & 0xff);
    } else {
        bytes += static_cast<char>(0x80U | 127U);
        for (int shift = 56; shift >= 0; shift -= 8) {
            bytes += static_cast<char>((size >> shift) & 0xff);
        }
    }
    constexpr std::string_view mask = "\x12\x34\x56\x78";
    bytes += mask;
    for (std::size_t at = 0; at < size; ++at) {
        bytes += static_cast<char>(what.payload[at] ^ mask[at % 4]);
    }
    return bytes;
}

std::string upgrade_text(std::string_view headers) {
    return "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Version: 13\r\n"
           + std::string(headers) + "\r\n";
}

// peer

bool peer::step() {
    const bool wrote = write_some();
    const bool read = reads_ && read_some();
    if (ends_after_output_ && has_sent_all()) {
        ends_after_output_ = false;
        channel_->half_close();
    }
    return wrote || read;
}

bool peer::write_some() {
    const auto before = sent_;
    while (!has_sent_all()) {
        const auto [what, bytes] = channel_->write(std::string_view(out_).substr(sent_, 65'536));
        if (what != channel::outcome::moved) {
            saw_error_ = saw_error_ || what == channel::outcome::error;
            break;
        }
        sent_ += bytes;
    }
    return sent_ > before;
}

bool peer::read_some() {
    std::array<char, 65'536> bytes;
    bool any = false;
    while (!saw_end_ && !saw_error_) {
        const auto [what, count] = channel_->read(bytes);
        if (what == channel::outcome::again) {
            break;
        }
        any = true;
        saw_end_ = what == channel::outcome::end;
        saw_error_ = what == channel::outcome::error;
        take({bytes.data(), count});
    }
    return any;
}

void peer::end_abruptly() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(channel_->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    // Over the descriptor, so that whoever owns the number may still close it.
    const int nothing = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::dup2(nothing, channel_->fd());
    ::close(nothing);
    saw_error_ = true;
}

// websocket_peer

websocket_peer::websocket_peer(std::unique_ptr<channel> beneath, std::string request)
    : peer(std::move(beneath)) {
    send_raw(request);
}

void websocket_peer::send(std::string_view bytes) {
    send_frame({.opcode = binary_frame, .is_last = true, .payload = std::string(bytes)});
}

void websocket_peer::end_in_order() {
    sent_close_ = true;
    send_frame({.opcode = close_frame, .is_last = true, .payload = std::string("\x03\xe8", 2)});
}

int websocket_peer::close_code() const {
    for (const auto& each : control_) {
        if (each.opcode == close_frame && each.payload.size() >= 2) {
            return (static_cast<unsigned char>(each.payload[0]) << 8)
                   | static_cast<unsigned char>(each.payload[1]);
        }
    }
    return 0;
}

void websocket_peer::take(std::string_view bytes) {
    in_ += bytes;
    if (response_.empty()) {
        const auto end = in_.find("\r\n\r\n");
        if (end == std::string::npos) {
            return;
        }
        response_ = in_.substr(0, end + 4);
        in_.erase(0, end + 4);
        is_open_ = response_.starts_with("HTTP/1.1 101 ");
    }
    if (!is_open_) {
        response_ += std::exchange(in_, {});
    }
    while (is_open_ && take_frame()) {
    }
}

bool websocket_peer::take_frame() {
    const auto byte = [this](std::size_t at) { return static_cast<unsigned char>(in_[at]); };
    if (in_.size() < 2) {
        return false;
    }
    std::size_t size = byte(1) & 0x7fU;
    const std::size_t wide = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (in_.size() < 2 + wide) {
        return false;
    }
    for (std::size_t at = 0; at < wide; ++at) {
        size = (at == 0 ? 0 : size << 8) | byte(2 + at);
    }
    if (in_.size() < 2 + wide + size) {
        return false;
    }
    on_frame({.opcode = byte(0) & 0x0fU,
              .is_last = (byte(0) & 0x80U) != 0,
              .payload = in_.substr(2 + wide, size)});
    in_.erase(0, 2 + wide + size);
    return true;
}

void websocket_peer::on_frame(frame what) {
    if (what.opcode == binary_frame || what.opcode == continuation_frame) {
        received_ += what.payload;
        return;
    }
    if (what.opcode == close_frame && !std::exchange(sent_close_, true)) {
        send_frame(what);
    }
    control_.push_back(std::move(what));
}

// reader

void reader::adopt(stream_ptr stream) {
    of = std::move(stream);
    of->set_handler(*this);
    if (reads) {
        of->wait_readable();
    }
}

void reader::on_readable() {
    ++readable_calls;
    if (reads) {
        read_all();
    }
    if (then) {
        then();
    }
}

void reader::read_all() {
    std::string scratch(read_size, '\0');
    do {
        last = of->read(scratch);
        received.append(scratch, 0, last.bytes);
    } while (!reads_once && last.state == io_state::ok
             && (last.bytes == read_size || of->has_buffered_input()));
    if (!is_over()) {
        of->wait_readable();
    }
}

io_result reader::write(std::string_view bytes) {
    const iovec whole{const_cast<char*>(bytes.data()), bytes.size()};
    return of->write({&whole, 1});
}

// server

server::server(stream_profile what)
    : profile(std::move(what)),
      listener_(context, {.where = parse_endpoint("127.0.0.1", 0).value()}, *this) {
    const auto opened = listener_.open();
    EXPECT_TRUE(opened.has_value());
    listener_.start();
}

server::~server() { accepted.clear(); }

void server::post_to(shard_id, std::vector<accepted_socket> sockets) {
    for (auto& each : sockets) {
        auto& made = *accepted.emplace_back(std::make_unique<reader>());
        if (on_adopt) {
            on_adopt(made);
        }
        made.adopt(make_stream(context, std::move(each), profile));
    }
}

std::unique_ptr<peer> server::connect() {
    switch (profile.kind) {
    case stream_kind::tcp:
        return std::make_unique<peer>(connect_tcp(where()));
    case stream_kind::tls:
        return std::make_unique<peer>(connect_tls(where()));
    case stream_kind::websocket:
    case stream_kind::secure_websocket:
        return connect_websocket();
    }
    return nullptr;
}

std::unique_ptr<websocket_peer> server::connect_websocket(std::string request) {
    const bool is_secure = profile.kind == stream_kind::secure_websocket;
    return std::make_unique<websocket_peer>(is_secure ? connect_tls(where()) : connect_tcp(where()),
                                            std::move(request));
}

bool server::until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        bool moved = false;
        for (auto* each : peers) {
            moved = each->step() || moved;
        }
        moved = context.poll() > 0 || moved;
        if (!moved) {
            context.run_one_for(std::chrono::milliseconds(1));
        }
        if (context.stopped()) {
            context.restart();
        }
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
    }
    return true;
}

reader& server::establish(peer& client) {
    peers.push_back(&client);
    const auto before = accepted.size();
    client.send("hello");
    EXPECT_TRUE(until([&] {
        return accepted.size() > before && accepted.back()->received == "hello";
    })) << "no connection: "
        << (accepted.empty() ? std::string("none") : accepted.back()->of->failure_text());
    accepted.back()->received.clear();
    return *accepted.back();
}

stream_profile profile_of(stream_kind kind) {
    static const auto context = load_or_fail(server_options());
    return {.kind = kind, .tls = context, .websocket = std::make_shared<const websocket_options>()};
}

} // namespace gv::transport::testing
