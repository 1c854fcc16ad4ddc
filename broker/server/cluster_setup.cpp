// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_setup.hpp"

#include "base/log.hpp"
#include "broker/server/cluster_identity.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/secret_file.hpp"
#include "broker/server/validate.hpp"
#include "cluster/certificate_authority.hpp"
#include "cluster/grpc_admission.hpp"

#include <unistd.h>

#include <filesystem>
#include <thread>

namespace gv::server {

namespace {

using cluster::certified_node;

constexpr auto attempt = std::chrono::seconds(5);
constexpr auto pause = std::chrono::seconds(1);
constexpr std::size_t cluster_name_bytes_max = 64;

[[nodiscard]] wall_time present() { return std::chrono::system_clock::now(); }

[[nodiscard]] std::string host_name() {
    char text[256] = {};
    return ::gethostname(text, sizeof text - 1) == 0 && text[0] != '\0' ? text : "localhost";
}

[[nodiscard]] std::string name_of(const options& all) {
    return all.node.name->empty() ? host_name() : *all.node.name;
}

[[nodiscard]] std::string file_in(const std::string& folder, std::string_view name) {
    return folder + "/" + std::string(name);
}

[[nodiscard]] bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

[[nodiscard]] problem no_folder() {
    return {.place = "storage.enabled",
            .what = "a broker that keeps nothing has no folder for certificates",
            .remedy = "set storage.enabled = true, or name files by cluster.tls_certificate, "
                      "cluster.tls_key and cluster.tls_ca"};
}

/// The folder that is written to. Errors: there is none, or another would be used.
[[nodiscard]] result<std::string, problem> own_folder(const options& all) {
    if (!all.cluster.tls_certificate->empty()) {
        return failure(problem{.place = "cluster.tls_certificate",
                               .what = "names a certificate, and this command makes one in the "
                                       "folder of the store",
                               .remedy = "leave that option out, or have the certificate made by "
                                         "who has made that one"});
    }
    std::string folder = cluster_folder(all);
    if (folder.empty()) {
        return failure(no_folder());
    }
    return folder;
}

/// That of the certificate before; else that of the store, since it is in whatever is kept there;
/// else a new one.
[[nodiscard]] result<node_id, problem> own_id(const options& all) {
    if (const node_id certified = certified_id(all); certified != node_id{}) {
        return certified;
    }
    if (is_there(store_folder(all) + "/db")) {
        const auto opened = open_store(all, {});
        if (!opened) {
            return failure(opened.error());
        }
        const node_id found = (*opened)->node().node;
        (*opened)->close();
        return found;
    }
    node_id made;
    while (made == node_id{}) {
        for (const char each : cluster::random_bytes(sizeof made.value)) {
            made.value = made.value << 8 | static_cast<unsigned char>(each);
        }
    }
    return made;
}

/// Writes several files, up to the first that cannot be written.
class folder_writer {
  public:
    folder_writer(const options& all, std::string folder)
        : user_(*all.node.user), folder_(std::move(folder)),
          wrong_(make_secret_folder(folder_, user_)) {}

    void put(std::string_view name, const std::string& text) {
        if (!wrong_) {
            wrong_ = write_secret(file_in(folder_, name), text, user_);
        }
    }
    [[nodiscard]] const std::optional<problem>& wrong() const noexcept { return wrong_; }

