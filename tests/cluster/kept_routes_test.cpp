// SPDX-License-Identifier: Apache-2.0
// What kept sessions of another node want, across a restart: what is to be written down, and what
// becomes of it when it is given back.
#include "cluster/route_exchange.hpp"
#include "tests/cluster/route_disk.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <memory>

namespace gv::cluster {
namespace {

using ::testing::UnorderedElementsAre;

constexpr time_point start{100s};
constexpr node_id author{1};
constexpr node_id reader{2};
const auto kept = route_destination::kept_of(author);

route_subscription to(std::string_view filter) { return {.key = {.filter = filter, .group = {}}}; }

/// A node, with a disk that writes at once.
struct one final : route_effects {
    one(node_id node, std::uint32_t boot)
        : id{node, boot_id{boot}}, routes(id, {.owner = {.linger = 0s}}, start) {}
    void send(std::span<const node_id>, const route_message& message) override {
        sent.push_back(message);
    }
    void filter_changed(std::string_view) override {}
    void all_changed() override {}
    void on_known(wait_token, route_known) override {}
    void on_routes_ready() override {}
    void kept_row_put(node_id of, const route_key& key, const route_value& value) override {
        EXPECT_EQ(of, author);
        written.emplace_back("+" + std::string(key.filter));
        disk.put(of, key, value);
    }
    void kept_row_erased(node_id of, const route_key& key) override {
        written.emplace_back("-" + std::string(key.filter));
        disk.erase(of, key);
    }

    route_exchange::identity id;
    route_exchange routes;
    std::deque<route_message> sent;
    std::vector<std::string> written;
    testing::route_disk disk;
};

/// The author of some rows, and a node that has heard of them.
class KeptRoutes : public ::testing::Test {
  protected:
    KeptRoutes() {
        author_begins(1, {"a", "b", "c"});
        here_ = std::make_unique<one>(reader, 1U);
    }

    void author_begins(std::uint32_t boot, const std::vector<std::string>& filters) {
        there_ = std::make_unique<one>(author, boot);
        there_->routes.open_kept();
        for (const std::string& each : filters) {
            ASSERT_TRUE(there_->routes.subscribe(kept, to(each), now_, *there_));
        }
        there_->routes.start_kept(*there_);
        there_->sent.clear();
    }
    /// As an earlier life of the node has left it; the author is away.
    void here_begins_again() {
        here_->disk.sync();
        const testing::route_disk::rows left = here_->disk.there();
        here_ = std::make_unique<one>(reader, here_->id.boot.value + 1);
        here_->routes.on_peer({author, boot_id{1}}, peer_state::dead, now_, *here_);
        for (const auto& [key, value] : left) {
            const auto& [of, filter, group] = key;
            EXPECT_TRUE(here_->routes.restore_kept(of, {filter, group}, value));
        }
    }
    void meet() {
        there_->routes.on_peer(here_->id, peer_state::alive, now_, *there_);
        here_->routes.on_peer(there_->id, peer_state::alive, now_, *here_);
        pass(100ms);
    }
    void pass(duration span) {
        for (const time_point end = now_ + span; now_ < end; now_ += 1ms) {
            for (one* each : {there_.get(), here_.get()}) {
                if (each->routes.next_deadline() <= now_) {
                    each->routes.on_deadline(now_, *each);
                }
            }
            while (!there_->sent.empty() || !here_->sent.empty()) {
                deliver(*there_, *here_);
                deliver(*here_, *there_);
            }
        }
    }
    void deliver(one& from, one& into) {
        for (; !from.sent.empty(); from.sent.pop_front()) {
            EXPECT_TRUE(into.routes.on_message(from.id.node, from.sent.front(), now_, into));
        }
    }
    [[nodiscard]] std::string known() const {
        std::string found;
        for (const char* each : {"a", "b", "c", "d"}) {
            route_matches matches;
            here_->routes.match(each, matches);
            found += matches.targets.empty() ? "" : each;
        }
        return found;
    }
    [[nodiscard]] std::string on_disk() const {
        testing::route_disk synced = here_->disk;
        synced.sync();
        std::string found;
        for (const auto& [key, value] : synced.there()) {
            found += std::get<1>(key);
        }
        return found;
    }

