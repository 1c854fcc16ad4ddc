// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/tls_texts.hpp"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

namespace gv::transport {

namespace {

struct reason_row {
    int reason;
    const char* text;
};

/// What a person can act on, for the failures that happen.
constexpr reason_row reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
     "the client sent no certificate, which this listener requires"},
    {SSL_R_UNSUPPORTED_PROTOCOL,
     "the client offers only TLS versions older than this listener accepts"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common with the client"},
    {SSL_R_HTTP_REQUEST, "plain HTTP on a TLS port"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
     "the client does not know the authority of this listener's certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the client refuses this listener's certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the client refuses this listener's certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
     "the client refuses this listener's certificate, which it finds expired"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the client refuses every TLS version of this listener"},
};

std::string utf8(const ASN1_STRING* from) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, from);
    if (size < 0) {
        return {};
    }
    std::string copy(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return copy;
}

} // namespace

const char* tls_reason(int reason) noexcept {
    const auto* row = std::ranges::find(reasons, reason, &reason_row::reason);
    return row == std::end(reasons) ? nullptr : row->text;
}

const char* tls_stranger(unsigned char first) noexcept {
    constexpr unsigned char handshake_record = 0x16;
    constexpr unsigned char mqtt_connect = 0x10;
    if (first == handshake_record) {
        return nullptr;
    }
    if (first == mqtt_connect) {
        return "plain MQTT on a TLS port";
    }
    return first >= 'A' && first <= 'Z' ? "plain HTTP on a TLS port" : "not TLS";
}

std::string tls_common_name(X509_NAME* subject) {
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return {};
    }
    auto name = utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    return name.contains('\0') ? std::string() : name;
}

std::string tls_subject(X509_NAME* subject) {
    BIO* out = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(out, subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    std::string copy(text, static_cast<std::size_t>(size));
    BIO_free(out);
    return copy;
}

} // namespace gv::transport
