// SPDX-License-Identifier: Apache-2.0
#include "cluster/certificate_authority.hpp"

#include "cluster/certificate_handles.hpp"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <ctime>

namespace gv::cluster {

namespace {

using namespace openssl;

constexpr std::size_t common_name_bytes_max = 64;
constexpr std::size_t serial_bytes = 16;
constexpr std::string_view token_scheme = "grapevine-token:";

void must(bool is_fine) { BROKER_ASSERT(is_fine, "OpenSSL makes a certificate"); }

[[nodiscard]] std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        out.append({digits[byte >> 4], digits[byte & 15]});
    }
    return out;
}

[[nodiscard]] std::string key_text(EVP_PKEY& key) {
    return written([&](BIO* to) {
        return PEM_write_bio_PrivateKey(to, &key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
    });
}

[[nodiscard]] std::string certificate_text(X509& from) {
    return written([&](BIO* to) { return PEM_write_bio_X509(to, &from) == 1; });
}

// What OpenSSL does not take as a name is left out: it says nothing about who it is.
[[nodiscard]] name_ptr name_of(std::string_view common) {
    name_ptr made(X509_NAME_new());
    must(made != nullptr);
    const auto add = [&](const char* kind, std::string_view text) {
        X509_NAME_add_entry_by_txt(made.get(), kind, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()), -1, 0);
        ERR_clear_error();
    };
    add("O", "Grapevine");
    add("CN", common.substr(0, common_name_bytes_max));
    return made;
}

void set_validity(X509& of, const validity& when) {
    const auto set = [](ASN1_TIME* what, wall_time at) {
        must(ASN1_TIME_set(what, std::chrono::system_clock::to_time_t(at)) != nullptr);
    };
    set(X509_getm_notBefore(&of), when.from);
    set(X509_getm_notAfter(&of), when.until);
}

void set_serial(X509& of) {
    const std::string bytes = random_bytes(serial_bytes);
    const std::unique_ptr<BIGNUM, freed_by<&BN_free>> number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), serial_bytes - 1, nullptr));
    must(number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&of)));
}

void add(X509& to, X509& issuer, int kind, const char* text) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, &issuer, &to, nullptr, nullptr, 0);
    const extension_ptr made(X509V3_EXT_conf_nid(nullptr, &context, kind, text));
    must(made != nullptr && X509_add_ext(&to, made.get(), -1) == 1);
}

/// The one URI of a subject: not written as a text for OpenSSL, which gives commas a meaning.
[[nodiscard]] extension_ptr alternative_name(const std::string& uri) {
    const names_ptr names(sk_GENERAL_NAME_new_null());
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    must(names != nullptr && name != nullptr && text != nullptr
         && ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) == 1);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    must(sk_GENERAL_NAME_push(names.get(), name) > 0);
    extension_ptr made(X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()));
    must(made != nullptr);
    return made;
}

[[nodiscard]] x509_ptr begin(const X509_NAME& subject, const X509_NAME& issuer, EVP_PKEY& key,
                             const validity& when) {
    x509_ptr made(X509_new());
    must(made != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1
         && X509_set_subject_name(made.get(), &subject) == 1
         && X509_set_issuer_name(made.get(), &issuer) == 1
         && X509_set_pubkey(made.get(), &key) == 1);
    set_serial(*made);
    set_validity(*made, when);
    return made;
}

void sign(X509& what, EVP_PKEY& by) { must(X509_sign(&what, &by, EVP_sha256()) > 0); }

