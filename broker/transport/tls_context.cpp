// SPDX-License-Identifier: Apache-2.0
// Reading certificates, keys and authorities, and saying what is wrong with them. Every check goes
// on after a failure, so that one run names all problems.
#include "broker/transport/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>

namespace gv::transport {

namespace {

template <auto Free>
struct freed_by {
    template <typename T>
    void operator()(T* gone) const noexcept {
        Free(gone);
    }
};

using bio_ptr = std::unique_ptr<BIO, freed_by<&BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freed_by<&X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<&EVP_PKEY_free>>;
using ctx_ptr = std::unique_ptr<SSL_CTX, freed_by<&SSL_CTX_free>>;

constexpr const char* default_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM";

/// What OpenSSL last complained about; clears its queue.
std::string openssl_reason() {
    const auto code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return reason == nullptr ? "unknown OpenSSL error" : reason;
}

/// Never asks on the terminal; an encrypted key is reported.
int no_passphrase(char*, int, int, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
}

// Preferred in the client's order: "mqtt" is registered for MQTT, "http/1.1" is what browsers
// offer for secure WebSocket. Anything else goes on without ALPN, as clients expect that
// configure it carelessly.
int select_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void*) {
    static constexpr unsigned char ours[] = "\x04mqtt\x08http/1.1";
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, size, ours, sizeof ours - 1, offered, offered_size)
        != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

class loader {
  public:
    loader(const tls_options& options, wall_time now)
        : options_(options), now_(std::chrono::system_clock::to_time_t(now)),
          ctx_(SSL_CTX_new(TLS_server_method())) {}

    tls_load run() {
        set_rules();
        set_ciphers();
        if (options_.certificates.empty()) {
            error("tls", "no certificate", "name a certificate file and its key file");
        }
        for (const auto& each : options_.certificates) {
            use_certificate(each);
        }
        use_client_authorities();
        return std::move(found_);
    }

    ctx_ptr take() { return std::move(ctx_); }

  private:
    void error(std::string place, std::string what, std::string remedy) {
        found_.errors.push_back({std::move(place), std::move(what), std::move(remedy)});
    }
    void warn(std::string place, std::string what, std::string remedy) {
        found_.warnings.push_back({std::move(place), std::move(what), std::move(remedy)});
    }

    void set_rules() {
        auto* ctx = ctx_.get();
        SSL_CTX_set_min_proto_version(
            ctx, options_.version_min == tls_version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                  | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        // MQTT frames itself, so that a peer that just vanishes deceives nobody: many clients
        // close without close_notify.
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                     | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA
                                     | SSL_OP_IGNORE_UNEXPECTED_EOF);
        // One receive brings as many records as there are, instead of two receives a record.
        SSL_CTX_set_read_ahead(ctx, 1);
        // Resumption is by tickets, which cost us nothing between connections. The identity is
        // what OpenSSL demands for resuming with client certificates.
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        static constexpr unsigned char identity[] = "grapevine";
        SSL_CTX_set_session_id_context(ctx, identity, sizeof identity - 1);
        SSL_CTX_set_num_tickets(ctx, 1);
        SSL_CTX_set_alpn_select_cb(ctx, &select_protocol, nullptr);
    }

