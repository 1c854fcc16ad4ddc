// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/client.hpp"

#include "tests/conformance/scram_client.hpp"

#include <algorithm>
#include <cstdlib>

namespace gv::conformance {
namespace {

using std::chrono::milliseconds;

/// How long an answer may take on a running broker. Only a failing case waits this long.
milliseconds patience() {
    static const char* const given = std::getenv("CONFORMANCE_PATIENCE_MS");
    return milliseconds(given != nullptr ? std::atoi(given) : 3000);
}

/// Where the specification lets a server close with or without saying why, Grapevine says why and
/// is held to it. For other brokers the saying is optional.
bool answers_are_optional() {
    static const bool are = std::getenv("CONFORMANCE_OPTIONAL_ANSWERS") != nullptr;
    return are;
}

/// For a connection that cannot be asked with PINGREQ.
constexpr milliseconds silence{150};

void demand(bool holds, const std::string& complaint) {
    if (!holds) {
        throw step_failure(complaint);
    }
}

constexpr const char* scram_method = "SCRAM-SHA-256";
constexpr int continue_authentication = 0x18;
constexpr int reauthenticate = 0x19;

json scram_packet(int reason, const json& data) {
    return {
        {"packet", "auth"},
        {"reason", reason},
        {"properties", {{"authentication_method", scram_method}, {"authentication_data", data}}}};
}

/// Fields of CONNECT with the defaults of a case filled in.
json connect_packet(json fields, const std::string& name, protocol_level level) {
    fields["packet"] = "connect";
    if (!fields.contains("client_id")) {
        fields["client_id"] = name;
    }
    if (fields.value("persistent", false)) {
        fields["clean_start"] = fields.value("clean_start", false);
        auto& properties = fields["properties"];
        if (level == 5
            && (properties.is_null()
                || (properties.is_object() && !properties.contains("session_expiry_interval")))) {
            properties["session_expiry_interval"] = 3600;
        }
    }
    fields.erase("persistent");
    fields.erase("version");
    if (fields.contains("properties") && fields.at("properties").is_null()) {
        fields.erase("properties");
    }
    return fields;
}

json subscribe_fields(const json& what) {
    if (what.is_string()) {
        return {{"filters", json::array({{{"filter", what}}})}};
    }
    if (what.contains("hex") || what.contains("repeat")) {
        return {{"filters", json::array({{{"filter", what}}})}};
    }
    if (!what.contains("filter")) {
        return what;
    }
    json fields = json::object();
    json one = json::object();
    for (const auto& [name, value] : what.items()) {
        (name == "properties" || name == "id" ? fields : one)[name] = value;
    }
    fields["filters"] = json::array({one});
    return fields;
}

json unsubscribe_fields(const json& what) {
    return what.is_string() ? json{{"filters", json::array({what})}} : what;
}

/// A pattern for a packet of this type, with "topic" meaning the topic behind an alias.
json publish_pattern(json pattern) {
    pattern["packet"] = "publish";
    if (pattern.contains("topic")) {
        pattern["resolved_topic"] = pattern.at("topic");
        pattern.erase("topic");
    }
    return pattern;
}

} // namespace

void client::open() {
    peer_ = given_.where.open();
    unread_.clear();
    inbox_.clear();
    is_closed_ = false;
    watch_ = watch();
    given_.log.push_back(given_.name + " opens a connection");
}

void client::connect(const json& fields, const json& expectation) {
    try_connect(fields);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern["packet"] = "connack";
    if (!pattern.contains("reason")) {
        pattern["reason"] = 0;
    }
    check(pattern, next());
}

void client::try_connect(const json& fields) {
    auto given = fields.is_object() ? fields : json::object();
    level_ = given.value("version", given_.level);
    if (!peer_ || is_closed_ || watch_.is_accepted()) {
        open();
    }
    send_packet(connect_packet(std::move(given), given_.name, level_));
}

void client::log_in(json fields, const json& expectation) {
    scram_client scram(fields.at("scram").at("username"), fields.at("scram").at("password"));
    fields.erase("scram");
    fields["properties"]["authentication_method"] = scram_method;
    fields["properties"]["authentication_data"] = scram.first();
    try_connect(fields);
    answer_challenge(scram);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern.update({{"packet", "connack"}, {"reason", 0}});
    pattern["properties"]["authentication_method"] = scram_method;
    pattern["properties"]["authentication_data"] = scram.expected_end();
    check(pattern, next());
}

void client::log_in_again(const json& fields) {
    scram_client scram(fields.at("username"), fields.at("password"));
    send_packet(scram_packet(reauthenticate, scram.first()));
    answer_challenge(scram);
    check(scram_packet(0, scram.expected_end()), next());
}

void client::answer_challenge(scram_client& scram) {
    const auto challenge = next();
    check(scram_packet(continue_authentication, {{"any", true}}), challenge);
    const auto data = challenge.at("properties").at("authentication_data").get<std::string>();
    send_packet(scram_packet(continue_authentication, scram.final(data)));
}

void client::send(const json& packets) {
    if (packets.is_object()) {
        return send_packet(packets);
    }
    std::string bytes;
    for (const auto& packet : packets) {
        const auto repeated = packet.value("times", 1);
        for (int left = repeated; left > 0; --left) {
            watch_.on_sent(packet, level_);
            bytes += encode(packet, level_);
        }
    }
    write(bytes, printable(packets));
}

void client::send_packet(const json& packet) {
    watch_.on_sent(packet, level_);
    write(encode(packet, level_), printable(packet));
}

void client::send_raw(const json& bytes) {
    write(bytes.is_string() ? bytes_of_hex(bytes.get<std::string>()) : text_of(bytes),
          "bytes " + printable(bytes));
}

void client::write(const std::string& bytes, const std::string& note) {
    demand(peer_.has_value(), given_.name + " has no connection");
    given_.log.push_back(given_.name + " → " + note);
    given_.where.write(*peer_, bytes);
}

void client::request(const char* type, json fields, const char* answer, const json& expectation) {
    fields["packet"] = type;
    if (!fields.contains("id")) {
        fields["id"] = fresh_id();
    }
    send_packet(fields);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern["packet"] = answer;
    check(pattern, next_of(answer, number_of(fields.at("id"))));
}

void client::subscribe(const json& what, const json& expectation) {
    const auto fields = subscribe_fields(what);
    auto pattern = expectation.is_object() ? expectation : json::object();
    if (!pattern.contains("reasons")) {
        for (const auto& one : fields.at("filters")) {
            pattern["reasons"].push_back(number_of(one.value("qos", json(0))));
        }
    }
    request("subscribe", fields, "suback", pattern);
}

void client::fail_to_subscribe(const json& what) {
    auto fields = subscribe_fields(what);
    fields["packet"] = "subscribe";
    fields["id"] = fresh_id();
    send_packet(fields);
    if (!fill(patience()) || inbox_.front().at("packet") == "disconnect") {
        return expect_closed({});
    }
    for (const auto& reason : next_of("suback", number_of(fields.at("id"))).at("reasons")) {
        demand(reason >= 0x80,
               given_.name + " was granted what is not allowed: " + printable(reason));
    }
}

void client::unsubscribe(const json& what, const json& expectation) {
    request("unsubscribe", unsubscribe_fields(what), "unsuback", expectation);
}

void client::publish(json fields, const json& expectation) {
    fields["packet"] = "publish";
    const auto qos = number_of(fields.value("qos", json(0)));
    if (qos > 0 && !fields.contains("id")) {
        fields["id"] = fresh_id();
    }
    send_packet(fields);
    if (qos == 0) {
        return;
    }
    const auto id = number_of(fields.at("id"));
    const auto first = next_of(qos == 1 ? "puback" : "pubrec", id);
    json pattern = expectation.is_object() ? expectation : json::object();
    if (!pattern.contains("reason")) {
        pattern["reason"] = {{"one_of", {0, 0x10}}};
    }
    pattern["packet"] = first.at("packet");
    check(pattern, first);
    if (qos == 2 && first.value("reason", 0) < 0x80) {
        send_packet({{"packet", "pubrel"}, {"id", id}});
        check({{"packet", "pubcomp"}, {"reason", 0}}, next_of("pubcomp", id));
    }
}

void client::ping() {
    send_packet({{"packet", "pingreq"}});
    next_of("pingresp", 0);
}

void client::fence() {
    if (peer_ && !is_closed_ && watch_.is_accepted()) {
        send_packet({{"packet", "pingreq"}});
        try {
            next_of("pingresp", 0);
        } catch (const step_failure&) {
            // Closed instead of answering: whether that was right is for the case's own steps.
            demand(is_closed_, given_.name + " got no PINGRESP");
        }
    }
}

void client::expect(const json& pattern) { check(pattern, next()); }

void client::expect_any(json patterns) {
    while (!patterns.empty()) {
        match_one_of(patterns, next());
    }
}

void client::receive(const json& pattern) {
    const auto packet = next();
    check(publish_pattern(pattern), packet);
    if (pattern.value("acknowledged", true)) {
        acknowledge(packet);
    }
}

void client::receive_any(json patterns) {
    for (auto& pattern : patterns) {
        pattern = publish_pattern(pattern);
    }
    while (!patterns.empty()) {
        const auto packet = next();
        match_one_of(patterns, packet);
        acknowledge(packet);
    }
}

json client::match_one_of(json& patterns, const json& packet) {
    std::string complaints;
    for (auto at = patterns.begin(); at != patterns.end(); ++at) {
        const auto problem = mismatch(visible_at(*at, level_), packet, given_.names);
        if (problem.empty()) {
            patterns.erase(at);
            return packet;
        }
        complaints += "\n  " + problem + ", where expected was " + printable(*at);
    }
    throw step_failure(given_.name + " received " + printable(packet)
                       + ", which is none of those expected:" + complaints);
}

void client::acknowledge(const json& packet) {
    const auto qos = packet.at("qos").get<int>();
    if (qos == 0) {
        return;
    }
    const auto id = packet.at("id").get<std::uint32_t>();
    send_packet({{"packet", qos == 1 ? "puback" : "pubrec"}, {"id", id}});
    if (qos == 2) {
        check({{"packet", "pubrel"}, {"reason", 0}}, next_of("pubrel", id));
        send_packet({{"packet", "pubcomp"}, {"id", id}});
    }
}

void client::check(const json& pattern, const json& packet) {
    auto wanted = pattern;
    wanted.erase("acknowledged");
    const auto problem = mismatch(visible_at(wanted, level_), packet, given_.names);
    demand(problem.empty(), given_.name + ": " + problem + "\nexpected " + printable(pattern)
                                + "\nreceived " + printable(packet));
}

void client::expect_nothing() {
    demand(peer_.has_value(), given_.name + " has no connection");
    if (inbox_.empty() && !is_closed_) {
        fill(watch_.is_accepted() ? milliseconds(0) : silence);
    }
    demand(inbox_.empty(), given_.name + " was to receive nothing and received "
                               + (inbox_.empty() ? "" : printable(inbox_.front())));
    demand(!is_closed_, given_.name + " was to stay connected and was closed");
}

void client::expect_open() {
    fill(milliseconds(0));
    demand(inbox_.empty() && !is_closed_, given_.name + " was to be left in peace");
}

void client::expect_closed(const json& how) {
    const bool is_named = how.is_object() && how.contains("reason");
    if (fill(patience())) {
        const auto packet = inbox_.front();
        inbox_.pop_front();
        demand(level_ == 5, given_.name + " was to be closed and received " + printable(packet));
        json pattern{{"packet", "disconnect"}};
        if (is_named) {
            pattern.update(how);
        }
        check(pattern, packet);
        const bool end = !fill(patience()) && is_closed_;
        demand(end, given_.name + " was sent DISCONNECT but not closed");
        return;
    }
    demand(is_closed_, given_.name + " was to be closed and was not");
    demand(level_ < 5 || !is_named || answers_are_optional() || how.at("reason").is_null(),
           given_.name + " was closed without a DISCONNECT");
}

void client::expect_refused(const json& how) {
    const auto answer = how.value(level_ == 5 ? "reason" : "return_code", json());
    const bool may_be_silent = answers_are_optional() || how.value("optional", false);
    const bool is_silent = may_be_silent && !fill(patience()) && is_closed_;
    if (!answer.is_null() && !is_silent) {
        json pattern{{"packet", "connack"}, {"reason", answer}, {"session_present", false}};
        if (how.contains("properties")) {
            pattern["properties"] = how.at("properties");
        }
        check(pattern, next());
    }
    demand(!fill(patience()) && is_closed_,
           given_.name + " was to be refused and closed, and was not");
}

void client::disconnect(json fields) {
    auto packet = fields.is_object() ? std::move(fields) : json::object();
    packet["packet"] = "disconnect";
    send_packet(packet);
    demand(!fill(patience()) && is_closed_,
           given_.name + " sent DISCONNECT and was not closed in peace");
}

void client::cut() {
    demand(peer_.has_value(), given_.name + " has no connection");
    // A reset overtakes what was written before it; what the case has sent shall arrive first.
    if (!given_.where.settle()) {
        fence();
    }
    given_.log.push_back(given_.name + " breaks its connection");
    given_.where.cut(*peer_);
    peer_.reset();
    is_closed_ = true;
}

bool client::fill(milliseconds time) {
    demand(peer_.has_value() || is_closed_, given_.name + " has no connection");
    const auto until = std::chrono::steady_clock::now() + time;
    while (inbox_.empty() && !is_closed_) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        auto arrived = given_.where.read(*peer_, std::max(left, milliseconds(0)));
        const bool is_silent = arrived.bytes.empty() && !arrived.is_closed;
        unread_ += arrived.bytes;
        while (auto raw = take_frame(unread_)) {
            take_in(*raw);
        }
        is_closed_ = arrived.is_closed;
        if (is_closed_) {
            given_.log.push_back(given_.name + " is closed by the broker");
        }
        if (is_silent) {
            break;
        }
    }
    return !inbox_.empty();
}

