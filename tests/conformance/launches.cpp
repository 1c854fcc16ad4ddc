// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/launches.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace gv::conformance {
namespace {

const std::map<std::string, std::string>& mosquitto_words() {
    static const std::map<std::string, std::string> words{
        {"mqtt.packet_size_max", "max_packet_size"},
        {"mqtt.keep_alive_max", "max_keepalive"},
        {"mqtt.qos_max", "max_qos"},
        {"mqtt.retain_available", "retain_available"},
        {"mqtt.receive_maximum", "max_inflight_messages"},
        {"mqtt.topic_alias_max_in", "max_topic_alias"},
        {"auth.password_file", "password_file"},
        {"auth.acl_file", "acl_file"},
        {"auth.allow_anonymous", "allow_anonymous"},
    };
    return words;
}

} // namespace

std::uint16_t free_port() {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool is_bound = bind(probe, reinterpret_cast<const sockaddr*>(&address), size) == 0
                          && getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(probe);
    if (!is_bound) {
        throw std::runtime_error("no free port on 127.0.0.1");
    }
    return ntohs(address.sin_port);
}

launch grapevine_launch(const std::string& program, const option_values& options,
                        const std::filesystem::path& folder) {
    launch how;
    how.output = folder / "output.log";
    how.ports_file = folder / "ports";
    how.command = {program,
                   "-p",
                   "0",
                   "--ports-file",
                   how.ports_file.string(),
                   "--admin.port",
                   "0",
                   "--storage.folder",
                   (folder / "store").string()};
    for (const auto& [name, value] : options) {
        how.command.push_back("--" + name);
        how.command.push_back(value);
    }
    return how;
}

std::optional<launch> mosquitto_launch(const std::string& program, const option_values& options,
                                       const scratch_folder& folder) {
    launch how;
    how.output = folder.path() / "output.log";
    how.port = free_port();
    // It refuses to read password files as root unless it stays root.
    std::string lines = "listener " + std::to_string(how.port) + " 127.0.0.1\nuser root\n";
    lines += options.contains("auth.allow_anonymous") ? "" : "allow_anonymous true\n";
    for (const auto& [name, value] : options) {
        const auto at = mosquitto_words().find(name);
        if (at == mosquitto_words().end()) {
            return std::nullopt;
        }
        lines += at->second + " " + value + "\n";
    }
    how.command = {program, "-c", folder.write("mosquitto.conf", lines)};
    return how;
}

} // namespace gv::conformance