/// For both ends of TLS.
void add_uses_of_node(X509& to, X509& issuer) {
    add(to, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add(to, issuer, NID_key_usage, "critical,digitalSignature");
    add(to, issuer, NID_ext_key_usage, "clientAuth,serverAuth");
    add(to, issuer, NID_subject_key_identifier, "hash");
}

[[nodiscard]] request_ptr read_signing_request(std::string_view pem) {
    const bio_ptr from = reading(pem);
    request_ptr found(PEM_read_bio_X509_REQ(from.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    return found;
}

[[nodiscard]] std::string public_key(EVP_PKEY& key) {
    unsigned char* bytes = nullptr;
    const int size = i2d_PUBKEY(&key, &bytes);
    must(size > 0);
    std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return out;
}

[[nodiscard]] std::string sha256(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    must(EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1);
    return {reinterpret_cast<const char*>(hash.data()), size};
}

[[nodiscard]] std::string proof_of(std::string_view key, std::string_view secret) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
    unsigned size = 0;
    must(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
              reinterpret_cast<const unsigned char*>(key.data()), key.size(), code.data(), &size)
         != nullptr);
    return hex({reinterpret_cast<const char*>(code.data()), size});
}

[[nodiscard]] std::optional<std::string> only_uri(const GENERAL_NAMES* names) {
    if (names == nullptr || sk_GENERAL_NAME_num(names) != 1) {
        return std::nullopt;
    }
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, 0);
    if (name->type != GEN_URI) {
        return std::nullopt;
    }
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
}

using extensions_ptr =
    std::unique_ptr<STACK_OF(X509_EXTENSION), decltype([](STACK_OF(X509_EXTENSION) * gone) {
                        sk_X509_EXTENSION_pop_free(gone, X509_EXTENSION_free);
                    })>;

[[nodiscard]] std::optional<certified_node> identity_of(X509_REQ& from) {
    const extensions_ptr all(X509_REQ_get_extensions(&from));
    const names_ptr names(static_cast<GENERAL_NAMES*>(
        all == nullptr ? nullptr
                       : X509V3_get_d2i(all.get(), NID_subject_alt_name, nullptr, nullptr)));
    const auto uri = only_uri(names.get());
    auto who = uri ? parse_identity_uri(*uri) : std::nullopt;
    const X509_NAME* const subject = X509_REQ_get_subject_name(&from);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (who && at >= 0) {
        const ASN1_STRING* const name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        who->name = {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
                     static_cast<std::size_t>(ASN1_STRING_length(name))};
    }
    return who;
}

} // namespace

