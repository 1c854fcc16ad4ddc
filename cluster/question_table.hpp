// SPDX-License-Identifier: Apache-2.0
// Questions of peers that are not answered yet. Most are answered while they are heard; a request
// to probe somebody is answered when that one has answered, or has not.
#pragma once

#include "base/time.hpp"
#include "cluster/peer_transport.hpp"

#include <deque>
#include <optional>

namespace gv::cluster {

/// The number by which an answer names its question; 0: it names none.
[[nodiscard]] inline std::uint64_t sequence_of(const message_body& body) {
    return std::visit(
        [](const auto& each) -> std::uint64_t {
            if constexpr (requires { each.sequence; }) {
                return each.sequence;
            } else {
                return 0;
            }
        },
        body);
}

[[nodiscard]] constexpr bool is_answer(const message_body& body) {
    return std::holds_alternative<ack>(body) || std::holds_alternative<nack>(body)
           || std::holds_alternative<push_pull_answer>(body)
           || std::holds_alternative<refusal>(body);
}

class question_table {
  public:
    struct question {
        question_id id;
        node_id from;
        std::uint64_t sequence = 0;
        time_point until;
    };

    /// Lets the oldest go if there are more than `questions_max`: returned, to be answered by
    /// nothing.
    [[nodiscard]] std::optional<question_id> add(const question& asked) {
        open_.push_back(asked);
        if (open_.size() <= questions_max) {
            return std::nullopt;
        }
        const question_id oldest = open_.front().id;
        open_.pop_front();
        return oldest;
    }
    [[nodiscard]] std::optional<question_id> take(node_id from, std::uint64_t sequence) {
        for (auto each = open_.begin(); each != open_.end(); ++each) {
            if (each->from == from && each->sequence == sequence) {
                const question_id found = each->id;
                open_.erase(each);
                return found;
            }
        }
        return std::nullopt;
    }
    /// One that nobody waits for any more; to be called until there is none.
    [[nodiscard]] std::optional<question_id> expire(time_point now) {
        if (open_.empty() || open_.front().until > now) {
            return std::nullopt;
        }
        const question_id gone = open_.front().id;
        open_.pop_front();
        return gone;
    }

  private:
    static constexpr std::size_t questions_max = 1'024;
    std::deque<question> open_; ///< in the order in which they run out
};

} // namespace gv::cluster
