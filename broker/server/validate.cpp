// SPDX-License-Identifier: Apache-2.0
#include "broker/server/validate.hpp"

#include "base/topic.hpp"
#include "broker/mqtt/utf8.hpp"
#include "broker/server/seed_place.hpp"

#include <arpa/inet.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

namespace gv::server {

namespace {

struct ip_address {
    int family = 0;
    std::array<unsigned char, 16> bytes{};
};

std::optional<ip_address> parse_address(std::string_view text) {
    const std::string terminated(text);
    ip_address address;
    for (const int family : {AF_INET, AF_INET6}) {
        if (::inet_pton(family, terminated.c_str(), address.bytes.data()) == 1) {
            address.family = family;
            return address;
        }
    }
    return std::nullopt;
}

bool is_any(const ip_address& address) {
    return std::ranges::all_of(address.bytes, [](unsigned char byte) { return byte == 0; });
}

/// Whether two sockets on one port of these addresses cannot both be opened. The IPv6 "any" takes
/// IPv4 as well.
bool overlap(const ip_address& left, const ip_address& right) {
    if (left.family == right.family) {
        return left.bytes == right.bytes || is_any(left) || is_any(right);
    }
    const ip_address& six = left.family == AF_INET6 ? left : right;
    return is_any(six);
}

/// What an open port is called, and where it is configured.
/// "node2.home:7883", "[fd00::2]:7883": for a name of any kind, resolved later.
[[nodiscard]] bool is_host_and_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || text.size() > 255) {
        return false;
    }
    const std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    unsigned number = 0;
    const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
    return failed == std::errc{} && end == port.data() + port.size() && number > 0
           && number <= 65'535 && (is_bracketed || host.find(':') == std::string_view::npos)
           && host.find_first_of(" \t/") == std::string_view::npos;
}

struct open_port {
    std::string path; ///< of its section: "listeners.0", "admin"
    std::string address;
    std::uint16_t port = 0;
};

class checker {
  public:
    checker(const options& all, const origin_map& origins, const path_set& refused)
        : all_(all), origins_(origins), refused_(refused) {}

    std::vector<problem> check() {
        for (std::size_t index = 0; index < all_.listeners.items.size(); ++index) {
            check_listener("listeners." + std::to_string(index), all_.listeners.items[index]);
        }
        for (std::size_t index = 0; index < all_.topics.items.size(); ++index) {
            check_rule("topics." + std::to_string(index), all_.topics.items[index]);
        }
        check_ports();
        check_readable("auth.password_file", *all_.auth.password_file);
        check_readable("auth.acl_file", *all_.auth.acl_file);
        check_versions();
        check_queues();
        check_background_rate();
        check_cluster();
        check_cluster_certificate();
        check_client_text("mqtt.response_information", *all_.mqtt.response_information);
        check_client_text("mqtt.server_reference", *all_.mqtt.server_reference);
        check_user();
        check_written_files();
        return std::move(problems_);
    }

  private:
    void check_listener(const std::string& path, const listener_options& listener) {
        check_address(path + ".bind", *listener.bind);
        check_tls(path, listener);
        check_certificate_use(path, listener);
        check_entrance(path, listener);
    }

    void check_rule(const std::string& path, const topic_options& rule) {
        if (!is_valid_topic_filter(*rule.filter)) {
            report(path + ".filter", "\"" + *rule.filter + "\" is not a topic filter",
                   "write one as in a subscription, such as home/+/temperature or home/#");
        }
    }

    void check_address(const std::string& path, const std::string& address) {
        if (!parse_address(address)) {
            report(path, "\"" + address + "\" is not an address",
                   "write numbers, such as 127.0.0.1, ::1, 0.0.0.0 or ::");
        }
    }

