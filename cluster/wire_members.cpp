// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_members.hpp"

#include "base/hash.hpp"
#include "cluster/wire_membership.hpp"
#include "proto/grapevine_cluster.pb.h"

namespace gv::cluster {

namespace {

constexpr std::size_t hash_bytes = 8;

[[nodiscard]] std::string hash_of(std::string_view bytes) {
    std::string text;
    for (int shift = 56; shift >= 0; shift -= 8) {
        text.push_back(static_cast<char>(hash64(bytes) >> shift & 0xff));
    }
    return text;
}

} // namespace

std::string to_file(const envelope& members) {
    grapevine::cluster::v1::Envelope out;
    encode(members, out);
    const std::string bytes = out.SerializeAsString();
    return hash_of(bytes) + bytes;
}

std::optional<envelope> from_file(std::string_view bytes, const message_limits& limits) {
    if (bytes.size() < hash_bytes
        || hash_of(bytes.substr(hash_bytes)) != bytes.substr(0, hash_bytes)) {
        return std::nullopt;
    }
    grapevine::cluster::v1::Envelope in;
    bytes.remove_prefix(hash_bytes);
    if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return std::nullopt;
    }
    auto read = decode(in, limits);
    if (!read || !std::holds_alternative<push_pull_answer>(read->body)) {
        return std::nullopt;
    }
    return std::move(*read);
}

} // namespace gv::cluster
