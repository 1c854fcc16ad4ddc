// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/socket_world.hpp"

#include "tests/conformance/launches.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gv::conformance {
namespace {

int connected_socket(const endpoint& to) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    if (inet_pton(AF_INET, to.host.c_str(), &address.sin_addr) != 1) {
        throw std::runtime_error("not an IPv4 address: " + to.host);
    }
    const int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(made);
        throw std::runtime_error("no broker at " + to.host + ":" + std::to_string(to.port));
    }
    const int on = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return made;
}

} // namespace

socket_world::~socket_world() {
    for (const int socket : sockets_) {
        if (socket >= 0) {
            ::close(socket);
        }
    }
}

peer socket_world::open_at(const endpoint& where) {
    sockets_.push_back(connected_socket(where));
    return peer{sockets_.size() - 1};
}

void socket_world::write(peer to, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = send(socket_of(to), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return; // closed by the broker: read() tells
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

arrival socket_world::read(peer from, std::chrono::milliseconds patience) {
    pollfd ready{.fd = socket_of(from), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(patience.count())) <= 0) {
        return {};
    }
    std::array<char, 65'536> buffer{};
    const auto count = recv(ready.fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) {
        return {.bytes = {}, .is_closed = true};
    }
    return {.bytes = std::string(buffer.data(), static_cast<std::size_t>(count))};
}

void socket_world::cut(peer which) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_of(which), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(socket_of(which));
    sockets_[static_cast<std::size_t>(which)] = -1;
}

void socket_world::advance(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::unique_ptr<world> running_world(const std::string& at, const world_wishes& wishes) {
    if (!wishes.options.empty() || !wishes.files.empty()) {
        return nullptr;
    }
    const auto colon = at.rfind(':');
    if (colon == std::string::npos) {
        throw std::runtime_error("CONFORMANCE_AT is not host:port: " + at);
    }
    return std::make_unique<socket_world>(
        endpoint{.host = at.substr(0, colon),
                 .port = static_cast<std::uint16_t>(std::stoi(at.substr(colon + 1)))});
}

} // namespace

option_values values_of(const world_wishes& wishes, const scratch_folder& folder) {
    option_values values;
    for (const auto& [name, value] : wishes.options.items()) {
        auto text = value.is_string() ? value.get<std::string>() : value.dump();
        for (const auto& [file, contents] : wishes.files.items()) {
            if (text == "{" + file + "}") {
                text = folder.write(file, contents.get<std::string>());
            }
        }
        values[name] = text;
    }
    return values;
}

socket_source::socket_source(std::string program) : program_(std::move(program)) {
    if (const auto other = environment("CONFORMANCE_BROKER"); !other.empty()) {
        program_ = other;
    }
}

std::unique_ptr<world> socket_source::make(const world_wishes& wishes) {
    if (const auto at = environment("CONFORMANCE_AT"); !at.empty()) {
        return running_world(at, wishes);
    }
    if (program_.empty()) {
        return nullptr;
    }
    auto folder = std::make_unique<scratch_folder>();
    const auto options = values_of(wishes, *folder);
    const bool is_mosquitto = std::filesystem::path(program_).filename() == "mosquitto";
    const auto how = is_mosquitto ? mosquitto_launch(program_, options, *folder)
                                  : grapevine_launch(program_, options, folder->path());
    if (!how) {
        return nullptr;
    }
    auto broker = std::make_unique<broker_process>(*how);
    return std::make_unique<socket_world>(std::move(folder), std::move(broker));
}

} // namespace gv::conformance
