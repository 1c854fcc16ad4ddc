// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/scram.hpp"

#include "broker/auth/crypto.hpp"
#include "broker/auth/scram_message.hpp"
#include "broker/auth/text_file.hpp"

#include <cstdint>
#include <utility>

namespace gv::auth {

namespace {

constexpr std::size_t nonce_bytes = 18; // 24 characters of base64, none of them a comma
constexpr std::size_t decoy_salt_bytes = 16;

std::string exclusive_or(std::string left, std::string_view right) {
    for (std::size_t i = 0; i < left.size(); ++i) {
        left[i] = static_cast<char>(left[i] ^ right[i]);
    }
    return left;
}

/// What an unknown user is shown: an entry that nobody's proof can satisfy, the same at each try.
scram_credential make_decoy(const password_table& table, std::string_view username,
                            std::string_view secret) {
    const auto* model = table.scram_decoy(username);
    const std::string salt = hmac(digest::sha512, secret, username);
    return {.iterations = model != nullptr ? model->iterations : iterations_default,
            .salt = salt.substr(0, model != nullptr ? model->salt.size() : decoy_salt_bytes),
            .stored_key = random_bytes(digest_size(digest::sha256)),
            .server_key = random_bytes(digest_size(digest::sha256))};
}

class exchange final : public authentication_exchange {
  public:
    exchange(std::shared_ptr<const password_table> table, std::string decoy_secret,
             std::string server_nonce, exchange_context context)
        : table_(std::move(table)), decoy_secret_(std::move(decoy_secret)),
          server_nonce_(std::move(server_nonce)), context_(std::move(context)) {}

    [[nodiscard]] exchange_step start(std::string_view data) override {
        if (data.empty() && stage_ == stage::want_first) {
            return {.state = exchange_state::proceed, .data = {}, .who = {}, .rule = {}};
        }
        return next(data);
    }

    [[nodiscard]] exchange_step next(std::string_view data) override {
        if (data.size() > scram_message_bytes_max) {
            return fail("the message is longer than " + std::to_string(scram_message_bytes_max)
                        + " bytes");
        }
        switch (stage_) {
        case stage::want_first:
            return on_first(data);
        case stage::want_final:
            return on_final(data);
        case stage::done:
            break;
        }
        return fail("the exchange is over");
    }

  private:
    enum class stage : std::uint8_t { want_first, want_final, done };

    exchange_step on_first(std::string_view data) {
        const auto first = parse_client_first(data);
        if (!first) {
            return fail(first.error());
        }
        if (!first->authorise_as.empty() && first->authorise_as != first->username) {
            return fail("a client may act for its own user only");
        }
        if (context_.bound_to && context_.bound_to->username != first->username) {
            return fail("re-authentication as another user");
        }
        gs2_header_ = first->gs2_header;
        nonce_ = std::string(first->nonce) + server_nonce_;
        choose_credential(first->username);
        std::string server_first = "r=" + nonce_ + ",s=" + base64_encode(kept_.salt)
                                   + ",i=" + std::to_string(kept_.iterations);
        transcript_ = std::string(first->bare) + "," + server_first + ",";
        stage_ = stage::want_final;
        return {.state = exchange_state::proceed,
                .data = std::move(server_first),
                .who = {},
                .rule = {}};
    }

    void choose_credential(const std::string& username) {
        const auto* user = table_->find(username);
        username_ = username;
        // Made for known users too, so that both cost the same.
        kept_ = make_decoy(*table_, username, decoy_secret_);
        if (user == nullptr || !user->scram) {
            rule_ = user == nullptr ? ": no such user" : ": the user has no SCRAM entry";
            rule_.insert(0, table_->place());
            return;
        }
        is_known_ = true;
        kept_ = *user->scram;
        rule_ = place_of(table_->place(), user->scram_line);
    }

    exchange_step on_final(std::string_view data) {
        const auto final = parse_client_final(data);
        if (!final) {
            return fail(final.error());
        }
        if (final->gs2_header != gs2_header_) {
            return fail("the channel binding is not that of the first message");
        }
        if (final->nonce != nonce_) {
            return fail("the nonce is not that of the first messages");
        }
        transcript_ += final->without_proof;
        const std::string signature = hmac(digest::sha256, kept_.stored_key, transcript_);
        const std::string client_key = exclusive_or(final->proof, signature);
        const bool is_right =
            constant_time_equal(hash(digest::sha256, client_key), kept_.stored_key);
        if (!is_known_ || !is_right) {
            return fail(is_known_ ? rule_ + " wrong password" : rule_);
        }
        stage_ = stage::done;
        return {.state = exchange_state::success,
                .data = "v=" + base64_encode(hmac(digest::sha256, kept_.server_key, transcript_)),
                .who = {.username = username_},
                .rule = rule_};
    }

    exchange_step fail(std::string_view why) {
        stage_ = stage::done;
        return {.state = exchange_state::failure,
                .data = {},
                .who = {},
                .rule = "SCRAM-SHA-256: " + std::string(why)};
    }

    std::shared_ptr<const password_table> table_;
    std::string decoy_secret_;
    std::string server_nonce_;
    exchange_context context_;
    stage stage_ = stage::want_first;
    // From the first message on:
    std::string gs2_header_;
    std::string nonce_;      ///< the client's, then ours
    std::string transcript_; ///< AuthMessage (RFC 5802, 3), as far as it has got
    std::string username_;
    std::string rule_;
    scram_credential kept_;
    bool is_known_ = false;
};

} // namespace

scram_sha256::scram_sha256(std::shared_ptr<const password_table> table, std::string decoy_secret)
    : scram_sha256(std::move(table), std::move(decoy_secret),
                   [] { return base64_encode(random_bytes(nonce_bytes)); }) {}

scram_sha256::scram_sha256(std::shared_ptr<const password_table> table, std::string decoy_secret,
                           nonce_source nonces)
    : table_(std::move(table)), decoy_secret_(std::move(decoy_secret)), nonces_(std::move(nonces)) {
}

std::unique_ptr<authentication_exchange> scram_sha256::begin(exchange_context context) const {
    return std::make_unique<exchange>(table_, decoy_secret_, nonces_(), std::move(context));
}

} // namespace gv::auth
