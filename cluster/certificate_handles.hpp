// SPDX-License-Identifier: Apache-2.0
// What certificate*.cpp share of OpenSSL: its objects freed by themselves, texts in and out of it.
#pragma once

#include "base/assert.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace gv::cluster::openssl {

template <auto Free>
struct freed_by {
    template <typename T>
    void operator()(T* gone) const noexcept {
        Free(gone);
    }
};

using bio_ptr = std::unique_ptr<BIO, freed_by<&BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freed_by<&X509_free>>;
using request_ptr = std::unique_ptr<X509_REQ, freed_by<&X509_REQ_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<&EVP_PKEY_free>>;
using name_ptr = std::unique_ptr<X509_NAME, freed_by<&X509_NAME_free>>;
using extension_ptr = std::unique_ptr<X509_EXTENSION, freed_by<&X509_EXTENSION_free>>;
using names_ptr = std::unique_ptr<GENERAL_NAMES, freed_by<&GENERAL_NAMES_free>>;

[[nodiscard]] inline bio_ptr reading(std::string_view text) {
    bio_ptr made(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    BROKER_ASSERT(made != nullptr, "OpenSSL has memory for a text");
    return made;
}

/// What `write` has written.
template <typename Write>
[[nodiscard]] std::string written(Write&& write) {
    const bio_ptr to(BIO_new(BIO_s_mem()));
    BROKER_ASSERT(to != nullptr && write(to.get()), "OpenSSL writes what it has made");
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(to.get(), &bytes);
    return {bytes, static_cast<std::size_t>(count)};
}

/// What OpenSSL last complained about; clears its queue.
[[nodiscard]] inline std::string last_reason() {
    const auto code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return reason == nullptr ? "unknown OpenSSL error" : reason;
}

/// Never asks on the terminal.
inline int no_passphrase(char*, int, int, void*) { return -1; }

/// Null: there is none.
[[nodiscard]] inline key_ptr read_key(std::string_view pem) {
    const bio_ptr from = reading(pem);
    key_ptr key(PEM_read_bio_PrivateKey(from.get(), nullptr, &no_passphrase, nullptr));
    ERR_clear_error();
    return key;
}

/// The first one in there; null: there is none.
[[nodiscard]] inline x509_ptr read_x509(BIO& from) {
    x509_ptr found(PEM_read_bio_X509(&from, nullptr, nullptr, nullptr));
    ERR_clear_error();
    return found;
}

/// As in RFC 2253: "CN=home,O=Grapevine".
[[nodiscard]] inline std::string text_of(const X509_NAME* name) {
    return written([&](BIO* to) {
        return X509_NAME_print_ex(to, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0;
    });
}

} // namespace gv::cluster::openssl
