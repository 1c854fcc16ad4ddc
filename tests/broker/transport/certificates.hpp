// SPDX-License-Identifier: Apache-2.0
// Certificates made on the spot, in a folder that goes when the test ends.
#pragma once

#include "broker/transport/tls.hpp"

#include <filesystem>
#include <string>

namespace gv::transport::testing {

enum class key_type { ec, rsa };

struct certificate_request {
    std::string common_name = "localhost";
    key_type key = key_type::ec;
    int valid_from_days = -1;
    int valid_for_days = 30;
};

/// A folder with an authority and what it signs.
class authority {
  public:
    authority();
    ~authority();
    authority(const authority&) = delete;
    authority& operator=(const authority&) = delete;

    /// The authority's own certificate; PEM.
    [[nodiscard]] std::string ca_file() const { return path("ca.pem"); }
    /// Signs and writes a certificate and its key.
    tls_certificate sign(const certificate_request& wanted);
    /// Writes a file into the folder.
    std::string write(const std::string& name, const std::string& text) const;
    /// As `file`, with the key inside encrypted.
    std::string encrypt_key(const std::string& key_file) const;
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  private:
    std::filesystem::path folder_;
    int serial_ = 1;
};

/// The authority that most tests share; its keys cost time.
authority& shared_authority();

/// A server context of one EC certificate by shared_authority(), with changes by the caller.
tls_options server_options();
std::shared_ptr<const tls_context> load_or_fail(const tls_options& options);

} // namespace gv::transport::testing