    void check_tls(const std::string& path, const listener_options& listener) {
        if (listener.tls_certificate->empty() && !listener.tls_key->empty()) {
            report(path + ".tls_key", "there is a key but no certificate",
                   "set tls_certificate of this listener too");
        }
        if (!listener.tls_certificate->empty() && listener.tls_key->empty()) {
            report(path + ".tls_certificate", "there is a certificate but no key",
                   "set tls_key of this listener too");
        }
        if (listener.tls_certificate->empty() && !listener.tls_client_ca->empty()) {
            report(path + ".tls_client_ca", "clients have no certificates without TLS",
                   "set tls_certificate and tls_key of this listener too");
        }
        check_readable(path + ".tls_certificate", *listener.tls_certificate);
        check_readable(path + ".tls_key", *listener.tls_key);
        check_readable(path + ".tls_client_ca", *listener.tls_client_ca);
    }

    void check_certificate_use(const std::string& path, const listener_options& listener) {
        if (*listener.require_client_certificate && listener.tls_client_ca->empty()) {
            report(path + ".require_client_certificate",
                   "no authority is known that could have signed certificates of clients",
                   "set tls_client_ca of this listener too");
        }
        if (*listener.use_identity_as_username && !*listener.require_client_certificate) {
            report(path + ".use_identity_as_username", "not every client has a certificate",
                   "set require_client_certificate = true of this listener too");
        }
    }

    /// Safe by default: whoever opens the broker to other machines says who may come in.
    void check_entrance(const std::string& path, const listener_options& listener) {
        const bool asks_who =
            !all_.auth.password_file->empty() || *listener.use_identity_as_username;
        if (asks_who || allows_anonymous(all_, listener) || !parse_address(*listener.bind)
            || is_refused(path + ".bind") || is_refused(path + ".allow_anonymous")
            || is_refused("auth.allow_anonymous") || is_refused("auth.password_file")) {
            return;
        }
        const std::string address = address_text(*listener.bind, *listener.port);
        if (is_loopback(*listener.bind)) {
            report(path + ".allow_anonymous", "nobody could come in at " + address,
                   "set auth.password_file, or allow_anonymous = true");
        } else {
            report(path + ".bind",
                   address + " is open to other machines, but who may come in is not said",
                   "set auth.password_file, or allow_anonymous = true if everybody may");
        }
    }

    void check_ports() {
        std::vector<open_port> open;
        for (std::size_t index = 0; index < all_.listeners.items.size(); ++index) {
            const listener_options& each = all_.listeners.items[index];
            open.push_back({"listeners." + std::to_string(index), *each.bind, *each.port});
        }
        if (*all_.admin.enabled) {
            check_address("admin.bind", *all_.admin.bind);
            open.push_back({"admin", *all_.admin.bind, *all_.admin.port});
        }
        if (!all_.cluster.name->empty()) {
            check_address("cluster.bind", *all_.cluster.bind);
            open.push_back({"cluster", *all_.cluster.bind, *all_.cluster.port});
        }
        std::erase_if(open, [&](const open_port& each) {
            return is_refused(each.path + ".bind") || is_refused(each.path + ".port");
        });
        for (std::size_t later = 1; later < open.size(); ++later) {
            for (std::size_t earlier = 0; earlier < later; ++earlier) {
                check_pair(open[earlier], open[later]);
            }
        }
    }

    void check_pair(const open_port& earlier, const open_port& later) {
        const auto left = parse_address(earlier.address);
        const auto right = parse_address(later.address);
        if (later.port == 0 || earlier.port != later.port || !left || !right
            || !overlap(*left, *right)) {
            return;
        }
        report(later.path + ".port",
               address_text(later.address, later.port) + " is taken by " + earlier.path + " ("
                   + address_text(earlier.address, earlier.port) + ")",
               "give one of them another port or address");
    }

    void check_readable(const std::string& path, const std::string& file) {
        if (!file.empty() && ::access(file.c_str(), R_OK) != 0) {
            const std::string why = std::strerror(errno);
            // Whole, since "passwords" does not say where it was looked for.
            report(path, std::filesystem::absolute(file).string() + " cannot be read: " + why,
                   "give the path of a file that this user may read");
        }
    }

