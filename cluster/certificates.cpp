// SPDX-License-Identifier: Apache-2.0
#include "cluster/certificates.hpp"

#include "cluster/certificate_handles.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace gv::cluster {

namespace {

using namespace openssl;

constexpr std::string_view scheme = "grapevine://";
constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t node_digits = 16;
/// Of keys and signatures: 112 bits, as RSA of 2,048 bits has.
constexpr int strength = 2;

[[nodiscard]] bool is_unreserved(char each) {
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z')
           || (each >= '0' && each <= '9') || std::string_view("-._~").contains(each);
}

[[nodiscard]] std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char each : text) {
        if (is_unreserved(each)) {
            out.push_back(each);
        } else {
            const auto byte = static_cast<unsigned char>(each);
            out.append({'%', digits[byte >> 4], digits[byte & 15]});
        }
    }
    return out;
}

template <typename Number>
[[nodiscard]] std::optional<Number> from_hex(std::string_view text) {
    Number value{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return failed == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                     : std::nullopt;
}

[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (text.front() != '%') {
            out.push_back(text.front());
            text.remove_prefix(1);
            continue;
        }
        const auto byte =
            text.size() < 3 ? std::nullopt : from_hex<unsigned char>(text.substr(1, 2));
        if (!byte) {
            return std::nullopt;
        }
        out.push_back(static_cast<char>(*byte));
        text.remove_prefix(3);
    }
    return out;
}

[[nodiscard]] wall_time time_of(const ASN1_TIME* from) {
    std::tm parts{};
    if (from == nullptr || ASN1_TIME_to_tm(from, &parts) != 1) {
        ERR_clear_error();
        return {};
    }
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

[[nodiscard]] std::string text_of_string(const ASN1_STRING* from) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(from)),
            static_cast<std::size_t>(ASN1_STRING_length(from))};
}

[[nodiscard]] std::string common_name(const X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return {};
    }
    return text_of_string(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

// One URI of ours, and no other: which of two is meant nobody could tell.
[[nodiscard]] std::optional<certified_node> identity_of(const X509& from) {
    const names_ptr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&from, NID_subject_alt_name, nullptr, nullptr)));
    std::optional<certified_node> found;
    for (int at = 0; at < sk_GENERAL_NAME_num(names.get()); ++at) {
        const GENERAL_NAME* const each = sk_GENERAL_NAME_value(names.get(), at);
        if (each->type != GEN_URI) {
            continue;
        }
        const std::string uri = text_of_string(each->d.uniformResourceIdentifier);
        if (!uri.starts_with(scheme)) {
            continue;
        }
        const bool is_second = found.has_value();
        found = parse_identity_uri(uri);
        if (is_second || !found) {
            return std::nullopt;
        }
        found->name = common_name(X509_get_subject_name(&from));
    }
    return found;
}

[[nodiscard]] certificate_facts facts_of(const X509& from) {
    return {.who = identity_of(from),
            .subject = openssl::text_of(X509_get_subject_name(&from)),
            .authority = openssl::text_of(X509_get_issuer_name(&from)),
            .not_before = time_of(X509_get0_notBefore(&from)),
            .not_after = time_of(X509_get0_notAfter(&from))};
}

[[nodiscard]] std::vector<x509_ptr> read_all(std::string_view pem) {
    std::vector<x509_ptr> all;
    const bio_ptr from = reading(pem);
    while (x509_ptr next = read_x509(*from)) {
        all.push_back(std::move(next));
    }
    return all;
}

/// `node "attic" (00000000000000ff) of cluster "home"`, or what else is known.
[[nodiscard]] std::string holder_text(const certificate_facts& facts) {
    if (!facts.who) {
        return "\"" + facts.subject + "\"";
    }
    const std::string uri = identity_uri(*facts.who);
    return "node \"" + facts.who->name + "\" (" + uri.substr(uri.size() - node_digits)
           + ") of cluster \"" + facts.who->cluster + "\"";
}

[[nodiscard]] distrust expired(const std::string& whose, wall_time end) {
    return {.fault = certificate_fault::expired,
            .what = whose + " has expired, on " + date_text(end),
            .remedy = "renew it, and reload that node (SIGHUP); if the date is to come, set the "
                      "clock of this machine"};
}

[[nodiscard]] distrust too_early(const std::string& whose, wall_time begin) {
    return {.fault = certificate_fault::not_valid_yet,
            .what = whose + " is not valid before " + date_text(begin),
            .remedy = "check the clocks of both machines"};
}

[[nodiscard]] distrust unknown_authority(const certificate_facts& facts) {
    return {.fault = certificate_fault::unknown_authority,
            .what = "the certificate of " + holder_text(facts) + " is signed by \""
                    + facts.authority + "\", which is not an authority that this node has",
            .remedy = "give both nodes certificates of one authority (`grapevine cluster token` "
                      "on a node that has its key), or add that authority to cluster.tls_ca"};
}