  private:
    const std::string user_;
    const std::string folder_;
    std::optional<problem> wrong_;
};

/// The certificate comes last: as long as it is not there, nothing is.
[[nodiscard]] std::optional<problem> write_identity(const options& all, const std::string& folder,
                                                    const cluster::tls_material& from) {
    folder_writer to(all, folder);
    to.put(authorities_name, from.authorities);
    to.put(own_key_name, from.key);
    to.put(own_certificate_name, from.chain);
    return to.wrong();
}

[[nodiscard]] result<cluster_setup, problem>
issue_own(const options& all, const std::string& folder, const certified_node& who,
          const cluster::certified_key& by, const std::string& authorities) {
    const std::string key = cluster::make_key();
    const cluster::validity when = cluster::valid_for(present(), cluster::node_lifetime);
    auto chain = cluster::sign_request(by, cluster::make_request(key, who), who, when);
    if (!chain) {
        return failure(problem{.place = file_in(folder, authority_key_name),
                               .what = chain.error(),
                               .remedy = "put the key of the authority there"});
    }
    if (auto wrong = write_identity(all, folder, {*chain, key, authorities})) {
        return failure(std::move(*wrong));
    }
    return cluster_setup{.folder = folder,
                         .who = who,
                         .authority = cluster::fingerprint(by.certificate),
                         .until = when.until};
}

} // namespace

token_places token_places_of(const options& all) {
    const auto places = find_identity(all);
    const std::string authorities =
        places ? places->authorities : file_in(cluster_folder(all), authorities_name);
    const std::string beside = std::filesystem::path(authorities).parent_path().string();
    return {.tokens = store_folder(all) + "/cluster.tokens",
            .authority = authorities,
            .authority_key = file_in(beside.empty() ? "." : beside, authority_key_name),
            .user = *all.node.user};
}

result<cluster_setup, problem> init_cluster(const options& all, const std::string& name) {
    const auto at = own_folder(all);
    if (!at) {
        return failure(at.error());
    }
    const std::string& folder = *at;
    const std::string& configured = *all.cluster.name;
    const std::string& cluster = name.empty() ? configured : name;
    for (const std::string_view each :
         {authority_key_name, authorities_name, own_certificate_name}) {
        if (is_there(file_in(folder, each))) {
            return failure(problem{.place = file_in(folder, each),
                                   .what = "is there already: this node has been set up",
                                   .remedy = "see `grapevine cluster token` to let others in; to "
                                             "begin anew, move that folder away"});
        }
    }
    if (cluster.empty() || cluster.size() > cluster_name_bytes_max) {
        return failure(problem{.place = "cluster.name",
                               .what = "the cluster has no name of 1 to 64 bytes",
                               .remedy = "write such as `grapevine cluster init home`"});
    }
    if (!configured.empty() && configured != cluster) {
        return failure(
            problem{.place = "cluster.name",
                    .what = "is \"" + configured + "\", and \"" + cluster + "\" was asked for",
                    .remedy = "give the command no name, or change the option"});
    }
    const auto node = own_id(all);
    if (!node) {
        return failure(node.error());
    }
    const cluster::certified_key made = cluster::make_authority(
        cluster, cluster::valid_for(present(), cluster::authority_lifetime));
    folder_writer to(all, folder);
    to.put(authority_key_name, made.key);
    if (to.wrong()) {
        return failure(*to.wrong());
    }
    return issue_own(all, folder, {.cluster = cluster, .node = *node, .name = name_of(all)}, made,
                     made.certificate);
}

result<cluster_setup, problem> renew_certificate(const options& all) {
    const auto at = own_folder(all);
    if (!at) {
        return failure(at.error());
    }
    const std::string& folder = *at;
    const token_places places = token_places_of(all);
    const auto by = token_desk(*all.cluster.name, places).authority();
    if (!by) {
        return failure(by.error());
    }
    const node_id node = certified_id(all);
    if (node == node_id{}) {
        return failure(problem{.place = folder,
                               .what = "there is no certificate of this node",
                               .remedy = "see `grapevine cluster init`"});
    }
    return issue_own(all, folder,
                     {.cluster = *all.cluster.name, .node = node, .name = name_of(all)}, *by,
                     read_whole(places.authority).value_or(by->certificate));
}

result<cluster::join_token, problem> make_token(const options& all, const std::string& address,
                                                std::chrono::seconds good_for) {
    if (!*all.storage.enabled) {
        return failure(no_folder());
    }
    const std::string& bind = *all.cluster.bind;
    const bool is_any = bind == "0.0.0.0" || bind == "::";
    std::string named = address.empty() ? *all.cluster.advertise : address;
    if (named.empty() && *all.cluster.port != 0) {
        named = address_text(is_any ? host_name() : bind, *all.cluster.port);
    }
    if (named.empty()) {
        return failure(problem{.place = "cluster.port",
                               .what = "is 0, so that nobody knows at which port this node will be",
                               .remedy = "give the address with --address"});
    }
    return token_desk(*all.cluster.name, token_places_of(all))
        .make(named, present() + good_for, present());
}

result<cluster_setup, problem> join_by_token(const options& all, const std::string& token,
                                             std::chrono::seconds patience) {
    const auto at = own_folder(all);
    if (!at) {
        return failure(at.error());
    }
    const std::string& folder = *at;
    const auto read = cluster::parse_join_token(token);
    if (!read) {
        return failure(problem{.place = "the token",
                               .what = read.error(),
                               .remedy = "get one with `grapevine cluster token` on a node of the "
                                         "cluster"});
    }
    if (is_there(file_in(folder, authority_key_name))) {
        return failure(problem{.place = file_in(folder, authority_key_name),
                               .what = "this node has an authority of its own",
                               .remedy = "move that folder away to join another cluster"});
    }
    const auto node = own_id(all);
    if (!node) {
        return failure(node.error());
    }
    // The same if the answer to an attempt before was lost: a token is good for one key.
    const std::string draft = "joining.key";
    std::string key = read_whole(file_in(folder, draft)).value_or(std::string());
    if (key.empty()) {
        key = cluster::make_key();
        folder_writer to(all, folder);
        to.put(draft, key);
        if (to.wrong()) {
            return failure(*to.wrong());
        }
    }
    const cluster::admission_question question{
        .cluster = *all.cluster.name, .node = *node, .name = name_of(all), .key = key};
    const time_point until = std::chrono::steady_clock::now() + patience;
    auto answer = cluster::ask_admission(*read, question, attempt);
    while (!answer && answer.error().may_pass && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(pause);
        answer = cluster::ask_admission(*read, question, attempt);
    }
    if (!answer) {
        return failure(answer.error().what);
    }
    folder_writer to(all, folder);
    to.put(first_seed_name, read->address + "\n");
    if (to.wrong()) {
        return failure(*to.wrong());
    }
    if (auto wrong = write_identity(all, folder, answer->material)) {
        return failure(std::move(*wrong));
    }
    ::unlink(file_in(folder, draft).c_str());
    const auto facts = cluster::read_certificate(answer->material.chain);
    return cluster_setup{.folder = folder,
                         .who = answer->who,
                         .authority = read->authority,
                         .until = facts ? facts->not_after : wall_time{}};
}

// Nodes may start in any order, so the other may not be there yet.
std::vector<problem> join_at_start(loaded_options& loaded) {
    constexpr auto patience = std::chrono::minutes(2);
    const options& all = loaded.values;
    if (all.cluster.join_token->empty() || find_identity(all)) {
        return {};
    }
    log::info("cluster_joining", {{"by", "cluster.join_token"}});
    if (auto done = join_by_token(all, *all.cluster.join_token, patience); !done) {
        problem wrong = done.error();
        wrong.what = "this node does not get its certificate: " + wrong.place + ": " + wrong.what;
        wrong.place = "cluster.join_token";
        return {std::move(wrong)};
    }
    complete_cluster(loaded);
    return {};
}

} // namespace gv::server
