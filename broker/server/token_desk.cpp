// SPDX-License-Identifier: Apache-2.0
#include "broker/server/token_desk.hpp"

#include "base/log.hpp"
#include "broker/server/cluster_status.hpp"
#include "broker/server/secret_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace gv::server {

namespace {

constexpr std::size_t tokens_max = 1'024;

[[nodiscard]] wall_time present() { return std::chrono::system_clock::now(); }

[[nodiscard]] std::int64_t seconds_of(wall_time at) {
    return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
}

void log_problem(const problem& wrong) {
    log::warn("admission_failed",
              {{"place", wrong.place}, {"problem", wrong.what}, {"remedy", wrong.remedy}});
}

struct known_token {
    std::string secret;
    wall_time until{};
    std::string used_by; ///< empty: not yet
};

/// What is in the file, as long as nobody else changes it.
class token_file {
  public:
    token_file(const std::string& path, const std::string& user)
        : path_(path), user_(user),
          lock_(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        if (lock_ >= 0) {
            static_cast<void>(give_to_user(path + ".lock", user));
            ::flock(lock_, LOCK_EX);
        }
        read();
    }
    ~token_file() {
        if (lock_ >= 0) {
            ::close(lock_);
        }
    }
    token_file(const token_file&) = delete;
    token_file& operator=(const token_file&) = delete;

    /// Null: it is over, was never there, or is not proven.
    [[nodiscard]] known_token* find(const cluster::applicant& who, wall_time now) {
        const auto found = tokens_.find(who.token);
        return found == tokens_.end() || found->second.until < now
                       || !cluster::is_proven(who, found->second.secret)
                   ? nullptr
                   : &found->second;
    }
    [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
    void put(const cluster::join_token& made) {
        tokens_[made.number] = {.secret = made.secret, .until = made.until, .used_by = {}};
    }
    void drop_those_over(wall_time now) {
        std::erase_if(tokens_, [now](const auto& each) { return each.second.until < now; });
    }
    [[nodiscard]] std::optional<problem> write() const {
        std::string text;
        for (const auto& [number, each] : tokens_) {
            text += number + " " + each.secret + " " + std::to_string(seconds_of(each.until)) + " "
                    + (each.used_by.empty() ? "-" : each.used_by) + "\n";
        }
        return write_secret(path_, text, user_);
    }

  private:
    void read() {
        std::ifstream file(path_);
        std::string line;
        while (std::getline(file, line)) {
            std::istringstream words(line);
            std::string number;
            known_token each;
            std::int64_t seconds = 0;
            if (words >> number >> each.secret >> seconds >> each.used_by) {
                each.until = std::chrono::system_clock::from_time_t(seconds);
                each.used_by = each.used_by == "-" ? std::string() : each.used_by;
                tokens_[number] = std::move(each);
            }
        }
    }

    const std::string path_;
    const std::string user_;
    const int lock_;
    std::map<std::string, known_token> tokens_; ///< by number
};

} // namespace

// Read for each: it may be put there, and taken away again, while the node runs.
result<cluster::certified_key, problem> token_desk::authority() const {
    const auto key = read_whole(places_.authority_key);
    const auto all = read_whole(places_.authority);
    if (!key || !all) {
        return failure(problem{
            .place = key ? places_.authority : places_.authority_key,
            .what = "cannot be read: " + (key ? all.error() : key.error()),
            .remedy = "do this on the node that has the authority's key, as the one on which "
                      "`grapevine cluster init` ran has"});
    }
    for (const std::string& each : cluster::split_certificates(*all)) {
        const cluster::certified_key found{.certificate = each, .key = *key};
        if (cluster::check_authority(found)) {
            return found;
        }
    }
    return failure(problem{.place = places_.authority_key,
                           .what = "is not the key of an authority in " + places_.authority,
                           .remedy = "put the key of one of them there"});
}

result<cluster::join_token, problem> token_desk::make(const std::string& address, wall_time until,
                                                      wall_time now) {
    const auto by = authority();
    if (!by) {
        return failure(by.error());
    }
    cluster::join_token made =
        cluster::make_join_token(cluster::fingerprint(by->certificate), until, address);
    token_file tokens(places_.tokens, places_.user);
    tokens.drop_those_over(now);
    if (tokens.size() >= tokens_max) {
        return failure(problem{.place = places_.tokens,
                               .what = "there are 1,024 tokens already",
                               .remedy = "wait until some of them are over"});
    }
    tokens.put(made);
    if (auto wrong = tokens.write()) {
        return failure(std::move(*wrong));
    }
    return made;
}

bool token_desk::knows(const cluster::applicant& who) {
    return token_file(places_.tokens, places_.user).find(who, present()) != nullptr;
}

// It is used up on disk before the certificate goes out. Whoever did not get the answer may ask
// again, with the same key.
result<cluster::admitted, std::string> token_desk::admit(const cluster::applicant& who,
                                                         const std::string& request) {
    const auto asked = cluster::read_request(request);
    const auto by = authority();
    if (!asked) {
        return failure(asked.error());
    }
    if (!by) {
        log_problem(by.error());
        return failure(std::string("the node there cannot make certificates; its log says why"));
    }
    const wall_time now = present();
    token_file tokens(places_.tokens, places_.user);
    known_token* const used = tokens.find(who, now);
    if (used == nullptr) {
        return failure(std::string("the token is over"));
    }
    if (!used->used_by.empty() && used->used_by != asked->key_hash) {
        log::warn("token_used_again", {{"token", who.token}, {"node", hex(asked->who.node)}});
        return failure(std::string("the token was used already"));
    }
    if (std::exchange(used->used_by, asked->key_hash).empty()) {
        if (const auto wrong = tokens.write()) {
            log_problem(*wrong);
            return failure(std::string("the node there cannot write to its disk"));
        }
    }
    const cluster::certified_node node{
        .cluster = cluster_, .node = asked->who.node, .name = asked->who.name};
    auto made =
        cluster::sign_request(*by, request, node, cluster::valid_for(now, cluster::node_lifetime));
    if (!made) {
        return failure(made.error());
    }
    log::info("node_admitted", {{"node", node.name}, {"id", hex(node.node)}, {"token", who.token}});
    return cluster::admitted{.certificate = std::move(*made),
                             .authorities =
                                 read_whole(places_.authority).value_or(by->certificate)};
}

} // namespace gv::server