/// What OpenSSL found, at that place of the chain, 0 being the node's own.
[[nodiscard]] distrust distrust_of(int error, int depth, const certificate_facts& own,
                                   const X509* at) {
    const certificate_facts facts = at == nullptr ? own : facts_of(*at);
    const std::string whose = depth == 0 ? "the certificate of " + holder_text(own)
                                         : "the authority \"" + facts.subject
                                               + "\" of the certificate of " + holder_text(own);
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return expired(whose, facts.not_after);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return too_early(whose, facts.not_before);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return unknown_authority(own);
    default:
        return {.fault = certificate_fault::not_for_nodes,
                .what = whose + " is refused: " + X509_verify_cert_error_string(error),
                .remedy = "issue one for both ends of TLS (clientAuth, serverAuth), as `grapevine "
                          "cluster token` does"};
    }
}

using store_ptr = std::unique_ptr<X509_STORE, freed_by<&X509_STORE_free>>;
using check_ptr = std::unique_ptr<X509_STORE_CTX, freed_by<&X509_STORE_CTX_free>>;
using stack_ptr =
    std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * gone) { sk_X509_free(gone); })>;

[[nodiscard]] problem key_problem(const std::string& place, const std::string& what) {
    return {.place = place,
            .what = what,
            .remedy = "give the key that the certificate was made for, in PEM, not encrypted"};
}

} // namespace

std::string identity_uri(const certified_node& who) {
    std::string node(node_digits, '0');
    for (std::size_t at = 0; at < node_digits; ++at) {
        node[at] = digits[(who.node.value >> (4 * (node_digits - 1 - at))) & 15];
    }
    return std::string(scheme) + percent_encoded(who.cluster) + "/" + node;
}

std::optional<certified_node> parse_identity_uri(std::string_view uri) {
    if (!uri.starts_with(scheme)) {
        return std::nullopt;
    }
    uri.remove_prefix(scheme.size());
    const std::size_t slash = uri.find('/');
    if (slash == 0 || slash == std::string_view::npos || uri.size() - slash - 1 != node_digits) {
        return std::nullopt;
    }
    auto cluster = percent_decoded(uri.substr(0, slash));
    const auto node = from_hex<std::uint64_t>(uri.substr(slash + 1));
    if (!cluster || !node || *node == 0) {
        return std::nullopt;
    }
    return certified_node{.cluster = std::move(*cluster), .node = node_id{*node}, .name = {}};
}

result<certificate_facts, std::string> read_certificate(std::string_view pem) {
    const bio_ptr from = reading(pem);
    const x509_ptr found = read_x509(*from);
    if (found == nullptr) {
        return failure(std::string("holds no certificate"));
    }
    return facts_of(*found);
}

std::string fingerprint(std::string_view pem) {
    const bio_ptr from = reading(pem);
    const x509_ptr found = read_x509(*from);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (found == nullptr || X509_digest(found.get(), EVP_sha256(), hash.data(), &size) != 1) {
        return {};
    }
    std::string out;
    for (unsigned at = 0; at < size; ++at) {
        out.append({digits[hash[at] >> 4], digits[hash[at] & 15]});
    }
    return out;
}

std::vector<std::string> split_certificates(std::string_view pem) {
    std::vector<std::string> out;
    for (const x509_ptr& each : read_all(pem)) {
        out.push_back(written([&](BIO* to) { return PEM_write_bio_X509(to, each.get()) == 1; }));
    }
    return out;
}

std::string date_text(wall_time at) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
    return {text.data(), size};
}

class authorities::parts {
  public:
    explicit parts(const std::vector<x509_ptr>& all) : store_(X509_STORE_new()) {
        BROKER_ASSERT(store_ != nullptr, "OpenSSL has memory for a store");
        for (const x509_ptr& each : all) {
            X509_STORE_add_cert(store_.get(), each.get());
        }
        ERR_clear_error();
    }

