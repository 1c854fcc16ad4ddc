// SPDX-License-Identifier: Apache-2.0
// What the ledger of deliveries does not know: that a retained value never goes back for a
// subscriber and is the last one in the end, and that a will is published when it is due, once, and
// never after a DISCONNECT. Each retained topic has one publisher, whose values count up.
#pragma once

#include "tests/support/wire_client.hpp"

#include <map>
#include <string>
#include <vector>

namespace gv::simulation {

/// The number in "name#17 padding"; 0 if there is none.
[[nodiscard]] std::uint64_t number_of(std::string_view payload);

class promises {
  public:
    enum class will : std::uint8_t {
        open,  ///< its connection lives, or nobody can say what the broker saw
        due,   ///< must come
        never, ///< its connection was closed by DISCONNECT
    };

    void will_is(const std::string& payload, will state);
    /// What the observer got, who is always there.
    void observed(const support::delivered& what);

    void retained_taken(const std::string& topic, std::string_view payload);
    void retained_published(const std::string& payload, time_point now);
    /// What any client got. A retained value may be older than one that the client has seen if that
    /// was published after `settled`.
    void seen(const std::string& client, const support::delivered& what, time_point settled);
    void session_ended(const std::string& client);
    /// The broker's retained value of a topic in the end.
    void audited(const support::delivered& what);

    /// Adds what is still owed.
    void finish();
    [[nodiscard]] const std::vector<std::string>& complaints() const noexcept {
        return complaints_;
    }
    [[nodiscard]] std::size_t wills_seen() const noexcept { return wills_seen_.size(); }

  private:
    std::map<std::string, will> wills_;
    std::map<std::string, std::size_t> wills_seen_;
    std::map<std::string, std::uint64_t> taken_;
    std::map<std::string, std::uint64_t> audited_;
    std::map<std::string, time_point> published_;                       ///< by payload
    std::map<std::pair<std::string, std::string>, std::string> newest_; ///< client, topic
    std::vector<std::string> complaints_;
};

} // namespace gv::simulation