    void check_versions() {
        constexpr std::array<std::string_view, 3> known{"3.1", "3.1.1", "5.0"};
        const text_list& wanted = *all_.mqtt.protocol_versions;
        for (const std::string& version : wanted) {
            if (std::ranges::find(known, version) == known.end()) {
                report("mqtt.protocol_versions", "\"" + version + "\" is not a version of MQTT",
                       "write some of: 3.1, 3.1.1, 5.0");
            }
        }
        if (wanted.empty()) {
            report("mqtt.protocol_versions", "without a version of MQTT nobody could come in",
                   "write some of: 3.1, 3.1.1, 5.0");
        }
    }

    void check_cluster() {
        const cluster_options& cluster = all_.cluster;
        constexpr std::size_t name_bytes_max = 64;
        const std::string& name = *cluster.name;
        if (name.empty()) {
            return;
        }
        if (name.size() > name_bytes_max || std::ranges::any_of(name, [](unsigned char each) {
                return each < ' ' || each == 0x7f;
            })) {
            report("cluster.name", "longer than 64 bytes, or with control characters",
                   "choose a short name, such as home");
        }
        for (const std::string& each : *cluster.seeds) {
            if (const auto seed = parse_seed(each); !seed) {
                report("cluster.seeds", "\"" + each + "\" " + seed.error(),
                       "write such as node2.home:7883, [fd00::2]:7883 or _cluster._tcp.home");
            }
        }
        check_host_and_port("cluster.advertise", *cluster.advertise, "node1.home:7883");
        check_host_and_port("cluster.client_address", *cluster.client_address, "node1.home:1883");
    }

    void check_host_and_port(const char* path, const std::string& text, const char* example) {
        if (!text.empty() && !is_host_and_port(text)) {
            report(path, "\"" + text + "\" is not host:port",
                   std::string("write such as ") + example);
        }
    }

    /// All three, or none of them.
    void check_cluster_certificate() {
        const cluster_options& cluster = all_.cluster;
        const std::array files{std::pair("cluster.tls_certificate", &cluster.tls_certificate),
                               std::pair("cluster.tls_key", &cluster.tls_key),
                               std::pair("cluster.tls_ca", &cluster.tls_ca)};
        const auto is_named = [](const auto& each) { return !(*each.second)->empty(); };
        const bool are_some = std::ranges::any_of(files, is_named);
        for (const auto& each : files) {
            if (are_some && !is_named(each)) {
                report(each.first, "certificate, key and authorities belong together",
                       "set cluster.tls_certificate, cluster.tls_key and cluster.tls_ca, or none "
                       "of them");
            }
            check_readable(each.first, **each.second);
        }
    }

    void check_background_rate() {
        constexpr byte_size least{std::uint64_t{1} << 20};
        const byte_size rate = *all_.storage.background_rate;
        if (rate.value != 0 && rate < least) {
            report("storage.background_rate",
                   "the database could not write as fast as messages come, and all would wait",
                   "write 1MiB or more, or 0 for no limit");
        }
    }

    void check_queues() {
        const byte_size total = *all_.limits.queue_bytes_total_max;
        if (total.value != 0 && *all_.limits.queue_bytes_per_session_max > total) {
            report("limits.queue_bytes_per_session_max",
                   "one session may queue more than all sessions together",
                   "lower it, or raise limits.queue_bytes_total_max");
        }
        const byte_size user = *all_.limits.queue_bytes_per_user_max;
        if (total.value != 0 && user > total) {
            report("limits.queue_bytes_per_user_max",
                   "one user may queue more than all sessions together",
                   "lower it, or raise limits.queue_bytes_total_max");
        }
    }

    /// Clients end the connection over a string that is none [MQTT-1.5.4-1] [MQTT-1.5.4-2].
    void check_client_text(const std::string& path, const std::string& text) {
        constexpr std::size_t bytes_max = 65'535;
        const mqtt::utf8_check checked = mqtt::check_utf8(text);
        if (checked.fault != mqtt::utf8_fault::none) {
            report(
                path,
                std::string(checked.fault == mqtt::utf8_fault::nul ? "U+0000" : "what is not UTF-8")
                    + " at byte " + std::to_string(checked.offset) + " cannot be sent to clients",
                "write UTF-8 without U+0000");
        }
        if (text.size() > bytes_max) {
            report(path, std::to_string(text.size()) + " bytes cannot be sent to clients",
                   "write at most " + std::to_string(bytes_max));
        }
    }

