// SPDX-License-Identifier: Apache-2.0
#include "broker/admin/admin_server.hpp"

#include "base/log.hpp"
#include "base/thread_name.hpp"
#include "broker/admin/metrics_endpoint.hpp"
#include "broker/transport/listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <thread>

namespace gv::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

using request = http::request<http::empty_body>;
using response = http::response<http::string_body>;

constexpr std::string_view plain_text = "text/plain; charset=utf-8";

const auto to_tuple = asio::as_tuple(asio::use_awaitable);

response make_response(http::status status, std::string body, std::string_view type = plain_text) {
    response made(status, 11);
    made.set(http::field::content_type, beast::string_view(type.data(), type.size()));
    made.set(http::field::cache_control, "no-store");
    made.body() = std::move(body);
    made.prepare_payload();
    return made;
}

response readiness_response(readiness now) {
    switch (now) {
    case readiness::serving:
        return make_response(http::status::ok, "ready\n");
    case readiness::starting:
        return make_response(http::status::service_unavailable,
                             "starting: the listeners are not open yet\n");
    case readiness::not_storing:
        return make_response(http::status::service_unavailable,
                             "the store cannot be written to: see store_frozen in the log\n");
    case readiness::stopping:
        return make_response(http::status::service_unavailable, "the broker is shutting down\n");
    }
    return make_response(http::status::internal_server_error, "unknown\n");
}

response method_response() {
    response made = make_response(http::status::method_not_allowed, "only GET and HEAD\n");
    made.set(http::field::allow, "GET, HEAD");
    return made;
}

/// What a request that could not be read is answered with before the connection is closed.
response error_response(const beast::error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return make_response(http::status::request_header_fields_too_large,
                             "the request is too long\n");
    }
    return make_response(http::status::bad_request,
                         "no request that is understood here: " + error.message() + "\n");
}

/// The peer is still there to be told.
bool is_answerable(const beast::error_code& error) {
    return error.category() == http::make_error_code(http::error::bad_method).category()
           && error != http::error::end_of_stream && error != http::error::partial_message;
}

std::string_view path_of(const request& asked) {
    const std::string_view target(asked.target().data(), asked.target().size());
    return target.substr(0, target.find('?'));
}

} // namespace

class admin_server::core final : private transport::accept_handler {
  public:
    core(const admin_server_options& options, admin_source& source)
        : options_(options), source_(source),
          listener_(context_, {.where = options.where, .backlog = 128}, *this) {}
    ~core() { stop(); }
    core(const core&) = delete;
    core& operator=(const core&) = delete;

    [[nodiscard]] result<void, problem> open() { return listener_.open(); }
    [[nodiscard]] transport::endpoint local() const { return listener_.local(); }

    void start() {
        listener_.start();
        thread_ = std::thread([this] {
            name_this_thread("admin");
            context_.run();
        });
    }