validity valid_for(wall_time now, std::chrono::hours how_long) {
    return {.from = now - std::chrono::hours(1), .until = now + how_long};
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    must(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
    return bytes;
}

std::string make_key() {
    const key_ptr key(EVP_EC_gen("P-256"));
    must(key != nullptr);
    return key_text(*key);
}

certified_key make_authority(const std::string& cluster, const validity& when) {
    certified_key made{.certificate = {}, .key = make_key()};
    const key_ptr key = read_key(made.key);
    const name_ptr name = name_of(cluster);
    const x509_ptr certificate = begin(*name, *name, *key, when);
    add(*certificate, *certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add(*certificate, *certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(*certificate, *certificate, NID_subject_key_identifier, "hash");
    sign(*certificate, *key);
    made.certificate = certificate_text(*certificate);
    return made;
}

std::string make_request(const std::string& key, const certified_node& who) {
    const key_ptr own = read_key(key);
    const request_ptr made(X509_REQ_new());
    const name_ptr name = name_of(who.name);
    must(own != nullptr && made != nullptr && X509_REQ_set_version(made.get(), 0) == 1
         && X509_REQ_set_subject_name(made.get(), name.get()) == 1
         && X509_REQ_set_pubkey(made.get(), own.get()) == 1);
    const extensions_ptr all(sk_X509_EXTENSION_new_null());
    must(all != nullptr
         && sk_X509_EXTENSION_push(all.get(), alternative_name(identity_uri(who)).release()) > 0
         && X509_REQ_add_extensions(made.get(), all.get()) == 1
         && X509_REQ_sign(made.get(), own.get(), EVP_sha256()) > 0);
    return written([&](BIO* to) { return PEM_write_bio_X509_REQ(to, made.get()) == 1; });
}

result<certificate_request, std::string> read_request(std::string_view pem) {
    const request_ptr found = read_signing_request(pem);
    if (found == nullptr) {
        return failure(std::string("holds no signing request"));
    }
    EVP_PKEY* const key = X509_REQ_get0_pubkey(found.get());
    if (key == nullptr || X509_REQ_verify(found.get(), key) != 1) {
        ERR_clear_error();
        return failure(std::string("the request is not signed by the key that it is for"));
    }
    auto who = identity_of(*found);
    if (!who) {
        return failure(std::string("the request does not say which node it is for"));
    }
    return certificate_request{.who = std::move(*who), .key_hash = hex(sha256(public_key(*key)))};
}

result<void, std::string> check_authority(const certified_key& by) {
    const bio_ptr from = reading(by.certificate);
    const x509_ptr issuer = read_x509(*from);
    const key_ptr key = read_key(by.key);
    if (issuer == nullptr || X509_check_ca(issuer.get()) == 0) {
        return failure(std::string("there is no certificate of an authority"));
    }
    if (key == nullptr || X509_check_private_key(issuer.get(), key.get()) != 1) {
        ERR_clear_error();
        return failure(std::string("the key is not that of the authority"));
    }
    return {};
}

result<std::string, std::string> sign_request(const certified_key& by, std::string_view request,
                                              const certified_node& who, const validity& when) {
    const request_ptr asked = read_signing_request(request);
    if (const auto can = check_authority(by); !can) {
        return failure(can.error());
    }
    if (asked == nullptr) {
        return failure(std::string("holds no signing request"));
    }
    const bio_ptr from = reading(by.certificate);
    const x509_ptr issuer = read_x509(*from);
    const key_ptr key = read_key(by.key);
    const name_ptr name = name_of(who.name);
    const x509_ptr made = begin(*name, *X509_get_subject_name(issuer.get()),
                                *X509_REQ_get0_pubkey(asked.get()), when);
    add_uses_of_node(*made, *issuer);
    add(*made, *issuer, NID_authority_key_identifier, "keyid:always");
    must(X509_add_ext(made.get(), alternative_name(identity_uri(who)).get(), -1) == 1);
    sign(*made, *key);
    return certificate_text(*made);
}

certified_key make_applicant(const std::string& token, std::string_view secret,
                             const validity& when) {
    certified_key made{.certificate = {}, .key = make_key()};
    const key_ptr key = read_key(made.key);
    const name_ptr name = name_of("applicant");
    const x509_ptr certificate = begin(*name, *name, *key, when);
    add_uses_of_node(*certificate, *certificate);
    const std::string uri =
        std::string(token_scheme) + token + "/" + proof_of(public_key(*key), secret);
    must(X509_add_ext(certificate.get(), alternative_name(uri).get(), -1) == 1);
    sign(*certificate, *key);
    made.certificate = certificate_text(*certificate);
    return made;
}

std::optional<applicant> read_applicant(std::string_view pem) {
    constexpr std::size_t token_digits = 16;
    constexpr std::size_t proof_digits = 64;
    const bio_ptr from = reading(pem);
    const x509_ptr found = read_x509(*from);
    if (found == nullptr) {
        return std::nullopt;
    }
    const names_ptr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(found.get(), NID_subject_alt_name, nullptr, nullptr)));
    const auto uri = only_uri(names.get());
    EVP_PKEY* const key = X509_get0_pubkey(found.get());
    if (!uri || key == nullptr || !uri->starts_with(token_scheme)
        || uri->size() != token_scheme.size() + token_digits + 1 + proof_digits
        || (*uri)[token_scheme.size() + token_digits] != '/') {
        ERR_clear_error();
        return std::nullopt;
    }
    return applicant{.token = uri->substr(token_scheme.size(), token_digits),
                     .proof = uri->substr(token_scheme.size() + token_digits + 1),
                     .key = public_key(*key)};
}

bool is_proven(const applicant& by, std::string_view secret) {
    const std::string expected = proof_of(by.key, secret);
    return by.proof.size() == expected.size()
           && CRYPTO_memcmp(by.proof.data(), expected.data(), expected.size()) == 0;
}

} // namespace gv::cluster