    time_point now_ = start;
    std::unique_ptr<one> there_;
    std::unique_ptr<one> here_;
};

TEST_F(KeptRoutes, AreWrittenDownAsTheyComeAndGo) {
    meet();
    EXPECT_EQ(on_disk(), "abc");
    there_->routes.unsubscribe(kept, to("b"), now_, *there_);
    EXPECT_TRUE(there_->routes.subscribe(kept, to("d"), now_, *there_));
    pass(100ms);
    EXPECT_EQ(on_disk(), "acd");
}

TEST_F(KeptRoutes, OfVolatileSubscribersNothingIsWritten) {
    EXPECT_TRUE(there_->routes.subscribe(route_destination(author), to("d"), now_, *there_));
    meet();
    EXPECT_EQ(known(), "abcd");
    EXPECT_EQ(on_disk(), "abc");
}

TEST_F(KeptRoutes, AreKnownAfterARestartBeforeTheirAuthorIsThere) {
    meet();
    here_begins_again();
    EXPECT_EQ(known(), "abc");
    EXPECT_TRUE(here_->written.empty()) << "what is on disk need not be written";
}

TEST_F(KeptRoutes, AreCompleteWithOneDigestIfNothingHasChanged) {
    meet();
    here_begins_again();
    author_begins(2, {"c", "b", "a"});
    meet();
    const route_replica* copy = here_->routes.replica(kept);
    ASSERT_NE(copy, nullptr);
    EXPECT_TRUE(copy->is_complete());
    EXPECT_EQ(copy->counted().passes, 0U);
    EXPECT_TRUE(here_->written.empty());
}

TEST_F(KeptRoutes, AreMendedWhenTheirAuthorSpeaks) {
    meet();
    here_begins_again();
    author_begins(2, {"b", "d"});
    meet();
    EXPECT_EQ(known(), "bd");
    ASSERT_EQ(here_->written.size(), 3U) << "nothing of what stays";
    EXPECT_EQ(here_->written.front(), "+d") << "first what is new, then what is gone";
    EXPECT_THAT(here_->written, UnorderedElementsAre("+d", "-a", "-c"));
}

TEST_F(KeptRoutes, OfAMemberThatIsForgottenAreErased) {
    meet();
    here_begins_again();
    here_->disk = {};
    here_->routes.on_peer({author, boot_id{1}}, peer_state::gone, now_, *here_);
    EXPECT_EQ(known(), "");
    pass(10ms);
    EXPECT_THAT(here_->written, UnorderedElementsAre("-a", "-b", "-c"));
    EXPECT_EQ(here_->routes.replica(kept), nullptr);
}

TEST_F(KeptRoutes, OfAnUnknownMemberOrDamagedAreNotTaken) {
    auto done = here_->routes.restore_kept(author, {"a", {}}, {});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), route_fault::unknown_peer);
    here_->routes.on_peer({author, boot_id{1}}, peer_state::dead, now_, *here_);
    const route_value of_group{.online = 2, .total = 1};
    EXPECT_EQ(here_->routes.restore_kept(author, {"a/#/b", {}}, {}).error(),
              route_fault::filter_invalid);
    EXPECT_EQ(here_->routes.restore_kept(author, {"a", "g"}, of_group).error(),
              route_fault::value_invalid);
    EXPECT_EQ(here_->routes.restore_kept(author, {"a", {}}, {.quality = 3}).error(),
              route_fault::value_invalid);
    EXPECT_EQ(here_->routes.replica(kept), nullptr);
}

TEST_F(KeptRoutes, AreBoundedAsThoseThatAreTold) {
    route_options options;
    options.replica.limits.rows_max = 2;
    route_exchange small({reader, boot_id{2}}, options, now_);
    small.on_peer({author, boot_id{1}}, peer_state::dead, now_, *here_);
    EXPECT_TRUE(small.restore_kept(author, {"a", {}}, {}));
    EXPECT_TRUE(small.restore_kept(author, {"b", {}}, {}));
    EXPECT_EQ(small.restore_kept(author, {"c", {}}, {}).error(), route_fault::too_many_rows);
}

} // namespace
} // namespace gv::cluster
