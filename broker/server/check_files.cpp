// SPDX-License-Identifier: Apache-2.0
#include "broker/server/check_files.hpp"

#include "broker/server/access.hpp"
#include "broker/server/cluster_identity.hpp"
#include "broker/server/derive.hpp"
#include "broker/server/persistence.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>

namespace gv::server {

namespace {

/// One certificate may serve several listeners; its problems are told once.
void add_new(std::vector<problem>& to, const std::vector<problem>& from) {
    std::ranges::copy_if(from, std::back_inserter(to), [&](const problem& each) {
        return std::ranges::none_of(to, [&](const problem& known) {
            return known.place == each.place && known.what == each.what;
        });
    });
}

[[nodiscard]] bool is_readable(const std::string& file) {
    return file.empty() || ::access(file.c_str(), R_OK) == 0;
}

[[nodiscard]] bool can_be_loaded(const listener_options& listener) {
    return uses_tls(listener) && !listener.tls_key->empty()
           && is_readable(*listener.tls_certificate) && is_readable(*listener.tls_key)
           && is_readable(*listener.tls_client_ca);
}

/// `all` without the files that cannot be read.
[[nodiscard]] options with_readable_files(options all) {
    for (option<std::string>* const each : {&all.auth.password_file, &all.auth.acl_file}) {
        if (!is_readable(**each)) {
            *each = std::string();
        }
    }
    return all;
}

} // namespace

file_check check_certificates(const options& all) {
    file_check found;
    for (const listener_options& listener : all.listeners) {
        if (can_be_loaded(listener)) {
            const transport::tls_load loaded = transport::tls_context::load(
                tls_options_of(listener), std::chrono::system_clock::now());
            add_new(found.errors, loaded.errors);
            add_new(found.warnings, loaded.warnings);
        }
    }
    return found;
}

file_check check_files(const loaded_options& loaded) {
    file_check found = check_certificates(loaded.values);
    const access_load access = load_access(with_readable_files(loaded.values), {});
    add_new(found.errors, access.errors);
    add_new(found.warnings, access.warnings);
    const identity_load identity = load_identity(loaded.values, std::chrono::system_clock::now());
    add_new(found.errors, identity.errors);
    add_new(found.warnings, identity.warnings);
    add_new(found.errors, check_store_folder(loaded.values, loaded.origins));
    return found;
}

} // namespace gv::server