    void stop() {
        context_.stop();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

  private:
    /// Counts a connection for as long as its coroutine lives.
    class place {
      public:
        explicit place(std::size_t& taken) : taken_(&taken) { ++taken; }
        place(place&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
        place& operator=(place&&) = delete;
        ~place() {
            if (taken_ != nullptr) {
                --*taken_;
            }
        }

      private:
        std::size_t* taken_;
    };
    /// A wait for something that happens on other threads.
    struct bell {
        explicit bell(asio::io_context& context) : limit(context) {}
        asio::steady_timer limit;
        bool has_rung = false;
    };

    // transport::accept_handler
    [[nodiscard]] shard_id choose_shard() override { return shard_id{0}; }
    void post_to(shard_id, std::vector<transport::accepted_socket> sockets) override {
        for (transport::accepted_socket& each : sockets) {
            admit(std::move(each));
        }
    }
    void on_accept_paused(boost::system::error_code why, std::chrono::milliseconds) override {
        log::warn("admin_accepting_paused", {{"error", why.message()}});
    }
    void on_accepting_again() override {}

    void admit(transport::accepted_socket accepted) {
        if (open_ >= options_.connections_max) {
            log::warn("admin_connection_refused",
                      {{"from", accepted.peer.text()}, {"why", "too many connections"}});
            return;
        }
        beast::tcp_stream stream(context_);
        const auto family = accepted.peer.kind == transport::endpoint::family::v6
                                ? asio::ip::tcp::v6()
                                : asio::ip::tcp::v4();
        beast::error_code failed;
        stream.socket().assign(family, accepted.fd.get(), failed);
        if (!failed) {
            static_cast<void>(accepted.fd.release()); // it is the stream's now
            asio::co_spawn(context_, serve(std::move(stream), place(open_)), asio::detached);
        }
    }

    // One request after the other, until the peer has had enough or breaks a rule.
    asio::awaitable<void> serve(beast::tcp_stream stream, place) {
        beast::flat_buffer buffer(options_.request_bytes_max);
        bool goes_on = true;
        while (goes_on) {
            http::request_parser<http::empty_body> parser;
            parser.header_limit(options_.request_bytes_max);
            stream.expires_after(options_.idle_max);
            const auto [error, size] = co_await http::async_read(stream, buffer, parser, to_tuple);
            if (error && !is_answerable(error)) {
                co_return;
            }
            response answered;
            if (error) {
                answered = error_response(error);
                answered.keep_alive(false);
            } else {
                answered = co_await answer(parser.get());
                answered.keep_alive(parser.get().keep_alive());
            }
            goes_on = answered.keep_alive();
            stream.expires_after(options_.idle_max);
            const auto [failed, sent] = co_await http::async_write(stream, answered, to_tuple);
            goes_on = goes_on && !failed;
        }
        beast::error_code ignored;
        stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }

    asio::awaitable<response> answer(const request& asked) {
        const bool is_head = asked.method() == http::verb::head;
        response made;
        if (asked.method() != http::verb::get && !is_head) {
            made = method_response();
        } else {
            made = co_await page(path_of(asked));
        }
        if (is_head) {
            const std::size_t size = made.body().size();
            made.body().clear();
            made.content_length(size);
        }
        co_return made;
    }

    asio::awaitable<response> page(std::string_view path) {
        if (path == "/metrics") {
            static_cast<void>(co_await shards_answer());
            co_return make_response(http::status::ok, metrics_text(source_.metrics()),
                                    metrics_content_type);
        }
        if (path == "/readyz") {
            co_return readiness_response(source_.state());
        }
        if (path == "/livez") {
            // Shards that have ended on purpose answer no more.
            const bool is_alive =
                source_.state() == readiness::stopping || co_await shards_answer();
            co_return is_alive
                ? make_response(http::status::ok, "alive\n")
                : make_response(http::status::service_unavailable, "a shard does not answer\n");
        }
        co_return make_response(http::status::not_found,
                                "there are /metrics, /livez and /readyz\n");
    }

    // Whether all shards answered in time. Who answers late finds nobody waiting.
    asio::awaitable<bool> shards_answer() {
        auto waiting = std::make_shared<bell>(context_);
        waiting->limit.expires_after(options_.patience);
        source_.refresh([this, late = std::weak_ptr(waiting)] {
            asio::post(context_, [late] {
                if (const auto there = late.lock()) {
                    there->has_rung = true;
                    there->limit.cancel();
                }
            });
        });
        static_cast<void>(co_await waiting->limit.async_wait(to_tuple));
        co_return waiting->has_rung;
    }

    admin_server_options options_;
    admin_source& source_;
    std::size_t open_ = 0; // before the context, whose end ends the coroutines that count here
    asio::io_context context_{1};
    transport::listener listener_;
    std::thread thread_;
};

admin_server::admin_server(const admin_server_options& options, admin_source& source)
    : core_(std::make_unique<core>(options, source)) {}

admin_server::~admin_server() = default;

result<void, problem> admin_server::open() { return core_->open(); }

void admin_server::start() { core_->start(); }

void admin_server::stop() { core_->stop(); }

transport::endpoint admin_server::local() const { return core_->local(); }

} // namespace gv::admin
