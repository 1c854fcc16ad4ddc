// SPDX-License-Identifier: Apache-2.0
// One lane between two nodes in virtual time: publishers, a spool and a slow owner around its two
// ends, links that break with all that is on them, and nodes that crash. Everything comes from one
// seed. What a node has promised to a publisher is written down and compared with what arrives.
#pragma once

#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"
#include "tests/cluster/simulated_network.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gv::cluster::testing {

class lane_world {
  public:
    explicit lane_world(std::uint64_t seed, bool is_tracing = false);

    /// Does random things for a while, lets all come to rest, and compares.
    void run();

    std::vector<std::string> complaints;
    std::vector<std::string> trace;
    lane_sender_counts sent;       ///< of all lives
    lane_receiver_counts received; ///< of all lives
    std::uint64_t breaks = 0;
    std::uint64_t crashes = 0;
    std::uint64_t drained = 0;  ///< rows read back
    std::uint64_t returned = 0; ///< messages for groups

  private:
    using message_id = std::uint64_t;
    static constexpr node_id sending{7};
    static constexpr const char* topic = "a/topic";
    static constexpr forward_flags to_group{.group = "group", .filter = "a/+"};

    struct effects final : lane_effects {
        lane_world* world = nullptr;
        void taken(lane_waiter waiter, lane_reason reason) override;
        void given_back(lane_waiter waiter, lane_return why) override;
        void has_room() override;
        void spool_put(lane_seq seq, std::string_view bytes, lane_waiter waiter) override;
        void spool_read(lane_seq from, std::size_t bytes_max) override;
        void spool_erase(lane_seq first, lane_seq last) override;
    };
    struct row {
        std::string bytes;
        message_id id = 0;
        time_point put_at{};
        bool is_durable = false;
        std::uint64_t life = 0; ///< of the receiver, as it was known
    };
    /// What is known of a message that was published.
    struct fate {
        qos quality{};
        time_point expires = never;
        std::uint64_t life = 0;   ///< of the receiver, as it was known when this was published
        bool is_promised = false; ///< its publisher has an acknowledgement
        bool is_lost = false;     ///< a crash took it, without a promise
        bool is_done = false;     ///< the sender was told that it is taken, or gave it back
        bool is_for_group = false;
        bool was_in_memory = false;          ///< when it was appended
        std::optional<lane_return> returned; ///< it was given back
        std::uint64_t returned_on = 0;       ///< link
        std::uint64_t deliveries = 0;
        std::set<lane_reason> answers;
    };
    /// The highest delivered, of one life of the sender to one of the receiver.
    struct order {
        message_id counted = 0;
        message_id uncounted = 0;
        message_id any = 0;
    };

    // --- drawing
    [[nodiscard]] std::size_t below(std::size_t end) { return network_.random()() % end; }
    [[nodiscard]] bool chance(double share) { return network_.chance(share); }
    [[nodiscard]] duration between(duration least, duration most);
    [[nodiscard]] std::size_t some_size();
    void draw_options();

    // --- what happens
    void act();
    void publish();
    void crash_sender();
    void crash_receiver();
    void break_link();
    void declare_dead();
    void come_to_rest();

    // --- around the machines
    void start_sender();
    void connect();
    void welcome(const lane_hello& hello);
    void pump_sender();
    void pump_receiver();
    void arrive(const lane_frame& frame);
    void deliver(const publication& what, const forward_flags& flags, lane_seq seq);
    void after(duration span, std::uint64_t life, const std::uint64_t& of,
               std::function<void()> what);
    /// Later, and after what was put on that way before.
    void pass_on(time_point& way, std::function<void()> what);

    // --- promises
    [[nodiscard]] bool has_its_flags(const fate& of, const forward_flags& flags) const;
    void check_frame(const lane_frame& frame);
    void check_memory();
    void check_rest();
    void say(const std::string& line);
    void complain(const std::string& line);

    support::simulated_network<int> network_;
    lane_sender_options sender_options_;
    lane_receiver_options receiver_options_;
    bool has_groups_; ///< some messages are for one
    duration delay_max_{};
    duration answer_max_{};
    effects out_;

    std::unique_ptr<lane_sender> sender_;
    std::uint64_t sender_life_ = 0;
    std::map<lane_seq, row> spool_;
    std::map<lane_waiter, message_id> waiting_;
    lane_waiter waiters_ = 0;
    std::vector<fate> fates_{1}; ///< by id
    bool is_writing_ = false;
    bool was_full_ = false;
    time_point wakes_at_ = never;

    std::unique_ptr<lane_receiver> receiver_;
    std::uint64_t receiver_life_ = 0;
    std::uint64_t known_life_ = 0;           ///< of the receiver, at the sender
    std::uint64_t receiver_sender_life_ = 0; ///< whose lane it is
    std::uint64_t receiver_link_ = 0;        ///< as far as the receiver knows
    bool is_replying_ = false;
    std::map<std::pair<std::uint64_t, std::uint64_t>, order> orders_;
    std::size_t largest_ = 0;

    std::uint64_t link_ = 0; ///< number of the latest
    bool is_linked_ = false;
    time_point forth_{};
    time_point back_{};
    bool is_tracing_;
};

} // namespace gv::cluster::testing
