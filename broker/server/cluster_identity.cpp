// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_identity.hpp"

#include "broker/server/cluster_status.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/secret_file.hpp"
#include "broker/server/seed_place.hpp"
#include "broker/server/validate.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gv::server {

namespace {

[[nodiscard]] std::string file_in(const std::string& folder, std::string_view name) {
    return folder + "/" + std::string(name);
}

void report(loaded_options& loaded, const std::string& option, const std::string& what) {
    const auto found = loaded.origins.find(option);
    loaded.problems.push_back(
        {.place = found == loaded.origins.end() ? "configuration" : found->second,
         .what = option + ": " + what,
         .remedy = "make certificates (`grapevine cluster init`, and `grapevine cluster token` for "
                   "each other node), or set cluster.allow_plaintext = true in a network that "
                   "nobody else is in"});
}

/// One that is there and may not be seen is not missing: without it this would be plain text.
[[nodiscard]] bool is_missing(const std::string& path) {
    return ::access(path.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/// Whom the certificate names, whether or not it is to be believed.
[[nodiscard]] std::optional<cluster::certified_node> named_in(const cluster::tls_places& places) {
    const auto facts = cluster::read_certificate(read_whole(places.chain).value_or(std::string()));
    return facts ? facts->who : std::nullopt;
}

/// The certificate gives the cluster its name where no option does.
void take_name(loaded_options& loaded, const cluster::tls_places& places) {
    const auto who = named_in(places);
    if (loaded.values.cluster.name->empty() && who) {
        loaded.values.cluster.name = who->cluster;
        loaded.origins["cluster.name"] = places.chain;
    }
}

/// Whether what a seed names is on another machine for certain; of names nobody knows yet.
[[nodiscard]] bool is_elsewhere(const std::string& seed) {
    const auto place = parse_seed(seed);
    return place && is_address(place->host) && !is_loopback(place->host);
}

/// Who let this node in knows all others.
void take_seed(loaded_options& loaded) {
    const std::string path = file_in(cluster_folder(loaded.values), first_seed_name);
    const std::string text = read_whole(path).value_or(std::string());
    if (loaded.values.cluster.seeds->empty() && !text.empty()) {
        loaded.values.cluster.seeds = text_list{text.substr(0, text.find('\n'))};
        loaded.origins["cluster.seeds"] = path;
    }
}

void check_plain_text(loaded_options& loaded) {
    const cluster_options& cluster = loaded.values.cluster;
    if (cluster.name->empty() || *cluster.allow_plaintext) {
        return;
    }
    if (is_address(*cluster.bind) && !is_loopback(*cluster.bind)) {
        report(loaded, "cluster.bind",
               address_text(*cluster.bind, *cluster.port)
                   + " is open to other machines, and without certificates whoever reaches it "
                     "could join");
    }
    const auto elsewhere = std::ranges::find_if(*cluster.seeds, &is_elsewhere);
    if (elsewhere != cluster.seeds->end()) {
        report(loaded, "cluster.seeds",
               *elsewhere
                   + " is on another machine, and without certificates nobody knows who listens "
                     "there");
    }
}

} // namespace

std::string cluster_folder(const options& all) {
    return *all.storage.enabled ? store_folder(all) + "/cluster.tls" : std::string();
}

std::optional<cluster::tls_places> find_identity(const options& all) {
    const cluster_options& cluster = all.cluster;
    if (!cluster.tls_certificate->empty()) {
        return cluster::tls_places{.chain = *cluster.tls_certificate,
                                   .key = *cluster.tls_key,
                                   .authorities = *cluster.tls_ca};
    }
    const std::string folder = cluster_folder(all);
    if (folder.empty() || is_missing(file_in(folder, own_certificate_name))) {
        return std::nullopt;
    }
    return cluster::tls_places{.chain = file_in(folder, own_certificate_name),
                               .key = file_in(folder, own_key_name),
                               .authorities = file_in(folder, authorities_name)};
}

node_id certified_id(const options& all) {
    const auto places = find_identity(all);
    const auto who = places ? named_in(*places) : std::nullopt;
    return who ? who->node : node_id{};
}

identity_load load_identity(const options& all, wall_time now) {
    identity_load made;
    const auto places = find_identity(all);
    if (!places || all.cluster.name->empty()) {
        return made;
    }
    const auto read = [&](const std::string& path) {
        auto text = read_whole(path);
        if (!text) {
            made.errors.push_back({.place = path,
                                   .what = "cannot be read: " + text.error(),
                                   .remedy = "let the user of the broker read it"});
        }
        return text.value_or(std::string());
    };
    cluster_identity found;
    found.material = {.chain = read(places->chain),
                      .key = read(places->key),
                      .authorities = read(places->authorities)};
    if (!made.errors.empty()) {
        return made;
    }
    cluster::material_check checked =
        cluster::check_material(found.material, *places, *all.cluster.name, now);
    made.errors = std::move(checked.errors);
    made.warnings = std::move(checked.warnings);
    if (made.errors.empty() && checked.who) {
        found.who = *checked.who;
        found.not_after = checked.not_after;
        made.found = std::move(found);
    }
    return made;
}

std::optional<problem> check_owner(const options& all, const identity_load& loaded, node_id self) {
    if (!loaded.found || loaded.found->who.node == self) {
        return std::nullopt;
    }
    return problem{.place = find_identity(all)->chain,
                   .what = "is the certificate of node " + hex(loaded.found->who.node)
                           + ", and this is node " + hex(self),
                   .remedy = "give this node one of its own: `grapevine cluster token` on a node "
                             "with the authority's key, and `grapevine cluster join --token` here"};
}

void complete_cluster(loaded_options& loaded) {
    if (const auto places = find_identity(loaded.values)) {
        take_name(loaded, *places);
        take_seed(loaded);
    } else if (loaded.values.cluster.join_token->empty()) {
        check_plain_text(loaded);
    }
}

} // namespace gv::server
