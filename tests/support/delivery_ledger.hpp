// SPDX-License-Identifier: Apache-2.0
// What clients were promised, held against what they got: brute force, by the words of the
// specification, with no knowledge of how the broker does it. Every message has a payload of its
// own, by which it is known again.
//
// A message without expiry that its publisher had acknowledged at QoS 1 or 2 is owed to every
// session with a subscription that was acknowledged before the message was sent and has lasted
// since. Of a message, a session may get one copy that is not marked DUP (more if its publisher had
// to send it again at QoS 1), one altogether at QoS 2, in the order of sending for each publisher,
// topic and QoS.
#pragma once

#include "tests/support/wire_client.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace gv::support {

class delivery_ledger {
  public:
    void subscribing(const std::string& client, packet_id id,
                     const std::vector<subscribe_request>& filters);
    void subscribed(const std::string& client, packet_id id);
    void unsubscribing(const std::string& client, const std::vector<std::string>& filters);
    /// The session is gone, and what was owed to it.
    void session_ended(const std::string& client);
    /// The connection ended, the session goes on. What it published and was not acknowledged may
    /// come twice.
    void went_away(const std::string& client);

    /// The broker died, and with it what it knew of messages that nobody had acknowledged. They may
    /// reach subscribers of QoS 1 once more.
    void broker_died();

    void publishing(const std::string& client, const publish_request& what);
    void settled(const std::string& payload, bool is_taken);
    void delivery(const std::string& client, const delivered& what);

    /// Whether messages sent from now on are owed to shared groups; not while a member is leaving,
    /// since what the broker gives it meanwhile is lost with it.
    bool owes_groups = true;

    /// Whether members of shared groups may get a message more than once, and late: it was given to
    /// another that could not say that it has been taken.
    bool groups_may_repeat = false;

    /// Whether messages sent from now on must come behind those sent before; not while some of a
    /// connection before may still be on their way between shards.
    bool keeps_order = true;

    /// What went wrong so far.
    [[nodiscard]] const std::vector<std::string>& complaints() const noexcept {
        return complaints_;
    }
    /// Adds what is still owed, if it is more than `dropped` messages. To be called when everybody
    /// had time to take everything.
    void finish(std::size_t dropped = 0);

    [[nodiscard]] std::size_t messages() const noexcept { return messages_.size(); }
    [[nodiscard]] std::size_t deliveries() const noexcept { return deliveries_; }
    [[nodiscard]] std::size_t debts() const noexcept { return debts_.size(); }
    /// The client has a subscription with this filter, acknowledged or not.
    [[nodiscard]] bool has(const std::string& client, const std::string& filter) const;

  private:
    struct message {
        publish_request what;
        std::string publisher;
        std::uint64_t order = 0;
        bool is_in_order = true;
        bool is_taken = false;
        bool is_refused = false;
        bool may_be_sent_twice = false;
        bool may_be_new_to_broker = false; ///< when it is sent again
    };
    struct subscription {
        subscribe_request what;
        packet_id asked;
        bool is_acknowledged = false;
    };
    struct session {
        std::map<std::string, subscription> subscriptions;
        std::set<std::string> ever; ///< filters, so that nothing comes out of nowhere
    };
    struct copies {
        std::size_t all = 0;
        std::size_t first_hand = 0; ///< without DUP
        std::size_t at_qos_2 = 0;
    };
    using receiver = std::string; ///< a client, or a shared filter

    void owe(const std::string& payload, const message& what);
    void forgive(const receiver& who);
    void forgive(const receiver& who, const std::string& filter);
    void forgive_groups_of(const std::string& client);
    void check_copies(const std::string& client, const message& of, const copies& got,
                      std::size_t paths, bool is_shared);
    void check_order(const std::string& client, const message& of, qos quality);
    void complain(std::string text) { complaints_.push_back(std::move(text)); }

    std::map<std::string, message> messages_; ///< by payload
    std::map<std::string, session> sessions_;
    std::map<std::pair<receiver, std::string>, qos> debts_; ///< receiver, payload; least QoS
    std::map<std::pair<std::string, std::string>, copies> copies_;
    std::map<std::string, std::uint64_t> newest_;
    std::vector<std::string> complaints_;
    std::uint64_t order_ = 0;
    std::size_t deliveries_ = 0;
};

} // namespace gv::support