    void check_user() {
        const std::string& user = *all_.node.user;
        if (!user.empty() && ::getpwnam(user.c_str()) == nullptr) {
            report("node.user", "there is no user " + user, "name a user of this machine");
        }
    }

    void check_written_files() {
        check_folder("node.pid_file", *all_.node.pid_file);
        check_folder("node.ports_file", *all_.node.ports_file);
        const std::string& log = *all_.log.destination;
        if (log.find('/') != std::string::npos) {
            check_log_file(log);
        } else if (log != "stderr" && log != "syslog") {
            report("log.destination", "\"" + log + "\" is no place for logs",
                   "write stderr, syslog, or the path of a file (./" + log + ")");
        }
    }

    /// One that is there already needs no folder that can be written to, as /dev/stdout.
    void check_log_file(const std::string& file) {
        std::error_code ignored;
        if (!std::filesystem::exists(file, ignored)) {
            check_folder("log.destination", file);
        } else if (std::filesystem::is_directory(file, ignored)) {
            report(
                "log.destination", file + " is a folder",
                "give the path of a file, such as "
                    + (std::filesystem::path(file) / "grapevine.log").lexically_normal().string());
        } else if (::access(file.c_str(), W_OK) != 0) {
            report("log.destination", file + " cannot be written to: " + std::strerror(errno),
                   "give the path of a file that this user may write to");
        }
    }

    void check_folder(const std::string& path, const std::string& file) {
        if (file.empty()) {
            return;
        }
        const std::filesystem::path folder =
            std::filesystem::absolute(file).lexically_normal().parent_path();
        if (::access(folder.c_str(), W_OK) != 0) {
            report(path, folder.string() + " cannot be written to: " + std::strerror(errno),
                   "give a path in a folder that this user may write to");
        }
    }

    [[nodiscard]] bool is_refused(std::string_view path) const { return refused_.contains(path); }

    /// The place is where the option was set; one that has its default is named by its path.
    void report(const std::string& path, const std::string& what, std::string remedy) {
        const auto origin = origins_.find(path);
        problems_.push_back({origin == origins_.end() ? "configuration" : origin->second,
                             path + ": " + what, std::move(remedy)});
    }

    const options& all_;
    const origin_map& origins_;
    const path_set& refused_;
    std::vector<problem> problems_;
};

} // namespace

std::vector<problem> validate(const options& all, const origin_map& origins,
                              const path_set& refused) {
    return checker(all, origins, refused).check();
}

bool is_address(std::string_view text) { return parse_address(text).has_value(); }

bool is_loopback(std::string_view address) {
    const auto parsed = parse_address(address);
    if (!parsed) {
        return false;
    }
    return parsed->family == AF_INET ? parsed->bytes[0] == 127
                                     : parsed->bytes == parse_address("::1")->bytes;
}

bool is_same_address(std::string_view left, std::string_view right) {
    const auto first = parse_address(left);
    const auto second = parse_address(right);
    return first && second ? first->family == second->family && first->bytes == second->bytes
                           : left == right;
}

bool allows_anonymous(const options& all, const listener_options& listener) {
    for (const tristate said : {*listener.allow_anonymous, *all.auth.allow_anonymous}) {
        if (said != tristate::automatic) {
            return said == tristate::yes;
        }
    }
    return is_loopback(*listener.bind) && all.auth.password_file->empty();
}

std::string address_text(std::string_view address, std::uint16_t port) {
    const bool is_ipv6 = address.find(':') != std::string_view::npos;
    const std::string host = is_ipv6 ? "[" + std::string(address) + "]" : std::string(address);
    return host + ":" + std::to_string(port);
}

} // namespace gv::server