void client::take_in(const frame& raw) {
    auto packet = decode(raw, level_);
    given_.log.push_back(given_.name + " ← " + printable(packet));
    watch_.on_received(packet, raw.size);
    inbox_.push_back(std::move(packet));
}

json client::next() {
    if (!fill(patience())) {
        throw step_failure(
            given_.name
            + (is_closed_ ? " was closed instead of receiving a packet" : " received nothing"));
    }
    auto packet = std::move(inbox_.front());
    inbox_.pop_front();
    return packet;
}

json client::next_of(const std::string& type, std::uint32_t id) {
    std::deque<json> passed;
    for (;;) {
        if (!fill(patience())) {
            inbox_ = std::move(passed);
            throw step_failure(given_.name + " received no " + type
                               + (is_closed_ ? " but was closed" : ""));
        }
        auto packet = std::move(inbox_.front());
        inbox_.pop_front();
        const bool is_same = packet.at("packet") == type;
        if (is_same && (id == 0 || packet.at("id") == id)) {
            std::ranges::move(inbox_, std::back_inserter(passed));
            inbox_ = std::move(passed);
            return packet;
        }
        passed.push_back(std::move(packet));
    }
}

std::uint32_t client::fresh_id() { return ++last_id_; }

} // namespace gv::conformance
