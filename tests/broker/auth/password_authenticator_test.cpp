// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_authenticator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

namespace gv::auth {
namespace {

std::shared_ptr<const password_table> table_with(std::uint32_t iterations) {
    const auto entry =
        format_credential(make_password_hash("secret", hash_scheme::pbkdf2_sha512, iterations));
    const auto scram = format_credential(make_scram_credential("secret", 4'096));
    return parse_password_file("alice:" + entry + "\nbob:" + scram + "\n", "passwords").table;
}

credentials offering(std::optional<std::string_view> username,
                     std::optional<std::string_view> password) {
    return {.client_id = "c",
            .username = username,
            .password = password,
            .listener = "tcp",
            .peer_address = {},
            .certificate_identity = {}};
}

verdict answer_of(const authenticator& asked, const credentials& given) {
    std::promise<verdict> answer;
    asked.authenticate(given, [&](verdict got) { answer.set_value(std::move(got)); });
    return answer.get_future().get();
}

TEST(PasswordAuthenticator, DecidesByThePasswordFileAndNamesTheLine) {
    hash_pool pool;
    const password_authenticator asked(table_with(100), pool);
    const auto right = answer_of(asked, offering("alice", "secret"));
    EXPECT_EQ(right.outcome, decision::allow);
    EXPECT_EQ(right.rule, "passwords:1");
    EXPECT_EQ(right.who.username, "alice");

    const auto wrong = answer_of(asked, offering("alice", "Secret"));
    EXPECT_EQ(wrong.outcome, decision::deny);
    EXPECT_EQ(wrong.rule, "passwords:1 wrong password");
    EXPECT_EQ(answer_of(asked, offering("alice", "")).outcome, decision::deny);
    EXPECT_EQ(answer_of(asked, offering("alice", {})).outcome, decision::deny);

    // The right password of the decoy's owner does not let an unknown user in.
    const auto unknown = answer_of(asked, offering("mallory", "secret"));
    EXPECT_EQ(unknown.outcome, decision::next);
    EXPECT_EQ(unknown.rule, "passwords: no such user");
    EXPECT_EQ(answer_of(asked, offering("bob", "secret")).outcome, decision::next);
    EXPECT_EQ(answer_of(asked, offering({}, "secret")).outcome, decision::next);
}

TEST(PasswordAuthenticator, HashesOnAnotherThread) {
    hash_pool pool;
    const password_authenticator asked(table_with(100), pool);
    std::promise<std::thread::id> thread;
    asked.authenticate(offering("alice", "secret"),
                       [&](const verdict&) { thread.set_value(std::this_thread::get_id()); });
    EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
}

TEST(PasswordAuthenticator, SaysBusyWhenTheQueueIsFull) {
    std::promise<void> gate;
    std::promise<void> started;
    hash_pool pool({.threads = 1, .queue_max = 1});
    pool.submit([&, open = gate.get_future().share()](hash_pool::admission) {
        started.set_value();
        open.wait();
    });
    started.get_future().wait();
    const password_authenticator asked(table_with(100), pool);
    std::promise<verdict> first;
    asked.authenticate(offering("alice", "secret"),
                       [&](verdict got) { first.set_value(std::move(got)); });
    EXPECT_EQ(answer_of(asked, offering("alice", "secret")).outcome, decision::busy);
    gate.set_value();
    EXPECT_EQ(first.get_future().get().outcome, decision::allow);
}

TEST(PasswordAuthenticator, AnUnknownUserTakesAsLongAsAKnownOne) {
    hash_pool pool;
    const password_authenticator asked(table_with(100'000), pool); // some 40 ms a hash
    const auto time_of = [&](std::string_view username) {
        auto best = std::chrono::nanoseconds::max();
        for (int i = 0; i < 3; ++i) {
            const auto start = std::chrono::steady_clock::now();
            static_cast<void>(answer_of(asked, offering(username, "wrong")));
            best =
                std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
        }
        return best;
    };
    const auto known = time_of("alice");
    // Without the decoy hash these would be thousands of times faster.
    EXPECT_GT(time_of("mallory"), known / 4);
    EXPECT_GT(time_of("bob"), known / 4);
}

} // namespace
} // namespace gv::auth
