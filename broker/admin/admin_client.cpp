// SPDX-License-Identifier: Apache-2.0
#include "broker/admin/admin_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <cstring>

namespace gv::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

const auto to_tuple = asio::as_tuple(asio::use_awaitable);

struct exchange {
    tcp::endpoint where;
    http::request<http::empty_body> asked;
    http::response<http::string_body> answered;
    beast::error_code error;
};

tcp::endpoint to_asio(const transport::endpoint& from) {
    sockaddr_storage address{};
    const socklen_t size = transport::to_sockaddr(from, address);
    tcp::endpoint made;
    std::memcpy(made.data(), &address, size);
    made.resize(size);
    return made;
}

// The stream has a deadline for all three together.
asio::awaitable<void> perform(beast::tcp_stream& stream, exchange& one) {
    const auto [refused] = co_await stream.async_connect(one.where, to_tuple);
    one.error = refused;
    if (!one.error) {
        const auto [failed, sent] = co_await http::async_write(stream, one.asked, to_tuple);
        one.error = failed;
    }
    if (!one.error) {
        beast::flat_buffer buffer;
        const auto [failed, size] =
            co_await http::async_read(stream, buffer, one.answered, to_tuple);
        one.error = failed;
    }
}

} // namespace

result<admin_answer, problem> ask_admin(const transport::endpoint& where, std::string_view path,
                                        std::chrono::milliseconds patience) {
    exchange one;
    one.where = to_asio(where);
    one.asked = {http::verb::get, beast::string_view(path.data(), path.size()), 11};
    one.asked.set(http::field::host, where.text());
    one.asked.keep_alive(false);

    asio::io_context context(1);
    beast::tcp_stream stream(context);
    stream.expires_after(patience);
    asio::co_spawn(context, perform(stream, one), asio::detached);
    context.run();
    if (one.error) {
        return failure(problem{.place = where.text(),
                               .what = "no answer: " + one.error.message(),
                               .remedy = "is the broker running, and its admin port there?"});
    }
    return admin_answer{.status = one.answered.result_int(),
                        .text = std::move(one.answered.body())};
}

} // namespace gv::admin
