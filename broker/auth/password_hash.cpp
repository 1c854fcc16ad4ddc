// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_hash.hpp"

#include "broker/auth/crypto.hpp"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace gv::auth {

namespace {

constexpr std::size_t password_salt_bytes = 12; // Mosquitto 2.0 takes no other
constexpr std::size_t scram_salt_bytes = 16;
constexpr std::string_view scram_name = "scram-sha-256";

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(at + 1);
    }
}

std::string derive(const password_hash& kept, std::string_view password) {
    if (kept.scheme == hash_scheme::pbkdf2_sha512) {
        return pbkdf2(digest::sha512, password, kept.salt, kept.iterations);
    }
    std::string salted = std::string(password) + kept.salt;
    std::string value = hash(digest::sha512, salted);
    wipe(salted);
    return value;
}

result<std::uint32_t, std::string> parse_iterations(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0
        || value > iterations_max) {
        return failure("the number of iterations is not between 1 and "
                       + std::to_string(iterations_max));
    }
    return value;
}

result<std::string, std::string> parse_salt(std::string_view text) {
    auto salt = base64_decode(text);
    if (!salt || salt->empty()) {
        return failure(std::string("the salt is not base64"));
    }
    return std::move(*salt);
}

result<std::string, std::string> parse_digest(std::string_view text, digest kind,
                                              std::string_view name) {
    auto value = base64_decode(text);
    if (!value || value->size() != digest_size(kind)) {
        return failure("the " + std::string(name) + " is not base64 of "
                       + std::to_string(digest_size(kind)) + " bytes");
    }
    return std::move(*value);
}

using parts_view = const std::vector<std::string_view>&;

// In each form parts[0] is what stands before the first `$`: nothing.
result<credential, std::string> parse_sha512(parts_view parts) {
    if (parts.size() != 4) {
        return failure(std::string("a $6$ entry is $6$salt$hash"));
    }
    auto salt = parse_salt(parts[2]);
    if (!salt) {
        return failure(salt.error());
    }
    auto hash = parse_digest(parts[3], digest::sha512, "hash");
    if (!hash) {
        return failure(hash.error());
    }
    return password_hash{.scheme = hash_scheme::sha512,
                         .iterations = 1,
                         .salt = std::move(*salt),
                         .hash = std::move(*hash)};
}

result<credential, std::string> parse_pbkdf2(parts_view parts) {
    if (parts.size() != 5) {
        return failure(std::string("a $7$ entry is $7$iterations$salt$hash"));
    }
    const auto iterations = parse_iterations(parts[2]);
    if (!iterations) {
        return failure(iterations.error());
    }
    auto salt = parse_salt(parts[3]);
    if (!salt) {
        return failure(salt.error());
    }
    auto hash = parse_digest(parts[4], digest::sha512, "hash");
    if (!hash) {
        return failure(hash.error());
    }
    return password_hash{.scheme = hash_scheme::pbkdf2_sha512,
                         .iterations = *iterations,
                         .salt = std::move(*salt),
                         .hash = std::move(*hash)};
}

result<credential, std::string> parse_scram(parts_view parts) {
    if (parts.size() != 6) {
        return failure(
            std::string("a SCRAM entry is $scram-sha-256$iterations$salt$stored key$server key"));
    }
    const auto iterations = parse_iterations(parts[2]);
    if (!iterations) {
        return failure(iterations.error());
    }
    if (*iterations < scram_iterations_min) {
        return failure("SCRAM needs at least " + std::to_string(scram_iterations_min)
                       + " iterations");
    }
    auto salt = parse_salt(parts[3]);
    if (!salt) {
        return failure(salt.error());
    }
    auto stored_key = parse_digest(parts[4], digest::sha256, "stored key");
    auto server_key = parse_digest(parts[5], digest::sha256, "server key");
    if (!stored_key || !server_key) {
        return failure(stored_key ? server_key.error() : stored_key.error());
    }
    return scram_credential{.iterations = *iterations,
                            .salt = std::move(*salt),
                            .stored_key = std::move(*stored_key),
                            .server_key = std::move(*server_key)};
}

std::string format(const password_hash& kept) {
    const std::string tail = base64_encode(kept.salt) + "$" + base64_encode(kept.hash);
    return kept.scheme == hash_scheme::sha512
               ? "$6$" + tail
               : "$7$" + std::to_string(kept.iterations) + "$" + tail;
}

std::string format(const scram_credential& kept) {
    return "$" + std::string(scram_name) + "$" + std::to_string(kept.iterations) + "$"
           + base64_encode(kept.salt) + "$" + base64_encode(kept.stored_key) + "$"
           + base64_encode(kept.server_key);
}

} // namespace

result<credential, std::string> parse_credential(std::string_view text) {
    const auto parts = split(text, '$');
    if (parts.size() < 3 || !parts[0].empty()) {
        return failure(std::string("the password is not hashed"));
    }
    if (parts[1] == "7") {
        return parse_pbkdf2(parts);
    }
    if (parts[1] == "6") {
        return parse_sha512(parts);
    }
    if (parts[1] == scram_name) {
        return parse_scram(parts);
    }
    return failure("the kind of hash \"$" + std::string(parts[1]) + "$\" is not known");
}

std::string format_credential(const credential& kept) {
    return std::visit([](const auto& one) { return format(one); }, kept);
}

password_hash make_password_hash(std::string_view password, hash_scheme scheme,
                                 std::uint32_t iterations) {
    const bool is_sha512 = scheme == hash_scheme::sha512;
    password_hash kept{.scheme = scheme,
                       .iterations = is_sha512 ? 1 : iterations,
                       .salt = random_bytes(password_salt_bytes),
                       .hash = {}};
    kept.hash = derive(kept, password);
    return kept;
}

scram_credential make_scram_credential(std::string_view password, std::uint32_t iterations) {
    return make_scram_credential(password, iterations, random_bytes(scram_salt_bytes));
}

scram_credential make_scram_credential(std::string_view password, std::uint32_t iterations,
                                       std::string salt) {
    std::string salted = pbkdf2(digest::sha256, password, salt, iterations);
    std::string client_key = hmac(digest::sha256, salted, "Client Key");
    scram_credential kept{.iterations = iterations,
                          .salt = std::move(salt),
                          .stored_key = hash(digest::sha256, client_key),
                          .server_key = hmac(digest::sha256, salted, "Server Key")};
    wipe(salted);
    wipe(client_key);
    return kept;
}

bool verify_password(const password_hash& kept, std::string_view password) {
    return constant_time_equal(derive(kept, password), kept.hash);
}

} // namespace gv::auth
