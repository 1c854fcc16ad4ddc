// SPDX-License-Identifier: Apache-2.0
#include "broker/server/dns.hpp"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace gv::server {

namespace {

/// A server that is silent is asked again after this, and then left.
constexpr int wait_seconds = 2;
constexpr int tries = 2;
constexpr std::size_t answer_bytes_max = 65'535;

using answer_text = result<std::vector<srv_target>, std::string>;

void be_brief(struct __res_state& with) {
    with.retrans = wait_seconds;
    with.retry = tries;
}

/// What /etc/resolv.conf says now.
class resolver_state {
  public:
    resolver_state() : is_open_(::res_ninit(&state_) == 0) { be_brief(state_); }
    ~resolver_state() {
        if (is_open_) {
            ::res_nclose(&state_);
        }
    }
    resolver_state(const resolver_state&) = delete;
    resolver_state& operator=(const resolver_state&) = delete;
    [[nodiscard]] struct __res_state* get() noexcept { return &state_; }

  private:
    struct __res_state state_{};
    bool is_open_;
};

[[nodiscard]] std::string text_of(int error) {
    switch (error) {
    case HOST_NOT_FOUND:
        return "DNS knows no such name";
    case NO_DATA:
        return "DNS knows no service of that name";
    case TRY_AGAIN:
        return "DNS does not answer, or is not able to";
    default:
        return "DNS fails";
    }
}

[[nodiscard]] std::string name_in(const ns_msg& message, const unsigned char* at) {
    char text[NS_MAXDNAME] = {};
    return ::ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), at, text, sizeof text)
                   < 0
               ? std::string()
               : text;
}

} // namespace

answer_text parse_srv_answer(std::span<const unsigned char> answer) {
    constexpr int fixed_bytes = 6; // priority, weight and port, before the target
    ns_msg message;
    if (answer.size() > answer_bytes_max
        || ::ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) != 0) {
        return failure(std::string("the answer of DNS cannot be read"));
    }
    std::vector<srv_target> targets;
    for (int at = 0; at < ns_msg_count(message, ns_s_an) && targets.size() < srv_targets_max;
         ++at) {
        ns_rr row;
        if (::ns_parserr(&message, ns_s_an, at, &row) != 0) {
            return failure(std::string("the answer of DNS cannot be read"));
        }
        if (ns_rr_type(row) != ns_t_srv || ns_rr_rdlen(row) <= fixed_bytes) {
            continue; // such as the CNAME by which it was found
        }
        const unsigned char* const data = ns_rr_rdata(row);
        srv_target found{.host = name_in(message, data + fixed_bytes),
                         .port = static_cast<std::uint16_t>(data[4] << 8 | data[5])};
        // "." says that there is no such service.
        if (!found.host.empty() && found.host != "." && found.port != 0) {
            targets.push_back(std::move(found));
        }
    }
    if (targets.empty()) {
        return failure(text_of(NO_DATA));
    }
    return targets;
}

answer_text look_up_srv(const std::string& name) {
    resolver_state with;
    std::vector<unsigned char> answer(answer_bytes_max);
    const int size = ::res_nsearch(with.get(), name.c_str(), ns_c_in, ns_t_srv, answer.data(),
                                   static_cast<int>(answer.size()));
    if (size < 0) {
        return failure(text_of(with.get()->res_h_errno));
    }
    answer.resize(std::min(static_cast<std::size_t>(size), answer.size()));
    return parse_srv_answer(answer);
}

// getaddrinfo() takes the state of its thread.
result<std::vector<boost::asio::ip::tcp::endpoint>, std::string>
look_up_host(const std::string& host, std::uint16_t port) {
    if (::res_init() == 0) {
        be_brief(_res);
    }
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &first); error != 0) {
        return failure(std::string(::gai_strerror(error)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(first, &::freeaddrinfo);
    std::vector<boost::asio::ip::tcp::endpoint> found;
    for (const addrinfo* each = first; each != nullptr; each = each->ai_next) {
        boost::asio::ip::tcp::endpoint where;
        if (each->ai_addrlen > where.capacity()) {
            continue;
        }
        std::memcpy(where.data(), each->ai_addr, each->ai_addrlen);
        where.resize(each->ai_addrlen);
        where.port(port);
        if (std::ranges::find(found, where) == found.end()) {
            found.push_back(where);
        }
    }
    return found;
}

} // namespace gv::server