    void set_ciphers() {
        const auto& list = options_.ciphers;
        if (SSL_CTX_set_cipher_list(ctx_.get(), list.empty() ? default_ciphers : list.c_str())
            != 1) {
            error("tls.ciphers", "no usable cipher in \"" + list + "\": " + openssl_reason(),
                  "see `openssl ciphers` for the notation, or leave it out");
        }
        const auto& suites = options_.cipher_suites;
        if (!suites.empty() && SSL_CTX_set_ciphersuites(ctx_.get(), suites.c_str()) != 1) {
            error("tls.cipher_suites",
                  "no usable cipher suite in \"" + suites + "\": " + openssl_reason(),
                  "write it like TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
        }
    }

    /// The whole file, or nothing and an error with the system's reason.
    bio_ptr open(const std::string& path, const char* role) {
        errno = 0;
        bio_ptr file(BIO_new_file(path.c_str(), "r"));
        if (file == nullptr) {
            const std::string why = std::strerror(errno);
            ERR_clear_error();
            error(path, std::string("cannot read the ") + role + ": " + why,
                  errno == EACCES ? "let the broker's user read it" : "check the path");
        }
        return file;
    }

    void use_certificate(const tls_certificate& files) {
        const auto leaf = read_chain(files.chain_file);
        const auto key = read_key(files.key_file);
        if (leaf == nullptr) {
            return;
        }
        check_validity(files.chain_file, *leaf);
        if (!key_types_.insert(EVP_PKEY_get_base_id(X509_get0_pubkey(leaf.get()))).second) {
            error(files.chain_file, "a second certificate of the same key type",
                  "give one RSA and one ECDSA certificate at most");
            return;
        }
        if (key == nullptr) {
            return;
        }
        if (X509_check_private_key(leaf.get(), key.get()) != 1) {
            ERR_clear_error();
            error(files.key_file, "is not the key of the certificate in " + files.chain_file,
                  "give the key that the certificate was requested with");
            return;
        }
        install(files, *leaf, *key);
    }

    void install(const tls_certificate& files, X509& leaf, EVP_PKEY& key) {
        auto* ctx = ctx_.get();
        if (SSL_CTX_use_certificate(ctx, &leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, &key) != 1) {
            error(files.chain_file, "refused by OpenSSL: " + openssl_reason(),
                  "use an RSA key of 2048 bits or more, or an ECDSA key");
            return;
        }
        SSL_CTX_clear_chain_certs(ctx);
        for (const auto& each : intermediates_) {
            SSL_CTX_add1_chain_cert(ctx, each.get());
        }
    }

    /// The leaf; fills intermediates_.
    x509_ptr read_chain(const std::string& path) {
        intermediates_.clear();
        const auto file = open(path, "certificate");
        if (file == nullptr) {
            return nullptr;
        }
        x509_ptr leaf(PEM_read_bio_X509_AUX(file.get(), nullptr, nullptr, nullptr));
        if (leaf == nullptr) {
            error(path, "holds no certificate: " + openssl_reason(),
                  "the file must be PEM and begin with the server's certificate");
            return nullptr;
        }
        while (X509* next = PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr)) {
            intermediates_.emplace_back(next);
        }
        ERR_clear_error(); // the end of the file
        return leaf;
    }

    key_ptr read_key(const std::string& path) {
        const auto file = open(path, "private key");
        if (file == nullptr) {
            return nullptr;
        }
        bool was_asked = false;
        key_ptr key(PEM_read_bio_PrivateKey(file.get(), nullptr, &no_passphrase, &was_asked));
        if (key == nullptr && was_asked) {
            ERR_clear_error();
            error(path, "the private key is encrypted",
                  "decrypt it with `openssl pkey -in FILE -out FILE` and protect the file");
        } else if (key == nullptr) {
            error(path, "holds no private key: " + openssl_reason(), "the file must be PEM");
        }
        return key;
    }

    void check_validity(const std::string& path, const X509& leaf) {
        auto now = now_;
        if (X509_cmp_time(X509_get0_notAfter(&leaf), &now) < 0) {
            warn(path, "the certificate has expired", "renew it; clients will refuse it");
        }
        if (X509_cmp_time(X509_get0_notBefore(&leaf), &now) > 0) {
            warn(path, "the certificate is not valid yet", "check the clock of this machine");
        }
    }

    void use_client_authorities() {
        if (options_.clients == client_certificates::ignored) {
            return;
        }
        const auto& path = options_.client_ca_file;
        if (path.empty()) {
            error("tls.client_ca_file", "client certificates are wanted, but no authority is named",
                  "name the file of the authority that signs them");
            return;
        }
        const auto file = open(path, "authorities of client certificates");
        if (file == nullptr) {
            return;
        }
        if (add_authorities(*file) == 0) {
            error(path, "holds no certificate: " + openssl_reason(), "the file must be PEM");
            return;
        }
        ERR_clear_error();
        const bool required = options_.clients == client_certificates::required;
        SSL_CTX_set_verify(ctx_.get(),
                           SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                           nullptr);
    }

    std::size_t add_authorities(BIO& file) {
        std::size_t count = 0;
        while (const x509_ptr each{PEM_read_bio_X509(&file, nullptr, nullptr, nullptr)}) {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx_.get()), each.get());
            SSL_CTX_add_client_CA(ctx_.get(), each.get());
            ++count;
        }
        return count;
    }

    const tls_options& options_;
    std::time_t now_;
    ctx_ptr ctx_;
    std::vector<x509_ptr> intermediates_;
    std::set<int> key_types_;
    tls_load found_;
};

} // namespace

tls_load tls_context::load(const tls_options& options, wall_time now) {
    loader each(options, now);
    auto found = each.run();
    if (found.errors.empty()) {
        found.context.reset(new tls_context(each.take().release()));
    }
    return found;
}

tls_context::~tls_context() { SSL_CTX_free(native_); }

} // namespace gv::transport
