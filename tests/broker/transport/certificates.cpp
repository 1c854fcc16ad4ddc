// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/transport/certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <memory>

namespace gv::transport::testing {

namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using file_ptr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

key_ptr make_key(key_type type) {
    return {type == key_type::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free};
}

file_ptr open_file(const std::string& path, const char* mode) {
    return {std::fopen(path.c_str(), mode), [](std::FILE* file) { return std::fclose(file); }};
}

void write_certificate(const std::string& path, X509* certificate) {
    PEM_write_X509(open_file(path, "w").get(), certificate);
}

void write_key(const std::string& path, EVP_PKEY* key) {
    PEM_write_PrivateKey(open_file(path, "w").get(), key, nullptr, nullptr, 0, nullptr, nullptr);
}

key_ptr read_key(const std::string& path) {
    return {PEM_read_PrivateKey(open_file(path, "r").get(), nullptr, nullptr, nullptr),
            &EVP_PKEY_free};
}

x509_ptr read_certificate(const std::string& path) {
    return {PEM_read_X509(open_file(path, "r").get(), nullptr, nullptr, nullptr), &X509_free};
}

void add_extension(X509* certificate, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

x509_ptr make_certificate(const certificate_request& wanted, EVP_PKEY* key, int serial) {
    x509_ptr made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
    X509_time_adj_ex(X509_getm_notBefore(made.get()), wanted.valid_from_days, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(made.get()), wanted.valid_from_days + wanted.valid_for_days,
                     0, nullptr);
    X509_set_pubkey(made.get(), key);
    auto* name = X509_get_subject_name(made.get());
    const auto* text = reinterpret_cast<const unsigned char*>(wanted.common_name.c_str());
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>("Test"), -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
    return made;
}

} // namespace

authority::authority() {
    std::string pattern = std::filesystem::temp_directory_path() / "certificates-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const auto key = make_key(key_type::ec);
    const auto root = make_certificate({.common_name = folder_.filename()}, key.get(), serial_);
    X509_set_issuer_name(root.get(), X509_get_subject_name(root.get()));
    add_extension(root.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(root.get(), key.get(), EVP_sha256());
    write_certificate(ca_file(), root.get());
    write_key(path("ca.key"), key.get());
}

authority::~authority() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

tls_certificate authority::sign(const certificate_request& wanted) {
    const auto ca_key = read_key(path("ca.key"));
    const auto ca = read_certificate(ca_file());
    const auto key = make_key(wanted.key);
    const auto made = make_certificate(wanted, key.get(), ++serial_);
    X509_set_issuer_name(made.get(), X509_get_subject_name(ca.get()));
    X509_sign(made.get(), ca_key.get(), EVP_sha256());
    const tls_certificate files{.chain_file = path(std::to_string(serial_) + ".pem"),
                                .key_file = path(std::to_string(serial_) + ".key")};
    write_certificate(files.chain_file, made.get());
    write_key(files.key_file, key.get());
    return files;
}

std::string authority::write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
}

std::string authority::encrypt_key(const std::string& key_file) const {
    const auto key = read_key(key_file);
    const auto encrypted = key_file + ".encrypted";
    PEM_write_PrivateKey(open_file(encrypted, "w").get(), key.get(), EVP_aes_128_cbc(),
                         reinterpret_cast<const unsigned char*>("secret"), 6, nullptr, nullptr);
    return encrypted;
}

authority& shared_authority() {
    static authority shared;
    return shared;
}

tls_options server_options() {
    static const auto certificate = shared_authority().sign({});
    return {.certificates = {certificate},
            .client_ca_file = {},
            .clients = client_certificates::ignored,
            .version_min = tls_version::v1_2,
            .ciphers = {},
            .cipher_suites = {}};
}

std::shared_ptr<const tls_context> load_or_fail(const tls_options& options) {
    auto loaded = tls_context::load(options, std::chrono::system_clock::now());
    for (const auto& each : loaded.errors) {
        ADD_FAILURE() << each.place << ": " << each.what << ": " << each.remedy;
    }
    return loaded.context;
}

} // namespace gv::transport::testing
