// SPDX-License-Identifier: Apache-2.0
// Three lines of question (client id, username, topic), then an ACL file. Parsing is total, and
// no answer contradicts the laws of the format.
#include "base/assert.hpp"
#include "base/topic.hpp"
#include "broker/auth/acl.hpp"
#include "broker/auth/text_file.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace gv;
using namespace gv::auth;

void check_laws(const access_view& view, std::string_view topic) {
    if (is_valid_topic_name(topic)) {
        const auto publish = view.check(action::publish, topic);
        const auto receive = view.check(action::receive, topic);
        BROKER_ASSERT(!publish.rule.empty() && !receive.rule.empty(), "a decision without a rule");
        // What may be received or published is not covered by a denial, so it may be subscribed.
        BROKER_ASSERT(!(publish.allowed || receive.allowed)
                          || split_shared_filter(topic).has_value()
                          || view.check(action::subscribe, topic).allowed,
                      "allowed, yet a subscription is denied");
    }
    if (is_valid_topic_filter(topic)) {
        BROKER_ASSERT(filter_covers(topic, topic), "a filter does not cover itself");
        static_cast<void>(view.check(action::subscribe, topic));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    line_reader lines(text);
    std::string_view question[3];
    std::size_t used = 0;
    for (auto& line : question) {
        if (lines.advance()) {
            line = lines.line();
            used = static_cast<std::size_t>(line.data() + line.size() - text.data());
        }
    }
    const auto load = parse_acl_file(text.substr(used), "acl.conf");
    BROKER_ASSERT((load.table == nullptr) == !load.problems.empty(), "problems or a table");
    if (!load.table) {
        return 0;
    }
    const acl_authoriser asked(load.table);
    const auto& [client_id, username, topic] = question;
    check_laws(*asked.view_of({.client_id = client_id, .username = username}), topic);
    check_laws(*asked.view_of({.client_id = client_id, .username = std::nullopt}), topic);
    return 0;
}
