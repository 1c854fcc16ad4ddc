// SPDX-License-Identifier: Apache-2.0
// What can be said before a start, or before a reload is applied, about the files that the options
// name. Reads what a start reads, and changes nothing.
#pragma once

#include "base/result.hpp"
#include "broker/server/load.hpp"
#include "broker/server/options.hpp"

#include <vector>

namespace gv::server {

struct file_check {
    std::vector<problem> errors;   ///< the broker would not start
    std::vector<problem> warnings; ///< it would, without what is named
};

/// Certificates, keys and authorities of every listener with TLS. Blocks on the disk.
[[nodiscard]] file_check check_certificates(const options& all);

/// The same, the certificate of the node, password and ACL file, and the folder of the store. Files
/// that cannot be read at all are left to validate().
[[nodiscard]] file_check check_files(const loaded_options& loaded);

} // namespace gv::server