    /// Nothing: it is believed.
    [[nodiscard]] std::optional<distrust> objection(const std::vector<x509_ptr>& chain,
                                                    const certificate_facts& own, tls_end shown_by,
                                                    wall_time now) const {
        const stack_ptr between(sk_X509_new_null());
        for (std::size_t at = 1; at < chain.size(); ++at) {
            sk_X509_push(between.get(), chain[at].get());
        }
        const check_ptr check(X509_STORE_CTX_new());
        BROKER_ASSERT(check != nullptr
                          && X509_STORE_CTX_init(check.get(), store_.get(), chain.front().get(),
                                                 between.get())
                                 == 1,
                      "OpenSSL has memory for a check");
        X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(check.get());
        X509_VERIFY_PARAM_set_purpose(how, shown_by == tls_end::server ? X509_PURPOSE_SSL_SERVER
                                                                       : X509_PURPOSE_SSL_CLIENT);
        X509_VERIFY_PARAM_set_auth_level(how, strength);
        // Who is in tls_ca is believed, whoever has signed it.
        X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_time(how, std::chrono::system_clock::to_time_t(now));
        const bool is_fine = X509_verify_cert(check.get()) == 1;
        ERR_clear_error();
        if (is_fine) {
            return std::nullopt;
        }
        return distrust_of(X509_STORE_CTX_get_error(check.get()),
                           X509_STORE_CTX_get_error_depth(check.get()), own,
                           X509_STORE_CTX_get_current_cert(check.get()));
    }

  private:
    store_ptr store_;
};

authorities::authorities(std::unique_ptr<parts> made) noexcept : parts_(std::move(made)) {}
authorities::~authorities() = default;
authorities::authorities(authorities&& other) noexcept = default;
authorities& authorities::operator=(authorities&& other) noexcept = default;

result<authorities, std::string> authorities::read(std::string_view pem) {
    const std::vector<x509_ptr> all = read_all(pem);
    if (all.empty()) {
        return failure(std::string("holds no certificate"));
    }
    for (const x509_ptr& each : all) {
        if (X509_check_ca(each.get()) == 0) {
            return failure("the certificate of \"" + facts_of(*each).subject
                           + "\" is not that of an authority");
        }
    }
    return authorities(std::make_unique<parts>(all));
}

result<certified_node, distrust> authorities::check(std::string_view chain, tls_end shown_by,
                                                    std::string_view cluster, wall_time now) const {
    const std::vector<x509_ptr> all = read_all(chain);
    if (all.empty()) {
        return failure(distrust{.fault = certificate_fault::unreadable,
                                .what = "no certificate was shown",
                                .remedy = "give that node one: `grapevine cluster token`"});
    }
    const certificate_facts facts = facts_of(*all.front());
    if (auto wrong = parts_->objection(all, facts, shown_by, now)) {
        return failure(std::move(*wrong));
    }
    if (!facts.who) {
        return failure(
            distrust{.fault = certificate_fault::no_identity,
                     .what = "the certificate of " + holder_text(facts) + " is not that of a node: "
                             + "it has no URI such as grapevine://CLUSTER/NODE, or several",
                     .remedy = "issue it with one, as `grapevine cluster token` does"});
    }
    if (facts.who->cluster != cluster) {
        return failure(distrust{.fault = certificate_fault::other_cluster,
                                .what = "the certificate is that of " + holder_text(facts)
                                        + "; here is the cluster \"" + std::string(cluster) + "\"",
                                .remedy = "give each cluster seeds of its own, or that node a "
                                          "certificate of this cluster"});
    }
    return *facts.who;
}

material_check check_material(const tls_material& all, const tls_places& places,
                              std::string_view cluster, wall_time now) {
    material_check found;
    const auto error = [&](const std::string& place, const std::string& what,
                           const std::string& remedy) {
        found.errors.push_back({.place = place, .what = what, .remedy = remedy});
    };
    const auto believed = authorities::read(all.authorities);
    if (!believed) {
        error(places.authorities, believed.error(),
              "the file must be PEM, with the certificates of the authorities of the cluster");
    }
    const key_ptr key = read_key(all.key);
    if (key == nullptr) {
        found.errors.push_back(key_problem(places.key, "holds no private key"));
    }
    const std::vector<x509_ptr> chain = read_all(all.chain);
    if (chain.empty()) {
        error(places.chain, "holds no certificate", "the file must be PEM");
        return found;
    }
    if (key != nullptr && X509_check_private_key(chain.front().get(), key.get()) != 1) {
        ERR_clear_error();
        found.errors.push_back(
            key_problem(places.key, "is not the key of the certificate in " + places.chain));
    }
    found.not_after = facts_of(*chain.front()).not_after;
    if (!believed) {
        return found;
    }
    for (const tls_end end : {tls_end::server, tls_end::client}) {
        const auto who = believed->check(all.chain, end, cluster, now);
        if (who) {
            found.who = *who;
            continue;
        }
        const bool is_of_time = who.error().fault == certificate_fault::expired
                                || who.error().fault == certificate_fault::not_valid_yet;
        (is_of_time ? found.warnings : found.errors)
            .push_back({.place = places.chain,
                        .what = who.error().what,
                        .remedy = is_of_time
                                      ? "renew it: other nodes refuse it; or check the clock "
                                        "of this machine"
                                      : who.error().remedy});
        found.who = facts_of(*chain.front()).who;
        break;
    }
    return found;
}

} // namespace gv::cluster
